//! Returns: goods of an order that come back, to be restocked or scrapped, and the refund for them.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money, Quantity, Reason, StockValue};

use crate::business::settings::{self, Terms};
use crate::column;
use crate::ids::{LocationId, OrderId, OrderLineId, ReturnId, ReturnLineId};
use crate::orders::basket::MAX_LINES;
use crate::orders::order::{self, Order, OrderError, Step};
use crate::orders::order_line::OrderLine;
use crate::orders::order_list;
use crate::orders::sold_part::TakenBack;
use crate::records::audit::Action;
use crate::records::counter::{self, Counter};
use crate::records::document::{self, Outcome, Part, Requested};
use crate::records::event::Event;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, decide};

/// A return to be posted.
#[derive(Debug, Clone)]
pub struct NewReturn {
    /// The id of the new return, and the fingerprint that recognises a repeated request.
    pub request: Requested<ReturnId>,
    /// The order whose goods come back.
    pub order_id: OrderId,
    /// The location that takes the goods back. `None` for the location of the order.
    pub location_id: Option<LocationId>,
    /// The reason of the return, which the ledger stores too.
    pub reason: Reason,
    /// 1 to [`MAX_LINES`] parts; one order line may have several.
    pub lines: Vec<NewReturnLine>,
}

/// A part of a line that comes back.
#[derive(Debug, Clone, Copy)]
pub struct NewReturnLine {
    /// The order line and the quantity that comes back, in sale units.
    pub part: Part<OrderLineId>,
    /// Whether the goods can be sold again; `false` scraps them.
    pub is_restocked: bool,
}

/// A posted return, and the order as it is afterwards.
#[derive(Debug, Clone)]
pub struct Return {
    /// The id of the return, chosen by the client or by the server.
    pub id: ReturnId,
    /// Counts up from 1 without a gap, for each business.
    pub number: i64,
    /// The location that took the goods back.
    pub location_id: LocationId,
    /// The reason of the return.
    pub reason: Reason,
    /// The amount that the customer gets back, including taxes: the sum of the lines.
    pub refund: Money,
    /// The goods that came back.
    pub lines: Vec<ReturnLine>,
    /// The user, API key or system that posted the return.
    pub actor_id: ActorId,
    /// When the return was posted.
    pub returned_at: DateTime<Utc>,
    /// The order with the new credited amount; in a list or for a repeated request, the order as it is now.
    pub order: Order,
}

/// A line of a posted return.
#[derive(Debug, Clone)]
pub struct ReturnLine {
    return_id: ReturnId,
    /// The line of the order.
    pub line_id: OrderLineId,
    /// The quantity that came back, in sale units.
    pub quantity: Quantity,
    /// Whether the goods are on hand again; `false` means that they were scrapped, or that it is an article
    /// without stock.
    pub is_restocked: bool,
    /// The amount that the customer gets back for this line, including taxes.
    pub refund: Money,
}

tenancy::from_row!(ReturnLine { return_id, line_id: "order_line_id", quantity, is_restocked, refund });

/// Posts a return, with the order locked. Restocked goods are on hand again at the cost at which they were
/// sold. Scrapped goods arrive and leave in one step, so that the ledger shows both.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn post(tx: &TenantTx, new: &NewReturn, actor: ActorId) -> Result<Outcome<Return>, OrderError> {
    if new.lines.is_empty() || new.lines.len() > MAX_LINES {
        return Err(OrderError::LineCount);
    }
    document::once(tx, &new.request, find_repeated(tx, new), post_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, new: &NewReturn) -> Result<Option<Return>, OrderError> {
    const IS_SAME: &str = "SELECT request_hash = $2 AND order_id = $3 FROM order_returns WHERE id = $1";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint, &new.order_id];
    if !document::is_repeated::<OrderError>(tx, *id, IS_SAME, params).await? {
        return Ok(None);
    }
    Ok(of_order(tx, new.order_id).await?.into_iter().find(|found| found.id == *id))
}

/// A line of a return with the amounts that the books store and clients do not see.
struct PostedLine {
    id: ReturnLineId,
    line: ReturnLine,
    tax: Money,
    cost: Option<StockValue>,
}

async fn post_new(tx: &TenantTx, new: &NewReturn, actor: ActorId) -> Result<Return, OrderError> {
    let id = new.request.id;
    let location = order::named_location(tx, new.location_id);
    let (terms, order, location) =
        all((settings::terms(tx), order_list::lock(tx, new.order_id), location)).await?;
    let mut order = order.ok_or(OrderError::NotFound)?;
    // One line may have restocked and scrapped goods: together no more than is left of it.
    let returnable: Vec<_> = order.lines.iter().map(|line| (line.id, line.returnable())).collect();
    document::merge(&returnable, new.lines.iter().map(|line| line.part))?;

    let mut lines = Vec::with_capacity(new.lines.len());
    let mut postings = Vec::new();
    let location_id = location?.unwrap_or(order.location_id);
    for asked in &new.lines {
        let line_id = asked.part.line_id;
        let Some(line) = order.lines.iter_mut().find(|line| line.id == line_id) else { continue };
        let posted = take_back(new, asked, line, &terms);
        let came_back = Posting {
            kind: Kind::Return,
            variant_id: line.variant_id,
            has_stock: line.kind.has_stock(),
            location_id,
            quantity: posted.line.quantity,
            reserved: Quantity::ZERO,
            cost: match posted.line.is_restocked {
                true => Cost::Whole(posted.cost),
                false => Cost::Passing(posted.cost),
            },
            reason: Some(new.reason.clone()),
            line_id: posted.id.into(),
        };
        if posted.line.is_restocked || !line.kind.has_stock() {
            postings.push(came_back);
        } else {
            let scrapped =
                Posting { kind: Kind::Adjustment, quantity: -posted.line.quantity, ..came_back.clone() };
            postings.extend([came_back, scrapped]);
        }
        lines.push(posted);
    }
    let refund: Money = lines.iter().map(|posted| posted.line.refund).sum();
    order.credited += refund;
    let decided = decide(tx, &postings).await?;
    let step = Step {
        source: Source::Return(id),
        action: Action::OrderReturned,
        event: Event::OrderReturned,
        changes: json!({
            "returnId": {"to": id}, "refund": {"to": refund.plain()}, "reason": {"to": new.reason},
        }),
    };
    let insert = insert(tx, new, &lines, refund, actor);
    let ((), number) = all((order::finish(tx, &mut order, &decided, step, actor), insert)).await?;
    Ok(Return {
        id,
        number,
        location_id,
        reason: new.reason.clone(),
        refund,
        lines: lines.into_iter().map(|posted| posted.line).collect(),
        actor_id: actor,
        returned_at: tx.now(),
        order,
    })
}

/// Takes a part of an order line back, and credits it.
fn take_back(new: &NewReturn, asked: &NewReturnLine, line: &mut OrderLine, terms: &Terms) -> PostedLine {
    let quantity = asked.part.quantity.get();
    let TakenBack { refund, tax, cost } = line.take_back(quantity, terms);
    let line = ReturnLine {
        return_id: new.request.id,
        line_id: line.id,
        quantity,
        is_restocked: asked.is_restocked && line.kind.has_stock(),
        refund,
    };
    PostedLine { id: ReturnLineId::new(), line, tax, cost }
}

async fn insert(
    tx: &TenantTx,
    new: &NewReturn,
    lines: &[PostedLine],
    refund: Money,
    actor: ActorId,
) -> Result<i64, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO order_returns (id, order_id, number, reason, refund, request_hash, actor_id, returned_at,
                                    location_id)
         SELECT $2, $3, ",
        counter::TAKEN,
        ", $4, $5, $6, $7, $8, $9 RETURNING number"
    );
    const INSERT_LINES: &str = "
        INSERT INTO order_return_lines (id, return_id, order_line_id, quantity, is_restocked, refund, tax)
        SELECT id, $1, line, quantity, is_restocked, refund, tax
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::boolean[], $6::numeric[], $7::numeric[])
               AS new (id, line, quantity, is_restocked, refund, tax)";
    let Requested { id, fingerprint, .. } = &new.request;
    let head: tenancy::Params<'_> = &[
        &Counter::Return,
        id,
        &new.order_id,
        &new.reason,
        &refund,
        fingerprint,
        &actor,
        &tx.now(),
        &new.location_id,
    ];
    let columns: tenancy::Params<'_> = &[
        id,
        &column(lines, |posted| posted.id),
        &column(lines, |posted| posted.line.line_id),
        &column(lines, |posted| posted.line.quantity),
        &column(lines, |posted| posted.line.is_restocked),
        &column(lines, |posted| posted.line.refund),
        &column(lines, |posted| posted.tax),
    ];
    let head = counter::insert_numbered(tx, Counter::Return, INSERT, head);
    let lines = async { tx.execute(INSERT_LINES, columns).await };
    let (number, _) = all((head, lines)).await?;
    Ok(number)
}

/// The returns of an order, oldest first.
///
/// # Errors
/// [`OrderError::NotFound`] for an unknown order; [`OrderError::Db`].
pub async fn of_order(tx: &TenantTx, id: OrderId) -> Result<Vec<Return>, OrderError> {
    struct Head {
        id: ReturnId,
        number: i64,
        location_id: Option<LocationId>,
        reason: Reason,
        refund: Money,
        actor_id: ActorId,
        returned_at: DateTime<Utc>,
    }
    tenancy::from_row!(Head { id, number, location_id, reason, refund, actor_id, returned_at });
    const RETURNS: &str = "
        SELECT id, number, location_id, reason, refund, actor_id, returned_at
          FROM order_returns WHERE order_id = $1 ORDER BY number";
    const LINES: &str = "
        SELECT l.return_id, l.order_line_id, l.quantity, l.is_restocked, l.refund
          FROM order_return_lines l JOIN order_returns r ON r.id = l.return_id
         WHERE r.order_id = $1 ORDER BY l.id";
    let returns = async { tx.rows::<Head>(RETURNS, &[&id]).await };
    let lines = async { tx.rows::<ReturnLine>(LINES, &[&id]).await };
    let (order, returns, lines) = all((order_list::find(tx, id), returns, lines)).await?;
    let order = order.ok_or(OrderError::NotFound)?;
    let with_lines = |head: Head| Return {
        id: head.id,
        number: head.number,
        location_id: head.location_id.unwrap_or(order.location_id),
        reason: head.reason,
        refund: head.refund,
        lines: lines.iter().filter(|line| line.return_id == head.id).cloned().collect(),
        actor_id: head.actor_id,
        returned_at: head.returned_at,
        order: order.clone(),
    };
    Ok(returns.into_iter().map(with_lines).collect())
}
