//! Fulfilments: goods that leave for a reserved order, in parts.

use chrono::{DateTime, Utc};
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money, Quantity};

use crate::business::settings;
use crate::ids::{FulfilmentId, FulfilmentLineId, LocationId, OrderId, OrderLineId};
use crate::orders::order::{self, Order, OrderError, Step};
use crate::orders::order_line::Amounts;
use crate::orders::order_list;
use crate::records::audit::Action;
use crate::records::document::{self, Outcome, Part, Requested, Share};
use crate::records::event::Event;
use crate::statuses::OrderStatus;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, decide};

/// A fulfilment to be posted.
#[derive(Debug, Clone)]
pub struct NewFulfilment {
    /// The id of the new fulfilment, and the fingerprint that recognises a repeated request.
    pub request: Requested<FulfilmentId>,
    /// The order whose goods leave; it must be reserved or partly fulfilled.
    pub order_id: OrderId,
    /// The location that the goods leave. `None` for the location of the order.
    pub location_id: Option<LocationId>,
    /// The quantities that leave. If the list is empty, everything that is open leaves.
    pub lines: Vec<Part<OrderLineId>>,
}

/// A posted fulfilment, and the order as it is afterwards.
#[derive(Debug, Clone)]
pub struct Fulfilment {
    /// The id of the fulfilment, chosen by the client or by the server.
    pub id: FulfilmentId,
    /// The location that the goods left.
    pub location_id: LocationId,
    /// The goods that left, with one entry for each order line.
    pub lines: Vec<FulfilmentLine>,
    /// The user, API key or system that posted the fulfilment.
    pub actor_id: ActorId,
    /// When the fulfilment was posted.
    pub fulfilled_at: DateTime<Utc>,
    /// The order with its new status; for a repeated request, the order as it is now.
    pub order: Order,
}

/// A line of a posted fulfilment.
#[derive(Debug, Clone)]
pub struct FulfilmentLine {
    /// The line of the order.
    pub line_id: OrderLineId,
    /// The quantity that left, in sale units.
    pub quantity: Quantity,
}

tenancy::from_row!(FulfilmentLine { line_id: "order_line_id", quantity });

/// Posts a fulfilment, with the order locked: on hand and reserved fall by what leaves. Goods that leave
/// another location release what is reserved at the location of the order. A repeated request changes
/// nothing.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewFulfilment,
    actor: ActorId,
) -> Result<Outcome<Fulfilment>, OrderError> {
    document::once(tx, &new.request, find_repeated(tx, new), post_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, new: &NewFulfilment) -> Result<Option<Fulfilment>, OrderError> {
    struct Head {
        location_id: Option<LocationId>,
        actor_id: ActorId,
        fulfilled_at: DateTime<Utc>,
    }
    tenancy::from_row!(Head { location_id, actor_id, fulfilled_at });
    const IS_SAME: &str = "SELECT request_hash = $2 AND order_id = $3 FROM fulfilments WHERE id = $1";
    const HEAD: &str = "SELECT location_id, actor_id, fulfilled_at FROM fulfilments WHERE id = $1";
    const LINES: &str =
        "SELECT order_line_id, quantity FROM fulfilment_lines WHERE fulfilment_id = $1 ORDER BY id";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint, &new.order_id];
    if !document::is_repeated::<OrderError>(tx, *id, IS_SAME, params).await? {
        return Ok(None);
    }
    let Head { location_id, actor_id, fulfilled_at } = tx.row(HEAD, &[id]).await?;
    let lines = tx.rows(LINES, &[id]).await?;
    let order = order_list::find(tx, new.order_id).await?.ok_or(OrderError::NotFound)?;
    let location_id = location_id.unwrap_or(order.location_id);
    Ok(Some(Fulfilment { id: *id, location_id, lines, actor_id, fulfilled_at, order }))
}

async fn post_new(tx: &TenantTx, new: &NewFulfilment, actor: ActorId) -> Result<Fulfilment, OrderError> {
    let id = new.request.id;
    let location = order::named_location(tx, new.location_id);
    let (terms, order, location) =
        all((settings::terms(tx), order_list::lock(tx, new.order_id), location)).await?;
    let mut order = order.ok_or(OrderError::NotFound)?;
    let location_id = location?.unwrap_or(order.location_id);
    let was = order.status;
    if !matches!(was, OrderStatus::Reserved | OrderStatus::PartlyFulfilled) {
        return Err(OrderError::NothingOpen(was));
    }
    let open: Vec<_> = order.lines.iter().map(|line| (line.id, line.open())).collect();
    let shares = match new.lines.as_slice() {
        [] => document::all_left(&open),
        parts => document::merge(&open, parts.iter().copied())?,
    };
    let ids: Vec<FulfilmentLineId> = shares.iter().map(|_| FulfilmentLineId::new()).collect();
    let is_elsewhere = location_id != order.location_id;
    let posting = |(share, id): (&Share, &FulfilmentLineId)| Posting {
        kind: Kind::Sale,
        variant_id: order.lines[share.at].variant_id,
        has_stock: order.lines[share.at].kind.has_stock(),
        location_id,
        quantity: -share.quantity,
        reserved: if is_elsewhere { Quantity::ZERO } else { -share.quantity },
        cost: Cost::Average,
        reason: None,
        line_id: (*id).into(),
    };
    let mut postings: Vec<Posting> = shares.iter().zip(&ids).map(posting).collect();
    if is_elsewhere {
        let release = |taken: Posting| Posting {
            location_id: order.location_id,
            quantity: Quantity::ZERO,
            reserved: taken.quantity,
            ..taken
        };
        postings.extend(postings.clone().into_iter().map(release));
    }
    let decided = decide(tx, &postings).await?;
    let fulfilled = shares.iter().zip(&decided.posted);
    let amounts: Vec<Amounts> = fulfilled
        .map(|(share, posted)| order.lines[share.at].fulfil(share.quantity, posted.cost, &terms))
        .collect::<Result<_, _>>()?;
    order.status = OrderStatus::of(&order.lines);
    let lines: Vec<FulfilmentLine> = shares
        .iter()
        .map(|share| FulfilmentLine { line_id: order.lines[share.at].id, quantity: share.quantity })
        .collect();
    let step = Step {
        source: Source::Fulfilment(id),
        action: Action::OrderFulfilled,
        event: Event::OrderFulfilled,
        changes: json!({"status": {"from": was, "to": order.status}, "fulfilmentId": {"to": id}}),
    };
    let insert = insert(tx, new, &ids, &lines, &amounts, actor);
    all((insert, order::finish(tx, &mut order, &decided, step, actor))).await?;
    Ok(Fulfilment { id, location_id, lines, actor_id: actor, fulfilled_at: tx.now(), order })
}

async fn insert(
    tx: &TenantTx,
    new: &NewFulfilment,
    ids: &[FulfilmentLineId],
    lines: &[FulfilmentLine],
    amounts: &[Amounts],
    actor: ActorId,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO fulfilments (id, order_id, location_id, request_hash, actor_id, fulfilled_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    const INSERT_LINES: &str = "
        INSERT INTO fulfilment_lines (id, fulfilment_id, order_line_id, quantity, total, tax, discount)
        SELECT id, $1, line, quantity, total, tax, discount
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[])
               AS new (id, line, quantity, total, tax, discount)";
    let Requested { id, fingerprint, .. } = &new.request;
    let order_lines: Vec<OrderLineId> = lines.iter().map(|line| line.line_id).collect();
    let quantities: Vec<Quantity> = lines.iter().map(|line| line.quantity).collect();
    let totals: Vec<Money> = amounts.iter().map(|share| share.total).collect();
    let taxes: Vec<Money> = amounts.iter().map(|share| share.tax).collect();
    let discounts: Vec<Money> = amounts.iter().map(|share| share.discount).collect();
    let head: tenancy::Params<'_> = &[id, &new.order_id, &new.location_id, fingerprint, &actor, &tx.now()];
    let head = async { tx.execute(INSERT, head).await };
    let lines = async {
        tx.execute(INSERT_LINES, &[id, &ids, &order_lines, &quantities, &totals, &taxes, &discounts]).await
    };
    all((head, lines)).await.map(drop)
}
