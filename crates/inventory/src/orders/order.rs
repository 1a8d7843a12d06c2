//! Orders of customers: placed whole or not at all, then fulfilled, cancelled and returned in parts.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use tenancy::{DbError, SellingError, TenantTx, all, outbox};
use values::{ActorId, Money, Note, Quantity, Reason};

use crate::business::settings;
use crate::ids::{CustomerId, LocationId, OrderId, OrderLineId};
use crate::orders::basket::{BasketError, MAX_LINES};
pub use crate::orders::order_line::{ChargedTax, OrderLine};
pub use crate::orders::order_list::{OrderFilter, Owing, changed, find, list, named};
use crate::orders::order_list::{lock, save};
pub use crate::orders::placing::{NewOrder, place};
use crate::records::audit::{self, Action, Subject};
use crate::records::document::{self, IdTaken, Part, PartError, Share};
use crate::records::edit::Stale;
use crate::records::event::{Event, OrderChanged};
use crate::records::own_keys::{OwnKeys, OwnKeysError};
pub use crate::statuses::OrderStatus;
use crate::stock::article::ArticleError;
use crate::stock::decided::Decided;
use crate::stock::location;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, StockError, decide};

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
    /// The id of the order, chosen by the client or by the server.
    pub id: OrderId,
    /// Counts up from 1 without a gap, for each business.
    pub number: i64,
    /// The customer who buys; `None` for a sale without a named customer.
    pub customer_id: Option<CustomerId>,
    /// The location that the goods leave, and to which returned goods come back.
    pub location_id: LocationId,
    /// Follows from the open and the fulfilled quantities of the lines.
    pub status: OrderStatus,
    /// The sum of quantity times price over all lines, before discounts.
    pub subtotal: Money,
    /// The sum of all discounts, of the lines and of the order.
    pub discount: Money,
    /// The sum of all taxes. Each tax class decides whether they are included in the prices or added to them.
    pub tax: Money,
    /// The amount due when the order was placed, including taxes.
    pub total: Money,
    /// The part of the total that was cancelled or refunded.
    pub credited: Money,
    /// The sum of the payments, less what was paid back.
    pub paid: Money,
    /// Whether the lines were priced for a customer who pays no taxes.
    pub(crate) is_tax_exempt: bool,
    /// The day until which the order must be paid; `None` if none was agreed.
    pub due_on: Option<NaiveDate>,
    /// Whether that day has passed in the time zone of the business, and something is left to pay.
    pub is_overdue: bool,
    /// A note about the order.
    pub note: Option<Note>,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
    /// The user, API key or system that placed the order.
    pub placed_by: ActorId,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
    /// When the order was placed.
    pub placed_at: DateTime<Utc>,
    /// When the order was last fulfilled, cancelled or returned in part or whole; at first `placed_at`.
    pub updated_at: DateTime<Utc>,
    /// The lines in the sequence of the request that placed the order.
    pub lines: Vec<OrderLine>,
}

tenancy::from_row!(Order {
    id, number, customer_id, location_id, status, subtotal, discount, tax, total, credited, paid,
    is_tax_exempt, due_on, is_overdue, note, own_keys, placed_by, version, placed_at, updated_at,
} with { lines: Vec::new() });

/// An order was not placed or changed. `index` is the line's position in the request.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The business has no order with this id.
    #[error("there is no such order")]
    NotFound,
    /// The licence of the business does not let it sell.
    #[error(transparent)]
    Licence(#[from] SellingError),
    /// An order or a return has no lines, or more than [`MAX_LINES`].
    #[error("the request must have 1 to {MAX_LINES} lines")]
    LineCount,
    /// The lines cannot be sold.
    #[error(transparent)]
    Basket(#[from] BasketError),
    /// The order names a customer that the business does not have.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// The order names an archived customer.
    #[error("the customer is archived; restore the customer, or choose another one")]
    ArchivedCustomer,
    /// One of the two customers pays no taxes, and the lines were not sent.
    #[error("the change of the customer changes the taxes; send lines, too, to price the order again")]
    OtherTaxes,
    /// The order names a location that the business does not have or that is archived.
    #[error("there is no such location")]
    UnknownLocation,
    /// A part of a line cannot be fulfilled or returned.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The order no longer has the version that the change expects.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Lines and customer may change only before a part of the order has left or was cancelled.
    #[error(
        "the lines and the customer cannot be changed after a part of the order was fulfilled or cancelled"
    )]
    Touched(OrderStatus),
    /// No quantity of the order is left to fulfil or to cancel.
    #[error("the order has nothing open, because its status is {0}")]
    NothingOpen(OrderStatus),
    /// A different request has already stored a document with the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// The stock cannot change as the order requires, for example because too little is available.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// The key or the notes of a program elsewhere are refused.
    #[error(transparent)]
    OwnKeys(#[from] OwnKeysError),
    /// A query failed, or the database could not be reached.
    #[error("an order query failed")]
    Db(#[from] DbError),
}

impl From<ArticleError> for OrderError {
    fn from(error: ArticleError) -> Self {
        BasketError::from(error).into()
    }
}

/// Cancels parts of an order, or, without parts, everything that is open, with the order locked: the stock is
/// released, and the amount is credited.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn cancel(
    tx: &TenantTx,
    id: OrderId,
    parts: &[Part<OrderLineId>],
    reason: Option<&Reason>,
    actor: ActorId,
) -> Result<Order, OrderError> {
    let (terms, order) = all((settings::terms(tx), lock(tx, id))).await?;
    let mut order = order.ok_or(OrderError::NotFound)?;
    let was = order.status;
    let open: Vec<_> = order.lines.iter().map(|line| (line.id, line.open())).collect();
    if open.iter().all(|(_, open)| open.is_zero()) {
        return Err(OrderError::NothingOpen(was));
    }
    let shares = match parts {
        [] => document::all_left(&open),
        parts => document::merge(&open, parts.iter().copied())?,
    };
    let mut postings = Vec::new();
    for Share { at, quantity } in shares {
        let line = &mut order.lines[at];
        postings.push(Posting {
            kind: Kind::Sale,
            variant_id: line.variant_id,
            has_stock: line.kind.has_stock(),
            location_id: order.location_id,
            quantity: Quantity::ZERO,
            reserved: -quantity,
            cost: Cost::Average,
            reason: None,
            line_id: line.id.into(),
        });
        order.credited += line.cancel(quantity, &terms).total;
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

/// The location that a fulfilment or a return names. Nothing is locked.
///
/// # Errors
/// [`DbError`]. The inner result is [`OrderError::UnknownLocation`] if it does not exist or is archived.
pub(crate) async fn named_location(
    tx: &TenantTx,
    named: Option<LocationId>,
) -> Result<Result<Option<LocationId>, OrderError>, DbError> {
    let Some(named) = named else { return Ok(Ok(None)) };
    let found = location::find_or_default(tx, Some(named)).await?;
    Ok(found.map(Some).ok_or(OrderError::UnknownLocation))
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
