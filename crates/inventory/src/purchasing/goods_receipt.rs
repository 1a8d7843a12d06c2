//! Goods receipts: goods of a purchase order that arrived, and the reversal of a receipt that was wrong.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use futures_util::TryFutureExt as _;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Money, Quantity, ShortText, StockValue};

use crate::column;
use crate::ids::{PurchaseOrderId, PurchaseOrderLineId, ReceiptId, ReceiptLineId, SupplierId};
use crate::purchasing::purchase_order::PurchaseOrder;
use crate::purchasing::purchase_order_list;
use crate::purchasing::purchase_order_moves;
use crate::purchasing::receipt_content::{self, Change};
pub use crate::purchasing::receipt_content::{ArrivedPart, Content, LineName};
use crate::records::audit::Action;
use crate::records::counter::{self, Counter};
use crate::records::document::{self, IdTaken, Outcome, PartError, Requested};
use crate::records::event::Event;
use crate::records::look_alike;
use crate::statuses::PurchaseStatus;
use crate::stock::article::ArticleError;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Cost, Posting, StockError, decide};

/// A receipt to be posted.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    /// The id of the new receipt, and the fingerprint that shows whether the request is repeated.
    pub request: Requested<ReceiptId>,
    /// The purchase order whose goods arrived.
    pub order_id: PurchaseOrderId,
    /// The goods that arrived, or the earlier receipt that is reversed.
    pub content: Content,
}

/// A posted receipt.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The id of the receipt.
    pub id: ReceiptId,
    /// Counts up from 1 without a gap, for each business.
    pub number: i64,
    /// The purchase order whose goods arrived or were taken back.
    pub order_id: PurchaseOrderId,
    /// The number of the supplier's delivery note; `None` if the request had none.
    pub delivery_note: Option<ShortText>,
    /// The receipt that this one takes back; `None` for a receipt of goods.
    pub reverses: Option<ReceiptId>,
    /// Whether later receipts take all of this one back.
    pub is_reversed: bool,
    /// The user or program that posted the receipt, or the system.
    pub actor_id: ActorId,
    /// When the receipt was posted.
    pub received_at: DateTime<Utc>,
    /// One line for each line of the purchase order that the receipt changed.
    pub lines: Vec<ReceiptLine>,
}

tenancy::from_row!(Receipt {
    id, number, order_id: "purchase_order_id", delivery_note, reverses, is_reversed, actor_id, received_at,
} with { lines: Vec::new() });

/// A line of a posted receipt.
#[derive(Debug, Clone)]
pub struct ReceiptLine {
    pub(super) id: ReceiptLineId,
    receipt_id: ReceiptId,
    /// The line of the purchase order.
    pub line_id: PurchaseOrderLineId,
    /// The quantity that arrived, in sale units; negative where goods are taken back.
    pub quantity: Quantity,
    /// The cost of one unit as invoiced, in the currency of the purchase order; `None`: that of the purchase
    /// order.
    pub unit_cost: Option<Money>,
    /// The share of the landed cost in `value`, in the currency of the business.
    pub landed_cost: StockValue,
    /// The cost of the goods, in the currency of the business, converted when they arrived; negative where
    /// goods are taken back.
    pub value: StockValue,
    /// The quantity that later receipts took back, in sale units.
    pub reversed: Quantity,
    pub(super) reversed_value: StockValue,
}

tenancy::from_row!(ReceiptLine {
    id,
    receipt_id,
    line_id: "purchase_order_line_id",
    quantity,
    unit_cost,
    landed_cost,
    value,
    reversed,
    reversed_value,
});

impl ReceiptLine {
    /// The quantity that arrived and was not taken back, in sale units.
    pub(super) fn left(&self) -> Quantity {
        self.quantity - self.reversed
    }
}

/// A receipt with its purchase order as it is afterwards.
#[derive(Debug)]
pub struct Received {
    /// The receipt that was posted, now or by an earlier request with the same id.
    pub receipt: Receipt,
    /// The purchase order with its received quantities and its status after the receipt; for a repeated
    /// request, the purchase order as it is now.
    pub order: PurchaseOrder,
}

/// A receipt was not posted.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The business has no purchase order with this id.
    #[error("there is no such purchase order")]
    NotFound,
    /// The receipt to reverse belongs to another purchase order, does not exist or is a reversal.
    #[error("the purchase order has no such receipt, or the receipt is itself a reversal")]
    UnknownReceipt,
    /// Other receipts have already reversed all of the receipt.
    #[error("the receipt has already been reversed")]
    Reversed,
    /// Goods were sent for a purchase order that is neither sent nor confirmed, or a reversal for one that
    /// was closed short.
    #[error("a purchase order with the status {0} accepts neither receipts nor reversals")]
    NotOpen(PurchaseStatus),
    /// The request names no lines, and no line has an open quantity.
    #[error("all goods of the purchase order have been received")]
    NothingOpen,
    /// A receipt of the same supplier has the delivery note, and has not been reversed.
    #[error("the delivery note {0} of this supplier has already been booked")]
    DeliveryNote(ShortText),
    /// Another request has posted a receipt with the id that the client chose.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A line names a SKU or a barcode that no variant has.
    #[error(transparent)]
    Article(#[from] ArticleError),
    /// A line is unknown, or more arrived than ordered plus the over-receipt tolerance.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The stock cannot change so: for example, a reversal takes back goods that are not available.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A query failed, for a reason that no other variant describes.
    #[error("a receipt query failed")]
    Db(#[from] DbError),
}

/// Posts a receipt under the lock of its purchase order: never more than ordered plus the over-receipt
/// tolerance, even if several people receive at the same time. A repeated request changes nothing.
///
/// # Errors
/// [`ReceiptError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewReceipt,
    actor: ActorId,
) -> Result<Outcome<Received>, ReceiptError> {
    document::once(tx, &new.request, find_repeated(tx, new), post_new(tx, new, actor)).await
}

async fn find_repeated(tx: &TenantTx, new: &NewReceipt) -> Result<Option<Received>, ReceiptError> {
    const IS_SAME: &str =
        "SELECT request_hash = $2 AND purchase_order_id = $3 FROM goods_receipts WHERE id = $1";
    let Requested { id, fingerprint, .. } = &new.request;
    let params: tenancy::Params<'_> = &[id, fingerprint, &new.order_id];
    if !document::is_repeated::<ReceiptError>(tx, *id, IS_SAME, params).await? {
        return Ok(None);
    }
    let order = purchase_order_list::find(tx, new.order_id).await?.ok_or(ReceiptError::NotFound)?;
    let receipt = of_order(tx, new.order_id).await?.into_iter().find(|receipt| receipt.id == *id);
    Ok(receipt.map(|receipt| Received { receipt, order }))
}

async fn post_new(tx: &TenantTx, new: &NewReceipt, actor: ActorId) -> Result<Received, ReceiptError> {
    let mut order = purchase_order_list::lock(tx, new.order_id).await?.ok_or(ReceiptError::NotFound)?;
    let changes = receipt_content::changes(tx, &order, &new.content).await?;
    let ids: Vec<ReceiptLineId> = changes.iter().map(|_| ReceiptLineId::new()).collect();
    let posting = |(change, id): (&Change, &ReceiptLineId)| Posting {
        kind: Kind::Purchase,
        variant_id: order.lines[change.at].variant_id,
        has_stock: true,
        location_id: order.location_id,
        quantity: change.quantity,
        reserved: Quantity::ZERO,
        cost: Cost::Whole(Some(change.cost)),
        reason: None,
        line_id: (*id).into(),
    };
    let postings: Vec<Posting> = changes.iter().zip(&ids).map(posting).collect();
    for change in &changes {
        order.lines[change.at].received += change.quantity;
    }
    let was = order.status;
    order.status = status_after(&order, &new.content);
    let lines: Vec<ReceiptLine> = changes
        .iter()
        .zip(&ids)
        .map(|(change, id)| ReceiptLine {
            id: *id,
            receipt_id: new.request.id,
            line_id: order.lines[change.at].id,
            quantity: change.quantity,
            unit_cost: change.unit_cost,
            landed_cost: change.landed_cost,
            value: if change.quantity.is_negative() { -change.cost } else { change.cost },
            reversed: Quantity::ZERO,
            reversed_value: StockValue::ZERO,
        })
        .collect();
    let step: (_, fn(_) -> _) = match new.content {
        Content::Goods { .. } => (Action::PurchaseOrderReceived, Event::PurchaseOrderReceived),
        Content::Reversal { .. } => {
            (Action::PurchaseOrderReceiptReversed, Event::PurchaseOrderReceiptReversed)
        }
    };
    // The order's lines are saved before the levels are decided: their alerts depend on incoming stock.
    let save = save_lines(tx, &order).err_into();
    let set_status =
        purchase_order_moves::set_status(tx, order.id, step, (was, order.status), actor).err_into();
    let decide = decide(tx, &postings).err_into::<ReceiptError>();
    let ((), (), decided) = all((save, set_status, decide)).await?;
    // The statement that may be refused goes first: its error is the one to return.
    let insert = insert(tx, new, &order, &lines, actor);
    let take_back = take_back(tx, &new.content, order.supplier_id, &changes);
    let write = decided.write(tx, Source::GoodsReceipt(new.request.id), actor);
    let written = all((insert, take_back, write)).await;
    let (number, (), ()) = written.map_err(|error| on_insert(error, &new.content))?;
    let order = purchase_order_list::find(tx, order.id).await?.ok_or(ReceiptError::NotFound)?;
    let (delivery_note, reverses) = new.content.columns();
    let receipt = Receipt {
        id: new.request.id,
        number,
        order_id: order.id,
        delivery_note: delivery_note.cloned(),
        reverses,
        is_reversed: false,
        actor_id: actor,
        received_at: tx.now(),
        lines,
    };
    Ok(Received { receipt, order })
}

impl Content {
    /// The delivery note, and the receipt that is reversed.
    fn columns(&self) -> (Option<&ShortText>, Option<ReceiptId>) {
        match self {
            Self::Goods { delivery_note, .. } => (delivery_note.as_ref(), None),
            Self::Reversal { receipt, .. } => (None, Some(*receipt)),
        }
    }
}

fn on_insert(error: DbError, content: &Content) -> ReceiptError {
    match (error.constraint(), content.columns()) {
        (Some("goods_receipts_delivery_note_key"), (Some(note), _)) => {
            ReceiptError::DeliveryNote(note.clone())
        }
        _ => error.into(),
    }
}

fn status_after(order: &PurchaseOrder, content: &Content) -> PurchaseStatus {
    let is_complete = order.lines.iter().all(|line| line.open().is_zero());
    match content {
        Content::Goods { .. } if is_complete => PurchaseStatus::Received,
        // The purchase order waits for goods again.
        Content::Reversal { .. } if order.status == PurchaseStatus::Received && !is_complete => {
            PurchaseStatus::Confirmed
        }
        Content::Goods { .. } | Content::Reversal { .. } => order.status,
    }
}

async fn save_lines(tx: &TenantTx, order: &PurchaseOrder) -> Result<(), DbError> {
    const SAVE: &str = "
        UPDATE purchase_order_lines l SET received = new.received
          FROM unnest($1::uuid[], $2::numeric[]) AS new (id, received) WHERE l.id = new.id";
    let ids: Vec<PurchaseOrderLineId> = order.lines.iter().map(|line| line.id).collect();
    let received: Vec<Quantity> = order.lines.iter().map(|line| line.received).collect();
    tx.execute(SAVE, &[&ids, &received]).await.map(drop)
}

async fn insert(
    tx: &TenantTx,
    new: &NewReceipt,
    order: &PurchaseOrder,
    lines: &[ReceiptLine],
    actor: ActorId,
) -> Result<i64, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO goods_receipts (id, number, purchase_order_id, supplier_id, delivery_note, reverses,
                                     request_hash, actor_id, received_at, delivery_note_key)
         SELECT $2, ",
        counter::TAKEN,
        ", $3, $4, $5, $6, $7, $8, $9, $10 RETURNING number"
    );
    const INSERT_LINES: &str = "
        INSERT INTO goods_receipt_lines (id, receipt_id, purchase_order_line_id, quantity, value, unit_cost,
                                         landed_cost)
        SELECT id, $1, line, quantity, value, unit_cost, landed_cost
          FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[], $6::numeric[], $7::numeric[])
               AS new (id, line, quantity, value, unit_cost, landed_cost)";
    let (delivery_note, reverses) = new.content.columns();
    let Requested { id, fingerprint, .. } = &new.request;
    let head: tenancy::Params<'_> = &[
        &Counter::GoodsReceipt,
        id,
        &order.id,
        &order.supplier_id,
        &delivery_note,
        &reverses,
        fingerprint,
        &actor,
        &tx.now(),
        &delivery_note.map(ShortText::key),
    ];
    let columns: tenancy::Params<'_> = &[
        id,
        &column(lines, |line| line.id),
        &column(lines, |line| line.line_id),
        &column(lines, |line| line.quantity),
        &column(lines, |line| line.value),
        &column(lines, |line| line.unit_cost),
        &column(lines, |line| line.landed_cost),
    ];
    let head = counter::insert_numbered(tx, Counter::GoodsReceipt, INSERT, head);
    let lines = async { tx.execute(INSERT_LINES, columns).await };
    let (number, _) = all((head, lines)).await?;
    Ok(number)
}

/// Notes on the lines of the earlier receipt what was taken back of them. A receipt of which nothing is left
/// gives its delivery note up.
async fn take_back(
    tx: &TenantTx,
    content: &Content,
    supplier: SupplierId,
    changes: &[Change],
) -> Result<(), DbError> {
    const NOTE: &str = "
        UPDATE goods_receipt_lines l
           SET reversed = l.reversed + back.quantity, reversed_value = l.reversed_value + back.value
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[]) AS back (id, quantity, value)
         WHERE l.id = back.id";
    const MARK: &str = "
        UPDATE goods_receipts r SET is_reversed = true
         WHERE r.id = $1
           AND NOT EXISTS (SELECT FROM goods_receipt_lines l
                            WHERE l.receipt_id = r.id AND l.reversed < l.quantity)
     RETURNING coalesce(r.delivery_note_key, '')";
    const GIVE_KEY_ON: &str = look_alike::give_key_on!(
        "goods_receipts",
        "delivery_note_key",
        "supplier_id = $2 AND NOT is_reversed"
    );
    let Content::Reversal { receipt, .. } = content else { return Ok(()) };
    let ids = column(changes, |change| change.of);
    let quantities = column(changes, |change| -change.quantity);
    let values = column(changes, |change| change.cost);
    tx.execute(NOTE, &[&ids, &quantities, &values]).await?;
    match tx.value_opt::<String>(MARK, &[receipt]).await? {
        Some(key) if !key.is_empty() => tx.execute(GIVE_KEY_ON, &[&key, &supplier]).await.map(drop),
        _ => Ok(()),
    }
}

/// The receipts of a purchase order with their lines, oldest first. An unknown purchase order has none.
///
/// # Errors
/// [`DbError`].
pub async fn of_order(tx: &TenantTx, order: PurchaseOrderId) -> Result<Vec<Receipt>, DbError> {
    const RECEIPTS: &str = "
        SELECT id, number, purchase_order_id, delivery_note, reverses, is_reversed, actor_id, received_at
          FROM goods_receipts WHERE purchase_order_id = $1 ORDER BY number";
    const LINES: &str = "
        SELECT l.id, l.receipt_id, l.purchase_order_line_id, l.quantity, l.unit_cost, l.landed_cost,
               coalesce(l.value, 0) AS value, l.reversed, l.reversed_value
          FROM goods_receipt_lines l JOIN goods_receipts r ON r.id = l.receipt_id
         WHERE r.purchase_order_id = $1 ORDER BY l.id";
    let receipts = async { tx.rows::<Receipt>(RECEIPTS, &[&order]).await };
    let lines = async { tx.rows::<ReceiptLine>(LINES, &[&order]).await };
    let (mut receipts, lines) = all((receipts, lines)).await?;
    for line in lines {
        if let Some(receipt) = receipts.iter_mut().find(|receipt| receipt.id == line.receipt_id) {
            receipt.lines.push(line);
        }
    }
    Ok(receipts)
}
