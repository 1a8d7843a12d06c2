//! Verifying the books: on hand and value of every stock level are the sums of its movements, reserved is
//! what open orders have reserved, and every balance is the sum of the movements up to it.

use serde::Serialize;
use tenancy::{DbError, TenantTx};
use values::{Quantity, StockValue};

use crate::ids::{LocationId, VariantId};

/// A stock level that differs from its movements or from what open orders have reserved.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The variant of the stock level.
    pub variant_id: VariantId,
    /// The location of the stock level.
    pub location_id: LocationId,
    /// The stock on hand that the stock level stores, in sale units; 0 if the stock level is missing.
    pub on_hand: Quantity,
    /// The sum of its movements, in sale units.
    pub ledger: Quantity,
    /// The reserved quantity that the stock level stores, in sale units; 0 if the stock level is missing.
    pub reserved: Quantity,
    /// The quantity that open orders reserve, in sale units: ordered, and neither fulfilled nor cancelled.
    pub promised: Quantity,
    /// The cost of the stock on hand that the stock level stores; 0 if it is not known.
    pub value: StockValue,
    /// The sum of the values of its movements.
    pub ledger_value: StockValue,
    /// The number of movements whose balance is not the sum up to them, or whose position is not the next
    /// one.
    pub broken_movements: i64,
}

tenancy::from_row!(Drift {
    variant_id,
    location_id,
    on_hand,
    ledger,
    reserved,
    promised,
    value,
    ledger_value,
    broken_movements,
});

/// What was compared, and every difference that was found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// How many stock levels the business has.
    pub levels: i64,
    /// How many movements the ledger has.
    pub movements: i64,
    /// The stock levels that differ, in the order of variant and location, at most 1000.
    pub drifts: Vec<Drift>,
}

impl Verdict {
    /// Whether no difference was found.
    pub fn holds(&self) -> bool {
        self.drifts.is_empty()
    }
}

/// Computes every stock level again from the ledger and from open orders. Reads all movements.
///
/// # Errors
/// [`DbError`].
pub async fn verify(tx: &TenantTx) -> Result<Verdict, DbError> {
    const LEVELS: &str = "SELECT count(*) FROM stock_levels";
    const MOVEMENTS: &str = "SELECT count(*) FROM stock_movements";
    const DRIFTS: &str = include_str!("ledger_drifts.sql");
    Ok(Verdict {
        levels: tx.value(LEVELS, &[]).await?,
        movements: tx.value(MOVEMENTS, &[]).await?,
        drifts: tx.rows(DRIFTS, &[]).await?,
    })
}
