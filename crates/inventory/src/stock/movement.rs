//! The stock ledger: append-only lines, each with the balance after it.

use chrono::{DateTime, Utc};
use tenancy::{DbError, TenantTx};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::ids::{LocationId, MovementId, VariantId};
use values::{Money, Quantity};
use values::{Page, PageRequest};

/// What kind of business moved the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Purchase,
    Sale,
    Adjustment,
    Return,
    Transfer,
    Count,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Sale => "sale",
            Self::Adjustment => "adjustment",
            Self::Return => "return",
            Self::Transfer => "transfer",
            Self::Count => "count",
        }
    }
}

/// A line of the ledger.
#[derive(Debug, Clone)]
pub struct Movement {
    pub id: MovementId,
    pub variant_id: VariantId,
    pub location_id: LocationId,
    pub kind: String,
    /// Signed: negative went out.
    pub quantity: Quantity,
    pub balance_after: Quantity,
    /// What one unit cost, where anything was known of that.
    pub unit_cost: Option<Money>,
    pub reason: Option<String>,
    pub source_type: String,
    pub source_id: Uuid,
    /// The user who did it; `None` is the platform.
    pub actor_id: Option<Uuid>,
    pub occurred_at: DateTime<Utc>,
}

impl Movement {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            id: MovementId::from_uuid(row.try_get("id")?),
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            location_id: LocationId::from_uuid(row.try_get("location_id")?),
            kind: row.try_get("kind")?,
            quantity: Quantity::from_decimal(row.try_get("quantity")?),
            balance_after: Quantity::from_decimal(row.try_get("balance_after")?),
            unit_cost: row.try_get::<_, Option<_>>("unit_cost")?.map(Money::from_decimal),
            reason: row.try_get("reason")?,
            source_type: row.try_get("source_type")?,
            source_id: row.try_get("source_id")?,
            actor_id: row.try_get("actor_id")?,
            occurred_at: row.try_get("occurred_at")?,
        })
    }
}

/// A page of the ledger, of one variant or of all, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    variant: Option<VariantId>,
    page: &PageRequest<1>,
) -> Result<Page<Movement, 1>, DbError> {
    const ALL: &str = "
        SELECT id, variant_id, location_id, kind, quantity, balance_after, unit_cost, reason, source_type, source_id,
               actor_id, occurred_at
          FROM stock_movements
         WHERE id < $1
         ORDER BY id DESC
         LIMIT $2";
    const OF_VARIANT: &str = "
        SELECT id, variant_id, location_id, kind, quantity, balance_after, unit_cost, reason, source_type, source_id,
               actor_id, occurred_at
          FROM stock_movements
         WHERE variant_id = $3 AND id < $1
         ORDER BY id DESC
         LIMIT $2";
    let rows = match variant {
        None => tx.query(ALL, &[&page.before(0), &page.limit.and_one()]).await?,
        Some(variant) => {
            tx.query(OF_VARIANT, &[&page.before(0), &page.limit.and_one(), &variant.as_uuid()]).await?
        }
    };
    let rows = rows.iter().map(Movement::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(rows, |movement| [movement.id.as_uuid()]))
}
