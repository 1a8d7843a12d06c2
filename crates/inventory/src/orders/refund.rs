//! Refunds without goods: a part of what was sold is given back, and the customer keeps the goods.

use chrono::{DateTime, Utc};
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money, Reason, TooFine};

use crate::business::settings::{self, Terms};
use crate::column;
use crate::ids::{OrderId, OrderLineId, RefundId, RefundLineId};
use crate::orders::order::{self, Order, OrderError, Step};
use crate::orders::order_list;
use crate::orders::sold_part::divided;
use crate::records::audit::Action;
use crate::records::document::{self, IdTaken, Outcome, PartError, Requested};
use crate::records::event::Event;
use crate::stock::decided::Decided;
use crate::stock::movement::Source;

/// A refund to be posted.
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// The chosen or new id of the refund, and the fingerprint of the request.
    pub request: Requested<RefundId>,
    /// The order of which a part is given back.
    pub order_id: OrderId,
    /// Why it is given back.
    pub reason: Reason,
    /// What is given back.
    pub what: What,
}

/// What a refund gives back.
#[derive(Debug, Clone)]
pub enum What {
    /// This amount, divided among the lines by what was sold of them.
    Amount(Money),
    /// These amounts of lines.
    Lines(Vec<(OrderLineId, Money)>),
}

/// A posted refund, and the order as it is afterwards.
#[derive(Debug, Clone)]
pub struct Refund {
    /// The id that the request chose or was given.
    pub id: RefundId,
    /// Why it was given back.
    pub reason: Reason,
    /// The amount, including taxes.
    pub amount: Money,
    /// The user or program that posted the refund, or the system.
    pub actor_id: ActorId,
    /// When the refund was posted.
    pub refunded_at: DateTime<Utc>,
    /// The order; for a repeated request, as it is now.
    pub order: Order,
}

/// A refund was not posted. `index` is the line's position in the request.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// An amount is not greater than zero.
    #[error("the amount must be greater than zero")]
    NotPositive {
        /// The position of the line; `None` for the amount of the whole refund.
        index: Option<usize>,
    },
    /// An amount is finer than the currency.
    #[error("{reason}")]
    TooFine {
        /// The position of the line; `None` for the amount of the whole refund.
        index: Option<usize>,
        /// The number of decimals of the currency.
        reason: TooFine,
    },
    /// More would be given back than was sold and not given back before.
    #[error("at most {}, what was sold and not given back, can be refunded", .left.plain())]
    TooMuch {
        /// The position of the line; `None` for the amount of the whole refund.
        index: Option<usize>,
        /// The largest amount.
        left: Money,
    },
    /// The order was not found, or has no such line.
    #[error(transparent)]
    Order(#[from] OrderError),
}

impl From<DbError> for RefundError {
    fn from(error: DbError) -> Self {
        OrderError::from(error).into()
    }
}

impl From<IdTaken> for RefundError {
    fn from(error: IdTaken) -> Self {
        OrderError::from(error).into()
    }
}

/// The part of a line that is given back.
struct Part {
    id: RefundLineId,
    line_id: OrderLineId,
    amount: Money,
    tax: Money,
}

/// Posts a refund, with the order locked. It never exceeds what was sold. A repeated request changes nothing.
///
/// # Errors
/// [`RefundError`]; the caller rolls back.
pub async fn post(tx: &TenantTx, new: &NewRefund, actor: ActorId) -> Result<Outcome<Refund>, RefundError> {
    document::once(tx, &new.request, find_repeated(tx, new), post_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, new: &NewRefund) -> Result<Option<Refund>, RefundError> {
    struct Head {
        reason: Reason,
        amount: Money,
        actor_id: ActorId,
        refunded_at: DateTime<Utc>,
    }
    tenancy::from_row!(Head { reason, amount, actor_id, refunded_at });
    const IS_SAME: &str = "SELECT request_hash = $2 AND order_id = $3 FROM order_refunds WHERE id = $1";
    const HEAD: &str = "SELECT reason, amount, actor_id, refunded_at FROM order_refunds WHERE id = $1";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint, &new.order_id];
    if !document::is_repeated::<RefundError>(tx, *id, IS_SAME, params).await? {
        return Ok(None);
    }
    let head = async { tx.row::<Head>(HEAD, &[id]).await };
    let (Head { reason, amount, actor_id, refunded_at }, order) =
        all((head, order_list::find(tx, new.order_id))).await?;
    let order = order.ok_or(OrderError::NotFound)?;
    Ok(Some(Refund { id: *id, reason, amount, actor_id, refunded_at, order }))
}

async fn post_new(tx: &TenantTx, new: &NewRefund, actor: ActorId) -> Result<Refund, RefundError> {
    let id = new.request.id;
    let (terms, order) = all((settings::terms(tx), order_list::lock(tx, new.order_id))).await?;
    let mut order = order.ok_or(OrderError::NotFound)?;
    let amounts = amounts(&order, &new.what, &terms)?;
    let mut parts = Vec::with_capacity(amounts.len());
    for (at, amount) in amounts {
        let line = &mut order.lines[at];
        let tax = line.refund(amount, &terms);
        parts.push(Part { id: RefundLineId::new(), line_id: line.id, amount, tax });
    }
    let amount: Money = parts.iter().map(|part| part.amount).sum();
    order.credited += amount;
    let no_goods = Decided::default();
    let step = Step {
        source: Source::Order(order.id),
        action: Action::OrderRefunded,
        event: Event::OrderRefunded,
        changes: json!({
            "refundId": {"to": id}, "amount": {"to": amount.plain()}, "reason": {"to": new.reason},
        }),
    };
    let insert = insert(tx, new, &parts, amount, actor);
    all((order::finish(tx, &mut order, &no_goods, step, actor), insert)).await?;
    let (reason, refunded_at) = (new.reason.clone(), tx.now());
    Ok(Refund { id, reason, amount, actor_id: actor, refunded_at, order })
}

/// The positions of the lines with what is given back of each.
fn amounts(order: &Order, what: &What, terms: &Terms) -> Result<Vec<(usize, Money)>, RefundError> {
    let check = |index: Option<usize>, amount: Money| {
        if !amount.is_positive() {
            return Err(RefundError::NotPositive { index });
        }
        terms.currency.check(amount).map_err(|reason| RefundError::TooFine { index, reason })
    };
    match what {
        What::Amount(amount) => {
            check(None, *amount)?;
            let totals: Vec<Money> = order.lines.iter().map(|line| line.out_total).collect();
            let left: Money = totals.iter().copied().sum();
            if *amount > left {
                return Err(RefundError::TooMuch { index: None, left });
            }
            Ok(divided(&totals, *amount, terms))
        }
        What::Lines(lines) => {
            let mut amounts: Vec<(usize, Money)> = Vec::with_capacity(lines.len());
            for (index, (id, amount)) in lines.iter().enumerate() {
                check(Some(index), *amount)?;
                let at = order.lines.iter().position(|line| line.id == *id);
                let at = at.ok_or(OrderError::from(PartError::UnknownLine { index }))?;
                let sum = match amounts.iter_mut().find(|(known, _)| *known == at) {
                    Some((_, sum)) => {
                        *sum += *amount;
                        *sum
                    }
                    None => {
                        amounts.push((at, *amount));
                        *amount
                    }
                };
                let left = order.lines[at].out_total;
                if sum > left {
                    return Err(RefundError::TooMuch { index: Some(index), left });
                }
            }
            Ok(amounts)
        }
    }
}

async fn insert(
    tx: &TenantTx,
    new: &NewRefund,
    parts: &[Part],
    amount: Money,
    actor: ActorId,
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO order_refunds (id, order_id, reason, amount, request_hash, actor_id, refunded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    const INSERT_LINES: &str = "
        INSERT INTO order_refund_lines (id, refund_id, order_line_id, amount, tax)
        SELECT id, $1, line, amount, tax
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[]) AS new (id, line, amount, tax)";
    let Requested { id, fingerprint, .. } = &new.request;
    let head: tenancy::Params<'_> =
        &[id, &new.order_id, &new.reason, &amount, fingerprint, &actor, &tx.now()];
    let columns: tenancy::Params<'_> = &[
        id,
        &column(parts, |part| part.id),
        &column(parts, |part| part.line_id),
        &column(parts, |part| part.amount),
        &column(parts, |part| part.tax),
    ];
    let head = async { tx.execute(INSERT, head).await };
    let lines = async { tx.execute(INSERT_LINES, columns).await };
    all((head, lines)).await.map(drop)
}
