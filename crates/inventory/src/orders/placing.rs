//! Placing an order: it takes or reserves the stock of all its lines, or of none.

use chrono::NaiveDate;
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx, all, outbox};
use values::{ActorId, Money, Note, Quantity};

use crate::business::settings;
use crate::column;
use crate::ids::{CustomerId, LocationId, OrderId};
use crate::orders::basket::{self, Basket, MAX_LINES, NewBasket};
use crate::orders::customer;
use crate::orders::order::{Order, OrderError};
use crate::orders::order_line::OrderLine;
use crate::orders::order_list;
use crate::records::audit::{self, Action, Subject};
use crate::records::counter::{self, Counter};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::records::event::{Event, OrderChanged};
use crate::records::own_keys::{self, OwnKeys};
use crate::statuses::OrderStatus;
use crate::stock::decided::Decided;
use crate::stock::location;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, decide};

/// An order to be placed.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// The id of the new order, and the fingerprint that recognises a repeated request.
    pub request: Requested<OrderId>,
    /// The customer who buys; `None` for a sale without a named customer.
    pub customer_id: Option<CustomerId>,
    /// Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// Whether the order is fulfilled at once. Defaults to the business's setting.
    pub fulfils_at_once: Option<bool>,
    /// 1 to [`MAX_LINES`] lines, and a discount on the whole order.
    pub basket: NewBasket,
    /// The day until which the order must be paid.
    pub due_on: Option<NaiveDate>,
    /// A note about the order for staff.
    pub note: Option<Note>,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
}

/// A priced order that is not stored yet: it has no number.
struct PricedOrder {
    location_id: LocationId,
    status: OrderStatus,
    subtotal: Money,
    discount: Money,
    tax: Money,
    total: Money,
    is_tax_exempt: bool,
    lines: Vec<OrderLine>,
}

/// Places an order: sets its prices, takes or reserves the stock of all lines or of none, and stores it. A
/// repeated request gets the order as it is now, and changes nothing.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn place(tx: &TenantTx, new: &NewOrder, actor: ActorId) -> Result<Outcome<Order>, OrderError> {
    if new.basket.lines.is_empty() || new.basket.lines.len() > MAX_LINES {
        return Err(OrderError::LineCount);
    }
    document::once(tx, &new.request, find_repeated(tx, &new.request), place_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, request: &Requested<OrderId>) -> Result<Option<Order>, OrderError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM orders WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<OrderError>(tx, request.id, IS_SAME, params).await? {
        Ok(order_list::find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

async fn place_new(tx: &TenantTx, new: &NewOrder, actor: ActorId) -> Result<Order, OrderError> {
    tx.tenant().licence.check_selling(tx.now())?;
    let variants = basket::variants(tx, &new.basket.lines).await?;
    let location = location::find_or_default(tx, new.location_id);
    let articles = basket::articles(tx, variants);
    let buyer = customer::buyer(tx, new.customer_id);
    let (terms, location, articles, buyer) = all((settings::terms(tx), location, articles, buyer)).await?;
    let buyer = buyer.ok_or(OrderError::UnknownCustomer)?;
    if buyer.is_archived {
        return Err(OrderError::ArchivedCustomer);
    }
    let location_id = location.ok_or(OrderError::UnknownLocation)?;
    let Basket { subtotal, discount, tax, total, lines } = new.basket.price(&articles, &terms, buyer)?;
    let is_at_once = new.fulfils_at_once.unwrap_or(terms.fulfils_at_once);
    let status = if is_at_once { OrderStatus::Fulfilled } else { OrderStatus::Reserved };
    let lines = lines.into_iter().map(|line| OrderLine::new(new.request.id, line, is_at_once)).collect();
    let mut order = PricedOrder {
        location_id,
        status,
        subtotal,
        discount,
        tax,
        total,
        is_tax_exempt: buyer.is_tax_exempt,
        lines,
    };
    let posting = |line: &OrderLine| Posting {
        kind: Kind::Sale,
        variant_id: line.variant_id,
        has_stock: line.kind.has_stock(),
        location_id,
        quantity: if is_at_once { -line.quantity } else { Quantity::ZERO },
        reserved: if is_at_once { Quantity::ZERO } else { line.quantity },
        cost: Cost::Average,
        reason: None,
        line_id: line.id.into(),
    };
    let postings: Vec<Posting> = order.lines.iter().map(posting).collect();
    let decided = decide(tx, &postings).await?;
    if is_at_once {
        for (line, posted) in order.lines.iter_mut().zip(&decided.posted) {
            line.cost = posted.cost;
        }
    }
    store(tx, new, order, &decided, actor).await
}

/// Writes the order and everything that belongs to it in one flight. The number is taken in the last step.
async fn store(
    tx: &TenantTx,
    new: &NewOrder,
    order: PricedOrder,
    decided: &Decided,
    actor: ActorId,
) -> Result<Order, OrderError> {
    let id = new.request.id;
    let placed = json!({"status": {"to": order.status}, "total": {"to": order.total.plain()}});
    let event = Event::OrderPlaced(OrderChanged { order_id: id, status: order.status });
    let written = all((
        decided.write(tx, Source::Order(id), actor),
        audit::record(tx, actor, Action::OrderPlaced, Subject::Order(id), &placed),
        outbox::write(tx, &event),
        insert(tx, new, &order, actor),
        insert_lines(tx, id, &order.lines),
    ));
    let ((), (), (), number, ()) = written.await.map_err(|error| match error.constraint() {
        Some("orders_pkey") => IdTaken(id.into()).into(),
        _ => own_keys::on_write::<OrderError>(error),
    })?;
    let PricedOrder { location_id, status, subtotal, discount, tax, total, is_tax_exempt, lines } = order;
    let is_overdue = match new.due_on {
        Some(day) => day < settings::today(tx).await? && total.is_positive(),
        None => false,
    };
    Ok(Order {
        id,
        number,
        customer_id: new.customer_id,
        location_id,
        status,
        subtotal,
        discount,
        tax,
        total,
        credited: Money::ZERO,
        paid: Money::ZERO,
        is_tax_exempt,
        due_on: new.due_on,
        is_overdue,
        note: new.note.clone(),
        own_keys: new.own_keys.clone(),
        placed_by: actor,
        version: 1,
        placed_at: tx.now(),
        updated_at: tx.now(),
        lines,
    })
}

async fn insert(tx: &TenantTx, new: &NewOrder, order: &PricedOrder, actor: ActorId) -> Result<i64, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO orders (id, number, customer_id, location_id, status, subtotal, discount, tax, total,
                             note, request_hash, placed_by, placed_at, updated_at, due_on,
                             is_tax_exempt, own_keys)
         SELECT $2, ",
        counter::TAKEN,
        ", $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16
         RETURNING number"
    );
    let params: tenancy::Params<'_> = &[
        &Counter::Order,
        &new.request.id,
        &new.customer_id,
        &order.location_id,
        &order.status,
        &order.subtotal,
        &order.discount,
        &order.tax,
        &order.total,
        &new.note,
        &new.request.fingerprint,
        &actor,
        &tx.now(),
        &new.due_on,
        &order.is_tax_exempt,
        &new.own_keys,
    ];
    counter::insert_numbered(tx, Counter::Order, INSERT, params).await
}

pub(super) async fn insert_lines(tx: &TenantTx, order: OrderId, lines: &[OrderLine]) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO order_lines (id, order_id, position, variant_id, sku, name, quantity, price, list_price,
                                 price_reason, discount, taxes, includes_tax, tax, total, fulfilled, cost,
                                 kind, bundle)
        SELECT id, $1, position, variant_id, sku, name, quantity, price, list_price, price_reason, discount,
               taxes, includes_tax, tax, total, fulfilled, cost, kind, bundle
          FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::numeric[],
                      $8::numeric[], $9::numeric[], $10::text[], $11::numeric[], $12::jsonb[],
                      $13::boolean[], $14::numeric[], $15::numeric[], $16::numeric[], $17::numeric[],
                      $18::text[], $19::jsonb[])
               AS new (id, position, variant_id, sku, name, quantity, price, list_price, price_reason,
                       discount, taxes, includes_tax, tax, total, fulfilled, cost, kind, bundle)";
    let positions: Vec<i16> = (1..).take(lines.len()).collect();
    let params: tenancy::Params<'_> = &[
        &order,
        &column(lines, |line| line.id),
        &positions,
        &column(lines, |line| line.variant_id),
        &column(lines, |line| &line.sku),
        &column(lines, |line| &line.name),
        &column(lines, |line| line.quantity),
        &column(lines, |line| line.price),
        &column(lines, |line| line.list_price),
        &column(lines, |line| line.price_reason.as_ref()),
        &column(lines, |line| line.discount),
        &column(lines, |line| &line.taxes),
        &column(lines, |line| line.includes_tax),
        &column(lines, |line| line.tax),
        &column(lines, |line| line.total),
        &column(lines, |line| line.fulfilled),
        &column(lines, |line| line.cost),
        &column(lines, |line| line.kind),
        &column(lines, |line| line.bundle.as_ref()),
    ];
    tx.execute(INSERT, params).await.map(drop)
}
