//! The stock ledger: append-only movements, each with the balance after it.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use tenancy::{DbError, TenantTx};
use uuid::Uuid;
use values::{ActorId, Money, Page, PageRequest, Quantity, StockValue};

use crate::ids::{
    AdjustmentId, CountId, FulfilmentId, LocationId, MovementId, OrderId, ReceiptId, ReturnId, RevaluationId,
    StepId, SupplierReturnId, TransferId, VariantId,
};

values::words! {
    /// What moved the stock.
    pub enum Kind {
        /// Goods received from a supplier, or taken out again because the receipt was reversed.
        Purchase = "purchase",
        /// Goods that left for an order or were sold at the till.
        Sale = "sale",
        /// A change by hand, with a reason; also the goods of a return that are scrapped.
        Adjustment = "adjustment",
        /// Goods of an order or of the till that came back.
        Return = "return",
        /// Goods that left for another location, arrived from one, or came back without having arrived.
        Transfer = "transfer",
        /// The difference that a stock count found.
        Count = "count",
        /// The value of the stock changed, and no goods moved: somebody corrected a wrong cost, goods of
        /// unknown cost met goods of known cost, or goods went back to the supplier after others had left at
        /// the average cost.
        Revaluation = "revaluation",
    }

    /// Which document caused a movement.
    pub enum SourceKind {
        /// A stock adjustment.
        Adjustment = "adjustment",
        /// A stock count whose differences were posted.
        Count = "count",
        /// A fulfilment of an order.
        Fulfilment = "fulfilment",
        /// A goods receipt, or the reversal of one.
        GoodsReceipt = "goods_receipt",
        /// The update of the software that began to keep exact values.
        Migration = "migration",
        /// An order that was fulfilled when it was placed.
        Order = "order",
        /// A return of goods of an order.
        Return = "return",
        /// A correction of the cost of stock, with a reason.
        Revaluation = "revaluation",
        /// A receipt of the till: goods that were sold or came back.
        Sale = "sale",
        /// A receipt of the till that was voided, so that its goods came back.
        SaleVoid = "sale_void",
        /// A return of goods to a supplier.
        SupplierReturn = "supplier_return",
        /// A transfer whose goods left the source location.
        Transfer = "transfer",
        /// A step of a transfer: goods that arrived or were sent back.
        TransferStep = "transfer_step",
    }
}

/// The document that causes a movement.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// A stock adjustment.
    Adjustment(AdjustmentId),
    /// A stock count, when its differences are posted.
    Count(CountId),
    /// A fulfilment of an order that was placed earlier.
    Fulfilment(FulfilmentId),
    /// A goods receipt, or the reversal of one.
    GoodsReceipt(ReceiptId),
    /// An order that is placed or cancelled. It moves stock only if it is fulfilled when it is placed.
    Order(OrderId),
    /// A return of goods of an order.
    Return(ReturnId),
    /// A correction of the cost of stock.
    Revaluation(RevaluationId),
    /// A receipt of the till.
    Sale(Uuid),
    /// A receipt of the till, when it is voided.
    SaleVoid(Uuid),
    /// A return of goods to a supplier.
    SupplierReturn(SupplierReturnId),
    /// A transfer, when its goods leave the source location.
    Transfer(TransferId),
    /// A step of a transfer: goods arrive or are sent back.
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
            Self::Revaluation(id) => (SourceKind::Revaluation, id.into()),
            Self::Sale(id) => (SourceKind::Sale, id),
            Self::SaleVoid(id) => (SourceKind::SaleVoid, id),
            Self::SupplierReturn(id) => (SourceKind::SupplierReturn, id.into()),
            Self::Transfer(id) => (SourceKind::Transfer, id.into()),
            Self::TransferStep(id) => (SourceKind::TransferStep, id.into()),
        }
    }
}

/// A movement of the ledger.
#[derive(Debug, Clone)]
pub struct Movement {
    /// The id of the movement.
    pub id: MovementId,
    /// The variant that moved.
    pub variant_id: VariantId,
    /// The location that the stock left or reached.
    pub location_id: LocationId,
    /// What moved the stock, such as a sale.
    pub kind: Kind,
    /// The change of on hand, in sale units; negative where stock left.
    pub quantity: Quantity,
    /// On hand at the location after the movement, in sale units.
    pub balance_after: Quantity,
    /// The cost of the goods, with the sign of the quantity, if known. For a revaluation, the change of the
    /// value.
    pub value: Option<StockValue>,
    /// The cost of one unit, rounded to four decimals, if known; `None` for a revaluation.
    pub unit_cost: Option<Money>,
    /// The reason of an adjustment or a return; `None` for other movements.
    pub reason: Option<String>,
    /// The kind of the document that caused the movement.
    pub source_type: SourceKind,
    /// The id of the document that caused the movement.
    pub source_id: Uuid,
    /// The user or program that caused the movement, or the system.
    pub actor_id: ActorId,
    /// When the document was posted, by the database's clock. Within one stock level, time never goes back.
    pub occurred_at: DateTime<Utc>,
}

tenancy::from_row!(Movement {
    id,
    variant_id,
    location_id,
    kind,
    quantity,
    balance_after,
    value,
    unit_cost,
    reason,
    source_type,
    source_id,
    actor_id,
    occurred_at,
});

/// The value of movement `m`. Movements of earlier releases have a unit cost instead.
pub const VALUE: &str = "coalesce(m.value, m.quantity * m.unit_cost)";

/// Movements of goods, and sales and returns of articles without stock, as a table to be named `m`. The kinds
/// `sale` and `return` together are all sales. PostgreSQL uses the indexes of both tables only while neither
/// part has a condition of its own.
pub const WITH_UNSTOCKED: &str = "(
    SELECT occurred_at, variant_id, location_id, kind, quantity,
           coalesce(value, quantity * unit_cost) AS value, source_type, source_line_id, false AS is_fee
      FROM stock_movements
     UNION ALL
    SELECT occurred_at, variant_id, location_id, kind, quantity, value, source_type, source_line_id, is_fee
      FROM unstocked_sales)";

/// The cost of one unit of movement `m`, rounded to four decimals.
pub const UNIT_COST: &str = "coalesce(round(m.value / nullif(m.quantity, 0), 4), m.unit_cost)";

/// A page of the ledger, newest first: of one variant, or of all.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    variant: Option<VariantId>,
    page: &PageRequest<(DateTime<Utc>, MovementId)>,
) -> Result<Page<Movement>, DbError> {
    const SELECT: &str = concatcp!(
        "SELECT m.id, m.variant_id, m.location_id, m.kind, m.quantity, m.balance_after, ",
        VALUE,
        " AS value, ",
        UNIT_COST,
        " AS unit_cost, m.reason, m.source_type, m.source_id, m.actor_id, m.occurred_at
          FROM stock_movements m "
    );
    const BEFORE: &str = "(occurred_at, id) < ($1, $2) ORDER BY occurred_at DESC, id DESC LIMIT $3";
    const ALL: &str = concatcp!(SELECT, "WHERE ", BEFORE);
    const OF_VARIANT: &str = concatcp!(SELECT, "WHERE variant_id = $4 AND ", BEFORE);
    let ((moment, id), limit) = (page.below(), page.limit.and_one());
    let movements = match variant {
        None => tx.rows(ALL, &[&moment, &id, &limit]).await?,
        Some(variant) => tx.rows(OF_VARIANT, &[&moment, &id, &limit, &variant]).await?,
    };
    Ok(page.page(movements, |movement: &Movement| (movement.occurred_at, movement.id)))
}
