//! Orders of customers: placed whole or not at all, then fulfilled, cancelled and returned in parts.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Money, Note, Percent, Quantity, Reason};

use crate::business::settings;
use crate::ids::{CustomerId, LocationId, OrderId};
pub use crate::orders::order_line::{ChargedTax, OrderLine};
pub use crate::orders::order_list::{OrderFilter, find, list};
use crate::orders::order_list::{lock, save};
pub use crate::orders::placing::{MAX_LINES, NewLine, NewOrder, place};
use crate::orders::pricing::PricingError;
use crate::records::audit::{self, Action, Subject};
use crate::records::document::{IdTaken, PartError};
use crate::records::event::{Event, OrderChanged};
pub use crate::statuses::OrderStatus;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Decided, Posting, StockError, UnitCost, decide};

impl OrderStatus {
    /// The status of an order with these lines.
    pub(crate) fn of(lines: &[OrderLine]) -> Self {
        let is_open = lines.iter().any(|line| !line.open().is_zero());
        let has_left = lines.iter().any(|line| !line.fulfilled.is_zero());
        match (is_open, has_left) {
            (true, false) => Self::Reserved,
            (true, true) => Self::PartlyFulfilled,
            (false, true) => Self::Fulfilled,
            (false, false) => Self::Cancelled,
        }
    }
}

/// A stored order with its lines.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: OrderId,
    pub number: i64,
    pub customer_id: Option<CustomerId>,
    pub location_id: LocationId,
    pub status: OrderStatus,
    /// Before discounts.
    pub subtotal: Money,
    pub discount: Money,
    /// Included in the prices or added to them, as the tax classes of the lines say.
    pub tax: Money,
    /// The amount due when the order was placed.
    pub total: Money,
    /// The part of the total that was cancelled or refunded.
    pub credited: Money,
    pub note: Option<Note>,
    pub placed_by: ActorId,
    pub version: i32,
    pub placed_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub lines: Vec<OrderLine>,
}

tenancy::from_row!(Order {
    id, number, customer_id, location_id, status, subtotal, discount, tax, total, credited, note, placed_by,
    version, placed_at, updated_at,
} with { lines: Vec::new() });

/// An order was not placed or changed. `index` is the line's position in the request.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("there is no such order")]
    NotFound,
    #[error("the request must have 1 to {MAX_LINES} lines")]
    LineCount,
    #[error("there is no such variant")]
    UnknownVariant { index: usize },
    #[error("the variant or its product is archived and cannot be sold; restore it, or remove the line")]
    Archived { index: usize },
    #[error(
        "the discount exceeds the limit of {0} %; reduce the discount, or ask a member with the permission \
         catalogue.write to place the order"
    )]
    DiscountLimit(Percent),
    #[error("there is no such customer")]
    UnknownCustomer,
    #[error("there is no such location")]
    UnknownLocation,
    /// A part that cannot be fulfilled or returned.
    #[error(transparent)]
    Part(#[from] PartError),
    #[error("the order has nothing open, because its status is {0}")]
    NothingOpen(OrderStatus),
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    #[error(transparent)]
    Pricing(#[from] PricingError),
    #[error(transparent)]
    Stock(#[from] StockError),
    #[error("an order query failed")]
    Db(#[from] DbError),
}

/// Cancels what is open of an order: its stock is released, and its amount is credited.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn cancel(
    tx: &TenantTx,
    id: OrderId,
    reason: Option<&Reason>,
    actor: ActorId,
) -> Result<Order, OrderError> {
    let (terms, order) = all((settings::terms(tx), lock(tx, id))).await?;
    let mut order = order.ok_or(OrderError::NotFound)?;
    let was = order.status;
    let mut postings = Vec::new();
    for line in order.lines.iter_mut().filter(|line| !line.open().is_zero()) {
        let open = line.open();
        postings.push(Posting {
            kind: Kind::Sale,
            variant_id: line.variant_id,
            location_id: order.location_id,
            quantity: Quantity::ZERO,
            reserved: -open,
            unit_cost: UnitCost::Average,
            reason: None,
            line_id: line.id.into(),
        });
        let credit = line.credit_for(open, &terms);
        line.credited += credit;
        line.cancelled += open;
        order.credited += credit;
    }
    if postings.is_empty() {
        return Err(OrderError::NothingOpen(was));
    }
    order.status = OrderStatus::of(&order.lines);
    let decided = decide(tx, &postings).await?;
    let changes = json!({"status": {"from": was, "to": order.status}, "reason": {"to": reason}});
    let step = Step {
        source: Source::Order(id),
        action: Action::OrderCancelled,
        event: Event::OrderCancelled,
        changes,
    };
    finish(tx, &mut order, &decided, step, actor).await?;
    Ok(order)
}

/// A step of an order, as the ledger, the audit log and subscribers see it.
pub(crate) struct Step {
    pub source: Source,
    pub action: Action,
    pub event: fn(OrderChanged) -> Event,
    pub changes: Value,
}

/// Writes a step of an order in one flight: stock, the order with its lines, the audit entry and the event.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn finish(
    tx: &TenantTx,
    order: &mut Order,
    decided: &Decided,
    step: Step,
    actor: ActorId,
) -> Result<(), DbError> {
    let event = (step.event)(OrderChanged { order_id: order.id, status: order.status });
    all((
        decided.write(tx, step.source, actor),
        save(tx, order),
        audit::record(tx, actor, step.action, Subject::Order(order.id), &step.changes),
        outbox::write(tx, &event),
    ))
    .await?;
    order.version += 1;
    order.updated_at = tx.now();
    Ok(())
}
