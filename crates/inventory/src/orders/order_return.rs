//! Returns: goods of an order that come back, to be sold again or wasted, and the money for them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use tenancy::{DbError, TenantTx, both};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::business::settings;
use crate::ids::{OrderId, OrderLineId, ReturnId};
use crate::orders::order::{self, Order, OrderError};
use crate::records::counter::{self, Counter, taken_number};
use crate::records::document::{self, Part};
use crate::stock::movement::Kind;
use crate::stock::posting::{self as stock, Posting, Source, UnitCost};
use values::Reason;
use values::{Money, Quantity};

/// A return to be posted.
#[derive(Debug, Clone)]
pub struct NewReturn {
    pub id: ReturnId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    pub order_id: OrderId,
    pub reason: Reason,
    pub lines: Vec<NewReturnLine>,
    pub request_hash: Vec<u8>,
}

/// So much of a line that comes back.
#[derive(Debug, Clone, Copy)]
pub struct NewReturnLine {
    pub part: Part<OrderLineId>,
    /// Whether it can be sold again.
    pub is_restocked: bool,
}

/// A posted return, and the order as it is after it.
#[derive(Debug, Clone)]
pub struct Return {
    pub id: ReturnId,
    pub number: i64,
    pub reason: String,
    pub refund: Money,
    pub lines: Vec<ReturnLine>,
    pub actor_id: Option<Uuid>,
    pub returned_at: DateTime<Utc>,
    pub order: Order,
}

/// A line of a posted return.
#[derive(Debug, Clone)]
pub struct ReturnLine {
    pub line_id: OrderLineId,
    pub quantity: Quantity,
    pub is_restocked: bool,
    pub refund: Money,
}

/// Whether a return was posted now or had been before.
#[derive(Debug)]
pub enum Outcome {
    Posted(Return),
    Repeated(Return),
}

/// Posts a return. What is restocked is on hand again at what it cost when it was sold; what is wasted comes in and goes
/// out again, so that the ledger shows both.
///
/// # Errors
/// [`OrderError`]; the caller rolls back.
pub async fn post(tx: &TenantTx, new: &NewReturn, actor: Option<Uuid>) -> Result<Outcome, OrderError> {
    if new.lines.is_empty() || new.lines.len() > order::MAX_LINES {
        return Err(OrderError::LineCount);
    }
    if new.has_chosen_id {
        document::claim(tx, new.id.as_uuid()).await?;
        if let Some(found) = find_repeated(tx, new).await? {
            return Ok(Outcome::Repeated(found));
        }
    }
    let terms = async { settings::terms(tx).await.map_err(OrderError::from) };
    let locked = async { order::lock(tx, new.order_id).await.map_err(OrderError::from) };
    let (terms, order) = both(terms, locked).await?;
    let mut order = order.ok_or(OrderError::NotFound)?;
    // Of one line some may be restocked and some wasted: together no more than is left of it.
    let returnable: Vec<_> = order.lines.iter().map(|line| (line.id, line.returnable())).collect();
    document::merge(&returnable, new.lines.iter().map(|line| line.part))?;

    let mut lines = Vec::with_capacity(new.lines.len());
    let mut postings = Vec::new();
    let (mut taxes, mut costs) = (Vec::new(), Vec::new());
    let (ids, mut refund): (Vec<Uuid>, _) = (new.lines.iter().map(|_| Uuid::now_v7()).collect(), Money::ZERO);
    for (asked, id) in new.lines.iter().zip(&ids) {
        let Part { line_id, quantity } = asked.part;
        let location_id = order.location_id;
        let Some(line) = order.lines.iter_mut().find(|line| line.id == line_id) else { continue };
        let came_back = Posting {
            kind: Kind::Return,
            variant_id: line.variant_id,
            location_id,
            quantity,
            reserved: Quantity::ZERO,
            unit_cost: match line.unit_cost {
                cost if !asked.is_restocked => UnitCost::Passing(cost),
                cost => cost.into(),
            },
            reason: Some(new.reason.clone()),
            line_id: *id,
        };
        if !asked.is_restocked {
            let wasted =
                Posting { kind: Kind::Adjustment, quantity: quantity.negated(), ..came_back.clone() };
            postings.extend([came_back, wasted]);
        } else {
            postings.push(came_back);
        }
        let credit = line.credit_for(quantity, &terms);
        taxes.push(line.tax_credit_for(quantity, &terms));
        costs.push(line.unit_cost.map(Money::as_decimal));
        line.credited = line.credited.plus(credit);
        line.returned = line.returned.plus(quantity);
        refund = refund.plus(credit);
        lines.push(ReturnLine { line_id, quantity, is_restocked: asked.is_restocked, refund: credit });
    }
    order.credited = order.credited.plus(refund);
    let decided = stock::decide(tx, &postings).await?;
    let source = Source { kind: "return", id: new.id.as_uuid() };
    let changes = json!({
        "returnId": {"to": new.id}, "refund": {"to": refund.as_decimal()},
        "reason": {"to": new.reason.as_str()},
    });
    let (id, reason) = (new.id, new.reason.to_string());
    let finish = order::finish(tx, &mut order, source, &decided, "order.returned", &changes, actor);
    let ((), number) = both(finish, insert(tx, new, &ids, &lines, (&taxes, &costs), refund, actor)).await?;
    let posted = Return { id, number, reason, refund, lines, actor_id: actor, returned_at: tx.now(), order };
    Ok(Outcome::Posted(posted))
}

async fn insert(
    tx: &TenantTx,
    new: &NewReturn,
    ids: &[Uuid],
    lines: &[ReturnLine],
    (taxes, costs): (&[Decimal], &[Option<Decimal>]),
    refund: Money,
    actor: Option<Uuid>,
) -> Result<i64, DbError> {
    const INSERT: &str = concat!(
        "INSERT INTO order_returns (id, order_id, number, reason, refund, request_hash, actor_id, returned_at)
         SELECT $1, $2, ",
        taken_number!("return"),
        ", $3, $4, $5, $6, $7 RETURNING number"
    );
    const INSERT_LINES: &str = "
        INSERT INTO order_return_lines (id, return_id, order_line_id, quantity, is_restocked, refund, tax, unit_cost)
        SELECT id, $1, line, quantity, is_restocked, refund, tax, unit_cost
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::boolean[], $6::numeric[], $7::numeric[], $8::numeric[])
               AS new (id, line, quantity, is_restocked, refund, tax, unit_cost)";
    let (id, order) = (new.id.as_uuid(), new.order_id.as_uuid());
    let of_lines: Vec<Uuid> = lines.iter().map(|line| line.line_id.as_uuid()).collect();
    let quantities: Vec<Decimal> = lines.iter().map(|line| line.quantity.as_decimal()).collect();
    let restocked: Vec<bool> = lines.iter().map(|line| line.is_restocked).collect();
    let refunds: Vec<Decimal> = lines.iter().map(|line| line.refund.as_decimal()).collect();
    let reason = new.reason.as_str();
    let head = async {
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
            [&id, &order, &reason, &refund.as_decimal(), &new.request_hash, &actor, &tx.now()];
        tx.query_one(INSERT, &parameters).await
    };
    let numbered = both(counter::take(tx, Counter::Return), head);
    let lines = async {
        tx.execute(INSERT_LINES, &[&id, &ids, &of_lines, &quantities, &restocked, &refunds, &taxes, &costs])
            .await
    };
    let (((), row), _) = both(numbered, lines).await?;
    Ok(row.try_get("number")?)
}

macro_rules! returns_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, order_id, number, reason, refund, request_hash, actor_id, returned_at FROM order_returns WHERE ",
            $condition
        )
    };
}

/// The return that has the chosen id already, when it is this very one.
async fn find_repeated(tx: &TenantTx, new: &NewReturn) -> Result<Option<Return>, OrderError> {
    const FIND: &str = returns_where!("id = $1");
    let Some(row) = tx.query_opt(FIND, &[&new.id.as_uuid()]).await? else { return Ok(None) };
    let hash: &[u8] = row.try_get("request_hash").map_err(DbError::from)?;
    let order: Uuid = row.try_get("order_id").map_err(DbError::from)?;
    if hash != new.request_hash || order != new.order_id.as_uuid() {
        return Err(OrderError::IdTaken(new.id.as_uuid()));
    }
    let order = order::find(tx, new.order_id).await?.ok_or(OrderError::NotFound)?;
    Ok(with_lines(tx, &[row], &order).await?.pop())
}

/// The returns of an order, the first one first.
///
/// # Errors
/// [`OrderError`].
pub async fn of_order(tx: &TenantTx, id: OrderId) -> Result<Vec<Return>, OrderError> {
    const OF_ORDER: &str = returns_where!("order_id = $1 ORDER BY number");
    let returns = async { tx.query(OF_ORDER, &[&id.as_uuid()]).await };
    let (order, rows) = both(order::find(tx, id), returns).await?;
    let order = order.ok_or(OrderError::NotFound)?;
    Ok(with_lines(tx, &rows, &order).await?)
}

/// Returns of one order, with their lines: one query, whatever their number.
async fn with_lines(tx: &TenantTx, rows: &[Row], order: &Order) -> Result<Vec<Return>, DbError> {
    const LINES: &str = "
        SELECT return_id, order_line_id, quantity, is_restocked, refund
          FROM order_return_lines WHERE return_id = ANY ($1) ORDER BY id";
    let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
    let mut lines: HashMap<Uuid, Vec<ReturnLine>> = HashMap::new();
    for line in tx.query(LINES, &[&ids]).await? {
        lines.entry(line.try_get("return_id")?).or_default().push(ReturnLine {
            line_id: OrderLineId::from_uuid(line.try_get("order_line_id")?),
            quantity: Quantity::from_decimal(line.try_get("quantity")?),
            is_restocked: line.try_get("is_restocked")?,
            refund: Money::from_decimal(line.try_get("refund")?),
        });
    }
    let read = |(row, id): (&Row, &Uuid)| {
        Ok(Return {
            id: ReturnId::from_uuid(*id),
            number: row.try_get("number")?,
            reason: row.try_get("reason")?,
            refund: Money::from_decimal(row.try_get("refund")?),
            lines: lines.remove(id).unwrap_or_default(),
            actor_id: row.try_get("actor_id")?,
            returned_at: row.try_get("returned_at")?,
            order: order.clone(),
        })
    };
    rows.iter().zip(&ids).map(read).collect()
}
