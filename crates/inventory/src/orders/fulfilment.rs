//! Fulfilments: goods that leave for a reserved order, in as many parts as it takes.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use tenancy::{DbError, TenantTx, both};
use uuid::Uuid;

use crate::business::settings;
use crate::ids::{FulfilmentId, OrderId, OrderLineId};
use crate::orders::order::{self, LineShare, Order, OrderError, OrderStatus};
use crate::records::document::{self, Part};
use crate::stock::movement::Kind;
use crate::stock::posting::{self as stock, Posting, Source, UnitCost};
use values::{Money, Quantity};

/// A fulfilment to be posted.
#[derive(Debug, Clone)]
pub struct NewFulfilment {
    pub id: FulfilmentId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    pub order_id: OrderId,
    /// How much of which lines; all that is open when there are none.
    pub lines: Vec<Part<OrderLineId>>,
    pub request_hash: Vec<u8>,
}

/// A posted fulfilment, and the order as it is after it.
#[derive(Debug, Clone)]
pub struct Fulfilment {
    pub id: FulfilmentId,
    pub lines: Vec<Part<OrderLineId>>,
    pub actor_id: Option<Uuid>,
    pub fulfilled_at: DateTime<Utc>,
    pub order: Order,
}

/// Whether a fulfilment was posted now or had been before.
#[derive(Debug)]
pub enum Outcome {
    Posted(Fulfilment),
    Repeated(Fulfilment),
}

/// Posts a fulfilment: on hand and reserved fall by what leaves.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn post(tx: &TenantTx, new: &NewFulfilment, actor: Option<Uuid>) -> Result<Outcome, OrderError> {
    if new.has_chosen_id {
        document::claim(tx, new.id.as_uuid()).await?;
        if let Some(fulfilment) = find(tx, new).await? {
            return Ok(Outcome::Repeated(fulfilment));
        }
    }
    let (terms, order) = both(settings::terms(tx), order::lock(tx, new.order_id)).await?;
    let mut order = order.ok_or(OrderError::NotFound)?;
    let was = order.status;
    if !matches!(was, OrderStatus::Reserved | OrderStatus::PartlyFulfilled) {
        return Err(OrderError::NothingOpen(was));
    }
    let open: Vec<_> = order.lines.iter().map(|line| (line.id, line.open())).collect();
    let merged = match new.lines.as_slice() {
        [] => document::all_that_is_left(&open),
        parts => document::merge(&open, parts.iter().copied())?,
    };
    let ids: Vec<Uuid> = merged.iter().map(|_| Uuid::now_v7()).collect();
    let postings: Vec<Posting> = merged
        .iter()
        .zip(&ids)
        .map(|((at, quantity), id)| Posting {
            kind: Kind::Sale,
            variant_id: order.lines[*at].variant_id,
            location_id: order.location_id,
            quantity: quantity.negated(),
            reserved: quantity.negated(),
            unit_cost: UnitCost::Average,
            reason: None,
            line_id: *id,
        })
        .collect();
    let decided = stock::decide(tx, &postings).await?;
    let shares: Vec<LineShare> =
        merged.iter().map(|(at, quantity)| order.lines[*at].share_of(*quantity, &terms)).collect();
    for ((at, quantity), posted) in merged.iter().zip(&decided.posted) {
        let line = &mut order.lines[*at];
        line.unit_cost = average(line.unit_cost, line.returnable(), posted.unit_cost, *quantity);
        line.fulfilled = line.fulfilled.plus(*quantity);
    }
    order.status = OrderStatus::of(&order.lines);
    let lines: Vec<Part<OrderLineId>> = merged
        .iter()
        .map(|(at, quantity)| Part { line_id: order.lines[*at].id, quantity: *quantity })
        .collect();
    let source = Source { kind: "fulfilment", id: new.id.as_uuid() };
    let changes = json!({"status": {"from": was.as_str(), "to": order.status.as_str()}, "fulfilmentId": {"to": new.id}});
    let insert = insert(tx, new, &ids, &lines, &shares, actor);
    let finish = order::finish(tx, &mut order, source, &decided, "order.fulfilled", &changes, actor);
    both(insert, finish).await?;
    let id = new.id;
    Ok(Outcome::Posted(Fulfilment { id, lines, actor_id: actor, fulfilled_at: tx.now(), order }))
}

/// The average cost of one unit of what is out, after more of it has left.
fn average(before: Option<Money>, out: Quantity, cost: Option<Money>, quantity: Quantity) -> Option<Money> {
    let (Some(before), Some(cost)) = (before, cost) else { return before.or(cost) };
    let (old, new) = (out.as_decimal(), quantity.as_decimal());
    let value: Decimal = before.as_decimal() * old + cost.as_decimal() * new;
    Some(Money::rounded(value / (old + new)))
}

async fn insert(
    tx: &TenantTx,
    new: &NewFulfilment,
    ids: &[Uuid],
    lines: &[Part<OrderLineId>],
    shares: &[LineShare],
    actor: Option<Uuid>,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO fulfilments (id, order_id, request_hash, actor_id, fulfilled_at) VALUES ($1, $2, $3, $4, $5)";
    const INSERT_LINES: &str = "
        INSERT INTO fulfilment_lines (id, fulfilment_id, order_line_id, quantity, total, tax, discount)
        SELECT id, $1, line, quantity, total, tax, discount
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[])
               AS new (id, line, quantity, total, tax, discount)";
    let (order, fulfilment) = (new.order_id.as_uuid(), new.id.as_uuid());
    let of_lines: Vec<Uuid> = lines.iter().map(|part| part.line_id.as_uuid()).collect();
    let quantities: Vec<Decimal> = lines.iter().map(|part| part.quantity.as_decimal()).collect();
    let head =
        async { tx.execute(INSERT, &[&fulfilment, &order, &new.request_hash, &actor, &tx.now()]).await };
    let of = |amount: fn(&LineShare) -> Decimal| -> Vec<Decimal> { shares.iter().map(amount).collect() };
    let (totals, taxes, discounts) =
        (of(|share| share.total), of(|share| share.tax), of(|share| share.discount));
    let lines = async {
        tx.execute(INSERT_LINES, &[&fulfilment, &ids, &of_lines, &quantities, &totals, &taxes, &discounts])
            .await
    };
    both(head, lines).await.map(drop)
}

/// The fulfilment that has the chosen id already, when it is this very one.
async fn find(tx: &TenantTx, new: &NewFulfilment) -> Result<Option<Fulfilment>, OrderError> {
    const FIND: &str = "
        SELECT order_id, request_hash, actor_id, fulfilled_at FROM fulfilments WHERE id = $1";
    const FIND_LINES: &str =
        "SELECT order_line_id, quantity FROM fulfilment_lines WHERE fulfilment_id = $1 ORDER BY id";
    let get = DbError::from;
    let Some(row) = tx.query_opt(FIND, &[&new.id.as_uuid()]).await? else { return Ok(None) };
    let hash: &[u8] = row.try_get("request_hash").map_err(get)?;
    let order: Uuid = row.try_get("order_id").map_err(get)?;
    if hash != new.request_hash || order != new.order_id.as_uuid() {
        return Err(OrderError::IdTaken(new.id.as_uuid()));
    }
    let lines = tx.query(FIND_LINES, &[&new.id.as_uuid()]).await?;
    let part = |line: &tokio_postgres::Row| {
        Ok(Part {
            line_id: OrderLineId::from_uuid(line.try_get("order_line_id")?),
            quantity: Quantity::from_decimal(line.try_get("quantity")?),
        })
    };
    Ok(Some(Fulfilment {
        id: new.id,
        lines: lines.iter().map(part).collect::<Result<_, DbError>>()?,
        actor_id: row.try_get("actor_id").map_err(get)?,
        fulfilled_at: row.try_get("fulfilled_at").map_err(get)?,
        order: order::find(tx, new.order_id).await?.ok_or(OrderError::NotFound)?,
    }))
}
