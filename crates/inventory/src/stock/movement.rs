//! The stock ledger: append-only movements, each with the balance after it.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use tenancy::{DbError, TenantTx};
use uuid::Uuid;
use values::{ActorId, Money, Page, PageRequest, Quantity};

use crate::ids::{
    AdjustmentId, CountId, FulfilmentId, LocationId, MovementId, OrderId, ReceiptId, ReturnId, StepId,
    TransferId, VariantId,
};

values::words! {
    /// What moved the stock.
    pub enum Kind {
        /// Goods received from a supplier, or taken back from the books.
        Purchase = "purchase",
        /// Goods that left for an order.
        Sale = "sale",
        /// A change by hand, with a reason; also the write-off of a return that is not restocked.
        Adjustment = "adjustment",
        /// Goods of an order that came back.
        Return = "return",
        /// Goods that left for another location, or arrived from one.
        Transfer = "transfer",
        /// The difference that a stock count found.
        Count = "count",
    }

    /// Which document caused a movement.
    pub enum SourceKind {
        Adjustment = "adjustment",
        Count = "count",
        Fulfilment = "fulfilment",
        GoodsReceipt = "goods_receipt",
        Order = "order",
        Return = "return",
        Transfer = "transfer",
        TransferStep = "transfer_step",
    }
}

/// The document that causes a movement.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    Adjustment(AdjustmentId),
    Count(CountId),
    Fulfilment(FulfilmentId),
    GoodsReceipt(ReceiptId),
    Order(OrderId),
    Return(ReturnId),
    Transfer(TransferId),
    TransferStep(StepId),
}

impl Source {
    /// The document's kind and id, as the ledger stores them.
    pub(crate) fn columns(self) -> (SourceKind, Uuid) {
        match self {
            Self::Adjustment(id) => (SourceKind::Adjustment, id.into()),
            Self::Count(id) => (SourceKind::Count, id.into()),
            Self::Fulfilment(id) => (SourceKind::Fulfilment, id.into()),
            Self::GoodsReceipt(id) => (SourceKind::GoodsReceipt, id.into()),
            Self::Order(id) => (SourceKind::Order, id.into()),
            Self::Return(id) => (SourceKind::Return, id.into()),
            Self::Transfer(id) => (SourceKind::Transfer, id.into()),
            Self::TransferStep(id) => (SourceKind::TransferStep, id.into()),
        }
    }
}

/// A movement of the ledger.
#[derive(Debug, Clone)]
pub struct Movement {
    pub id: MovementId,
    pub variant_id: VariantId,
    pub location_id: LocationId,
    pub kind: Kind,
    /// The change of on hand; negative where stock left.
    pub quantity: Quantity,
    /// On hand at the location after the movement.
    pub balance_after: Quantity,
    /// The cost of one unit, if known.
    pub unit_cost: Option<Money>,
    pub reason: Option<String>,
    pub source_type: SourceKind,
    pub source_id: Uuid,
    pub actor_id: ActorId,
    pub occurred_at: DateTime<Utc>,
}

tenancy::from_row!(Movement {
    id,
    variant_id,
    location_id,
    kind,
    quantity,
    balance_after,
    unit_cost,
    reason,
    source_type,
    source_id,
    actor_id,
    occurred_at,
});

/// A page of the ledger, newest first: of one variant, or of all.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    variant: Option<VariantId>,
    page: &PageRequest<MovementId>,
) -> Result<Page<Movement>, DbError> {
    const SELECT: &str = "
        SELECT id, variant_id, location_id, kind, quantity, balance_after, unit_cost, reason, source_type,
               source_id, actor_id, occurred_at
          FROM stock_movements ";
    const ALL: &str = concatcp!(SELECT, "WHERE id < $1 ORDER BY id DESC LIMIT $2");
    const OF_VARIANT: &str = concatcp!(SELECT, "WHERE variant_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2");
    let (below, limit) = (page.below(), page.limit.and_one());
    let movements = match variant {
        None => tx.rows(ALL, &[&below, &limit]).await?,
        Some(variant) => tx.rows(OF_VARIANT, &[&below, &limit, &variant]).await?,
    };
    Ok(page.page(movements, |movement: &Movement| movement.id))
}
