//! Verifying the books: every stock level is the sum of its movements, and every balance is the sum of the
//! movements up to it.

use serde::Serialize;
use tenancy::{DbError, TenantTx};
use utoipa::ToSchema;
use values::Quantity;

use crate::ids::{LocationId, VariantId};

/// A stock level that differs from its movements or from what orders have reserved.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LedgerDrift)]
pub struct Drift {
    pub variant_id: VariantId,
    pub location_id: LocationId,
    pub on_hand: Quantity,
    /// The sum of its movements.
    pub ledger: Quantity,
    pub reserved: Quantity,
    /// What orders have reserved and not yet fulfilled.
    pub promised: Quantity,
    /// Movements whose balance is not the sum up to them, or whose position is not the next one.
    pub broken_movements: i64,
}

tenancy::from_row!(Drift { variant_id, location_id, on_hand, ledger, reserved, promised, broken_movements });

/// What was compared, and every difference that was found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub levels: i64,
    pub movements: i64,
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
