//! The price history of variants: the prices that a variant had, each from a moment on.

use chrono::{DateTime, Utc};
use tenancy::{DbError, TenantTx};
use values::{ActorId, Money, Page, PageRequest};

use crate::ids::{PriceChangeId, VariantId};

/// The prices of a variant that came into force at one moment.
#[derive(Debug, Clone)]
pub struct PriceChange {
    /// The id of the change; later changes have greater ids.
    pub id: PriceChangeId,
    /// The list price of one unit.
    pub price: Money,
    /// A former or recommended price of one unit; `None` if there was none.
    pub compare_at_price: Option<Money>,
    /// The unit cost in the catalogue; `None` if there was none.
    pub cost: Option<Money>,
    /// The user or program that set the prices, or the system.
    pub actor_id: ActorId,
    /// When the prices came into force. They remain in force until the next change.
    pub changed_at: DateTime<Utc>,
}

tenancy::from_row!(PriceChange { id, price, compare_at_price, cost, actor_id, changed_at });

/// Stores the prices that variants have now.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn record(tx: &TenantTx, variants: &[VariantId], actor: ActorId) -> Result<(), DbError> {
    const RECORD: &str = "
        INSERT INTO price_changes (id, variant_id, price, compare_at_price, cost, actor_id, changed_at)
        SELECT new.id, v.id, v.price, v.compare_at_price, v.cost, $3, $4
          FROM unnest($1::uuid[], $2::uuid[]) AS new (id, variant_id)
          JOIN variants v ON v.id = new.variant_id";
    let ids: Vec<PriceChangeId> = variants.iter().map(|_| PriceChangeId::new()).collect();
    tx.execute(RECORD, &[&ids, &variants, &actor, &tx.now()]).await.map(drop)
}

/// A page of a variant's prices, newest first. An unknown variant has none.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    id: VariantId,
    page: &PageRequest<(DateTime<Utc>, PriceChangeId)>,
) -> Result<Page<PriceChange>, DbError> {
    const LIST: &str = "
        SELECT id, price, compare_at_price, cost, actor_id, changed_at
          FROM price_changes
         WHERE variant_id = $1 AND (changed_at, id) < ($2, $3)
         ORDER BY changed_at DESC, id DESC
         LIMIT $4";
    let (moment, before) = page.below();
    let changes = tx.rows(LIST, &[&id, &moment, &before, &page.limit.and_one()]).await?;
    Ok(page.page(changes, |change: &PriceChange| (change.changed_at, change.id)))
}
