//! Goods receipts: what arrived of an order to a supplier. Stock changes here, and nowhere else in purchasing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tenancy::{DbError, TenantTx, both};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::ids::{PurchaseOrderId, PurchaseOrderLineId, ReceiptId};
use crate::purchasing::purchase_order::{self, PurchaseOrder, PurchaseStatus};
use crate::records::counter::{self, Counter, taken_number};
use crate::records::document::{self, Part, PartError};
use crate::stock::movement::Kind;
use crate::stock::posting::{self as stock, Posting, Source, StockError, UnitCost};
use values::Quantity;
use values::ShortText;

/// A receipt to be posted.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    pub id: ReceiptId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    pub order_id: PurchaseOrderId,
    pub what: Arrival,
    /// Tells a repetition from another receipt with the same id.
    pub request_hash: Vec<u8>,
}

/// What a receipt books.
#[derive(Debug, Clone)]
pub enum Arrival {
    /// So much of which lines has come; all that is still to come when there are none.
    Goods {
        parts: Vec<Part<PurchaseOrderLineId>>,
        /// The supplier's number of the delivery: booked once.
        delivery_note: Option<ShortText>,
    },
    /// An earlier receipt was wrong: all of it is taken back.
    Reversal(ReceiptId),
}

/// A posted receipt.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub id: ReceiptId,
    pub number: i64,
    pub order_id: PurchaseOrderId,
    pub delivery_note: Option<String>,
    /// The receipt that this one takes back.
    pub reverses: Option<ReceiptId>,
    pub is_reversed: bool,
    pub actor_id: Option<Uuid>,
    pub received_at: DateTime<Utc>,
    pub lines: Vec<Part<PurchaseOrderLineId>>,
}

/// Whether a receipt was posted now or had been before; with the order as it is.
#[derive(Debug)]
pub enum Outcome {
    Posted(Receipt, PurchaseOrder),
    /// The same receipt under the same client-chosen id: nothing was changed again.
    Repeated(Receipt, PurchaseOrder),
}

/// A receipt was not posted.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("there is no such order")]
    NotFound,
    #[error("the order has no such receipt, or it takes back another one itself")]
    UnknownReceipt,
    #[error("the receipt was reversed already")]
    Reversed,
    #[error("nothing can be received of an order that is {}", .0.as_str())]
    NotOpen(PurchaseStatus),
    #[error("nothing of the order is still to come")]
    NothingOpen,
    #[error("the delivery note {0} of this supplier is booked already")]
    DeliveryNote(ShortText),
    #[error("another receipt has the id {0} already")]
    IdTaken(Uuid),
    #[error(transparent)]
    Part(#[from] PartError),
    #[error(transparent)]
    Stock(#[from] StockError),
    #[error("a receipt query failed")]
    Db(#[from] DbError),
}

/// Posts a receipt under the order's lock: never more than was ordered and is tolerated, whoever else receives.
///
/// # Errors
/// [`ReceiptError`]; the caller rolls back.
pub async fn post(tx: &TenantTx, new: &NewReceipt, actor: Option<Uuid>) -> Result<Outcome, ReceiptError> {
    const SAVE_LINES: &str = "
        UPDATE purchase_order_lines l SET received = new.received
          FROM unnest($1::uuid[], $2::numeric[]) AS new (id, received) WHERE l.id = new.id";
    if new.has_chosen_id {
        document::claim(tx, new.id.as_uuid()).await?;
        if let Some(outcome) = repeated(tx, new).await? {
            return Ok(outcome);
        }
    }
    let mut order = purchase_order::lock(tx, new.order_id).await?.ok_or(ReceiptError::NotFound)?;
    // By the lines' places: how much comes, negative where it is taken back, and what it cost.
    let changes: Vec<(usize, Quantity, UnitCost)> = match &new.what {
        Arrival::Goods { parts, .. } => {
            if !order.status.is_open() {
                return Err(ReceiptError::NotOpen(order.status));
            }
            let chosen = match parts.as_slice() {
                [] => {
                    let open: Vec<_> = order.lines.iter().map(|line| (line.id, line.open())).collect();
                    document::all_that_is_left(&open)
                }
                parts => {
                    let most: Vec<_> = order.lines.iter().map(|line| (line.id, line.receivable())).collect();
                    document::merge(&most, parts.iter().copied())?
                }
            };
            if chosen.is_empty() {
                return Err(ReceiptError::NothingOpen);
            }
            let cost = |at: usize| UnitCost::Known(order.lines[at].unit_cost);
            chosen.into_iter().map(|(at, quantity)| (at, quantity, cost(at))).collect()
        }
        Arrival::Reversal(id) => reversal_of(tx, &order, *id).await?,
    };
    let ids: Vec<Uuid> = changes.iter().map(|_| Uuid::now_v7()).collect();
    let postings: Vec<Posting> = changes
        .iter()
        .zip(&ids)
        .map(|((at, quantity, unit_cost), id)| Posting {
            kind: Kind::Purchase,
            variant_id: order.lines[*at].variant_id,
            location_id: order.location_id,
            quantity: *quantity,
            reserved: Quantity::ZERO,
            unit_cost: *unit_cost,
            reason: None,
            line_id: *id,
        })
        .collect();
    for (at, quantity, _) in &changes {
        let line = &mut order.lines[*at];
        line.received = line.received.plus(*quantity);
    }
    let was = order.status;
    let is_complete = order.lines.iter().all(|line| line.open().is_zero());
    order.status = match new.what {
        Arrival::Goods { .. } if is_complete => PurchaseStatus::Received,
        // It waits for its goods again.
        Arrival::Reversal(_) if was == PurchaseStatus::Received => PurchaseStatus::Confirmed,
        _ => was,
    };
    let lines: Vec<Part<PurchaseOrderLineId>> = changes
        .iter()
        .map(|(at, quantity, _)| Part { line_id: order.lines[*at].id, quantity: *quantity })
        .collect();
    let source = Source { kind: "goods_receipt", id: new.id.as_uuid() };
    let (line_ids, received): (Vec<Uuid>, Vec<Decimal>) =
        order.lines.iter().map(|line| (line.id.as_uuid(), line.received.as_decimal())).unzip();
    let action = match new.what {
        Arrival::Goods { .. } => "purchase_order.received",
        Arrival::Reversal(_) => "purchase_order.receipt_reversed",
    };
    let save_lines = async { tx.execute(SAVE_LINES, &[&line_ids, &received]).await };
    let set_status = purchase_order::set_status(tx, order.id, action, was, order.status, actor);
    // Before the levels are decided on: their alerts depend on what is still to come.
    let save = async { both(save_lines, set_status).await.map_err(ReceiptError::from) };
    let decide = async { stock::decide(tx, &postings).await.map_err(ReceiptError::from) };
    let (_, decided) = both(save, decide).await?;
    let insert = insert(tx, new, &order, &ids, &lines, actor);
    // What may be refused goes first: its error is the one to tell.
    let written = both(insert, decided.write(tx, source, actor)).await;
    let (number, _) = written.map_err(|error| match (error.constraint(), &new.what) {
        (
            Some("goods_receipts_delivery_note_key"),
            Arrival::Goods { delivery_note: Some(delivery_note), .. },
        ) => ReceiptError::DeliveryNote(delivery_note.clone()),
        (Some("goods_receipts_reverses_key"), _) => ReceiptError::Reversed,
        _ => error.into(),
    })?;
    let order = purchase_order::find(tx, order.id).await?.ok_or(ReceiptError::NotFound)?;
    let (delivery_note, reverses) = match &new.what {
        Arrival::Goods { delivery_note, .. } => (delivery_note.as_ref().map(ToString::to_string), None),
        Arrival::Reversal(id) => (None, Some(*id)),
    };
    let receipt = Receipt {
        id: new.id,
        number,
        order_id: order.id,
        delivery_note,
        reverses,
        is_reversed: false,
        actor_id: actor,
        received_at: tx.now(),
        lines,
    };
    Ok(Outcome::Posted(receipt, order))
}

/// What taking an earlier receipt back changes.
async fn reversal_of(
    tx: &TenantTx,
    order: &PurchaseOrder,
    id: ReceiptId,
) -> Result<Vec<(usize, Quantity, UnitCost)>, ReceiptError> {
    if order.status == PurchaseStatus::ClosedShort {
        return Err(ReceiptError::NotOpen(order.status));
    }
    let (receipts, untouched) = both(of_order(tx, order.id), untouched_since(tx, id)).await?;
    let receipt = receipts.iter().find(|receipt| receipt.id == id && receipt.reverses.is_none());
    let receipt = receipt.ok_or(ReceiptError::UnknownReceipt)?;
    if receipt.is_reversed {
        return Err(ReceiptError::Reversed);
    }
    let change = |part: &Part<PurchaseOrderLineId>| {
        let at = order.lines.iter().position(|line| line.id == part.line_id)?;
        let line = &order.lines[at];
        let cost = match untouched.get(&line.variant_id.as_uuid()) {
            Some(last) => UnitCost::KnownSince(line.unit_cost, *last),
            None => UnitCost::Average,
        };
        Some((at, part.quantity.negated(), cost))
    };
    Ok(receipt.lines.iter().filter_map(change).collect())
}

/// The variants of which nothing has gone at their average cost since a receipt, so that what it did to that can be taken
/// back; with the last place in their ledger. What was taken back or came back as waste has not gone at the average.
async fn untouched_since(tx: &TenantTx, id: ReceiptId) -> Result<HashMap<Uuid, i64>, DbError> {
    const UNTOUCHED: &str = "
        SELECT came.variant_id, max(later.position) AS last
          FROM stock_movements came
          JOIN stock_movements later
            ON later.variant_id = came.variant_id AND later.location_id = came.location_id
           AND later.position >= came.position
         WHERE came.source_type = 'goods_receipt' AND came.source_id = $1
         GROUP BY came.variant_id
        HAVING count(*) FILTER (WHERE later.quantity < 0 AND later.kind <> 'purchase'
                                  AND NOT (later.kind = 'adjustment' AND later.source_type = 'return')) = 0";
    let rows = tx.query(UNTOUCHED, &[&id.as_uuid()]).await?;
    rows.iter().map(|row| Ok((row.try_get("variant_id")?, row.try_get("last")?))).collect()
}

async fn insert(
    tx: &TenantTx,
    new: &NewReceipt,
    order: &PurchaseOrder,
    ids: &[Uuid],
    lines: &[Part<PurchaseOrderLineId>],
    actor: Option<Uuid>,
) -> Result<i64, DbError> {
    const INSERT: &str = concat!(
        "INSERT INTO goods_receipts (id, number, purchase_order_id, supplier_id, delivery_note, reverses, request_hash,
                                     actor_id, received_at)
         SELECT $1, ",
        taken_number!("goods_receipt"),
        ", $2, $3, $4, $5, $6, $7, $8 RETURNING number"
    );
    const INSERT_LINES: &str = "
        INSERT INTO goods_receipt_lines (id, receipt_id, purchase_order_line_id, quantity)
        SELECT id, $1, line, quantity
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[]) AS new (id, line, quantity)";
    const MARK: &str = "UPDATE goods_receipts SET is_reversed = true WHERE id = $1";
    let (note, reverses) = match &new.what {
        Arrival::Goods { delivery_note, .. } => (delivery_note.as_ref().map(ShortText::as_str), None),
        Arrival::Reversal(id) => (None, Some(id.as_uuid())),
    };
    let id = new.id.as_uuid();
    let of_lines: Vec<Uuid> = lines.iter().map(|part| part.line_id.as_uuid()).collect();
    let quantities: Vec<Decimal> = lines.iter().map(|part| part.quantity.as_decimal()).collect();
    let head = async {
        let (of, supplier) = (order.id.as_uuid(), order.supplier_id.as_uuid());
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
            [&id, &of, &supplier, &note, &reverses, &new.request_hash, &actor, &tx.now()];
        tx.query_one(INSERT, &parameters).await
    };
    let rest = async {
        let lines = async { tx.execute(INSERT_LINES, &[&id, &ids, &of_lines, &quantities]).await };
        let mark = async {
            match reverses {
                Some(_) => tx.execute(MARK, &[&reverses]).await,
                None => Ok(0),
            }
        };
        both(lines, mark).await.map(drop)
    };
    let (((), row), ()) = both(both(counter::take(tx, Counter::GoodsReceipt), head), rest).await?;
    Ok(row.try_get("number")?)
}

/// The receipt that has the chosen id already, when it is this very one.
async fn repeated(tx: &TenantTx, new: &NewReceipt) -> Result<Option<Outcome>, ReceiptError> {
    const REPEATED: &str = "SELECT purchase_order_id, request_hash FROM goods_receipts WHERE id = $1";
    let Some(row) = tx.query_opt(REPEATED, &[&new.id.as_uuid()]).await? else { return Ok(None) };
    let hash: &[u8] = row.try_get("request_hash").map_err(DbError::from)?;
    let of: Uuid = row.try_get("purchase_order_id").map_err(DbError::from)?;
    if hash != new.request_hash || of != new.order_id.as_uuid() {
        return Err(ReceiptError::IdTaken(new.id.as_uuid()));
    }
    let order = purchase_order::find(tx, new.order_id).await?.ok_or(ReceiptError::NotFound)?;
    let receipt = of_order(tx, new.order_id).await?.into_iter().find(|receipt| receipt.id == new.id);
    Ok(receipt.map(|receipt| Outcome::Repeated(receipt, order)))
}

/// The receipts of an order, the first one first.
///
/// # Errors
/// [`DbError`].
pub async fn of_order(tx: &TenantTx, order: PurchaseOrderId) -> Result<Vec<Receipt>, DbError> {
    const RECEIPTS: &str = "
        SELECT id, number, delivery_note, reverses, is_reversed, actor_id, received_at
          FROM goods_receipts WHERE purchase_order_id = $1 ORDER BY number";
    const LINES: &str = "
        SELECT l.receipt_id, l.purchase_order_line_id, l.quantity
          FROM goods_receipt_lines l JOIN goods_receipts r ON r.id = l.receipt_id
         WHERE r.purchase_order_id = $1 ORDER BY l.id";
    let of = order.as_uuid();
    let receipts = async { tx.query(RECEIPTS, &[&of]).await };
    let lines = async { tx.query(LINES, &[&of]).await };
    let (receipts, lines) = both(receipts, lines).await?;
    let mut parts: Vec<(Uuid, Part<PurchaseOrderLineId>)> = Vec::with_capacity(lines.len());
    for row in &lines {
        let line_id = PurchaseOrderLineId::from_uuid(row.try_get("purchase_order_line_id")?);
        let quantity = Quantity::from_decimal(row.try_get("quantity")?);
        parts.push((row.try_get("receipt_id")?, Part { line_id, quantity }));
    }
    let read = |row: &Row| {
        let id: Uuid = row.try_get("id")?;
        Ok(Receipt {
            id: ReceiptId::from_uuid(id),
            number: row.try_get("number")?,
            order_id: order,
            delivery_note: row.try_get("delivery_note")?,
            reverses: row.try_get::<_, Option<_>>("reverses")?.map(ReceiptId::from_uuid),
            is_reversed: row.try_get("is_reversed")?,
            actor_id: row.try_get("actor_id")?,
            received_at: row.try_get("received_at")?,
            lines: parts.iter().filter(|(of, _)| *of == id).map(|(_, part)| *part).collect(),
        })
    };
    receipts.iter().map(read).collect()
}
