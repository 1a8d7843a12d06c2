//! The content of a receipt: the goods that arrived with their costs, or the part of an earlier receipt that
//! is taken back.

use rust_decimal::Decimal;
use tenancy::TenantTx;
use values::{Money, NonNegative, Positive, Quantity, ShortText, StockValue};

use crate::ids::{PurchaseOrderLineId, ReceiptId, ReceiptLineId};
use crate::purchasing::goods_receipt::{ReceiptError, ReceiptLine, of_order};
use crate::purchasing::purchase_order::{PurchaseOrder, PurchaseOrderLine};
use crate::records::document::{self, Part, PartError, Share};
use crate::statuses::PurchaseStatus;
use crate::stock::article::{self, ArticleError, ArticleName};
use crate::stock::posting::StockError;

/// What a receipt books.
#[derive(Debug, Clone)]
pub enum Content {
    /// These quantities have arrived. If `parts` is empty, everything that is still open has arrived.
    Goods {
        /// The lines of the purchase order with the quantities that arrived.
        parts: Vec<ArrivedPart>,
        /// The number of the supplier's delivery note. A number is booked once for each supplier, unless the
        /// receipt with it was reversed.
        delivery_note: Option<ShortText>,
        /// What it cost to bring all the goods in, such as freight and customs, in the currency of the
        /// business. It is divided among the goods by their cost.
        landed_cost: Option<NonNegative<Money>>,
    },
    /// Goods of an earlier receipt are taken back, because the receipt was wrong.
    Reversal {
        /// The earlier receipt.
        receipt: ReceiptId,
        /// The lines of the purchase order with the quantities. If empty, all that is left of the receipt.
        parts: Vec<Part<PurchaseOrderLineId>>,
    },
}

/// Goods that arrived.
#[derive(Debug, Clone)]
pub struct ArrivedPart {
    /// The line of the purchase order.
    pub line: LineName,
    /// The quantity that arrived, in sale units.
    pub quantity: Positive<Quantity>,
    /// The cost of one unit as invoiced, in the currency of the purchase order. `None`: that of the purchase
    /// order.
    pub unit_cost: Option<NonNegative<Money>>,
}

/// How a receipt names a line of its purchase order.
#[derive(Debug, Clone)]
pub enum LineName {
    /// By its id.
    Line(PurchaseOrderLineId),
    /// By its variant, which has only one line.
    Article(ArticleName),
}

/// A change of one line of the purchase order.
pub(super) struct Change {
    /// The position of the line.
    pub at: usize,
    /// Negative where goods are taken back.
    pub quantity: Quantity,
    /// The cost of one unit as invoiced, if it is not that of the purchase order.
    pub unit_cost: Option<Money>,
    /// The share of the landed cost in `cost`.
    pub landed_cost: StockValue,
    /// The cost of the goods, in the currency of the business, not negative.
    pub cost: StockValue,
    /// The line of the earlier receipt that is taken back.
    pub of: Option<ReceiptLineId>,
}

/// The changes of a receipt.
///
/// # Errors
/// [`ReceiptError`].
pub(super) async fn changes(
    tx: &TenantTx,
    order: &PurchaseOrder,
    content: &Content,
) -> Result<Vec<Change>, ReceiptError> {
    match content {
        Content::Goods { parts, landed_cost, .. } => {
            let mut changes = arrival_of(tx, order, parts).await?;
            if changes.iter().any(|change| change.cost > StockValue::MAX) {
                return Err(StockError::TooValuable.into());
            }
            if let Some(landed) = landed_cost {
                add_landed_cost(&mut changes, StockValue::of_money(landed.get()));
            }
            Ok(changes)
        }
        Content::Reversal { receipt, parts } => reversal_of(tx, order, *receipt, parts).await,
    }
}

/// The changes of goods that have arrived. Parts of one line with different costs stay apart.
async fn arrival_of(
    tx: &TenantTx,
    order: &PurchaseOrder,
    parts: &[ArrivedPart],
) -> Result<Vec<Change>, ReceiptError> {
    if !order.status.is_open() {
        return Err(ReceiptError::NotOpen(order.status));
    }
    let change = |Share { at, quantity }, unit_cost: Option<Money>| {
        let line = &order.lines[at];
        let cost =
            StockValue::of(quantity, unit_cost.unwrap_or(line.unit_cost)).converted(order.exchange_rate);
        Change { at, quantity, unit_cost, landed_cost: StockValue::ZERO, cost, of: None }
    };
    if parts.is_empty() {
        let open: Vec<_> = order.lines.iter().map(|line| (line.id, line.open())).collect();
        let shares = document::all_left(&open);
        if shares.is_empty() {
            return Err(ReceiptError::NothingOpen);
        }
        return Ok(shares.into_iter().map(|share| change(share, None)).collect());
    }
    let lines = lines_of(tx, order, parts).await?;
    let most: Vec<_> = order.lines.iter().map(|line| (line.id, line.receivable())).collect();
    let named = parts.iter().zip(&lines);
    document::merge(&most, named.map(|(part, id)| Part { line_id: *id, quantity: part.quantity }))?;
    let mut changes: Vec<Change> = Vec::new();
    let mut costs: Vec<(PurchaseOrderLineId, Option<Money>)> = Vec::new();
    for (part, id) in parts.iter().zip(&lines) {
        let at = |line: &PurchaseOrderLine| line.id == *id;
        let Some(at) = order.lines.iter().position(at) else { continue };
        let unit_cost =
            part.unit_cost.map(NonNegative::get).filter(|cost| *cost != order.lines[at].unit_cost);
        let quantity = part.quantity.get();
        match costs.iter().position(|known| *known == (*id, unit_cost)) {
            Some(known) => {
                let quantity = changes[known].quantity + quantity;
                changes[known] = change(Share { at, quantity }, unit_cost);
            }
            None => {
                costs.push((*id, unit_cost));
                changes.push(change(Share { at, quantity }, unit_cost));
            }
        }
    }
    Ok(changes)
}

/// The lines of the purchase order that parts name.
async fn lines_of(
    tx: &TenantTx,
    order: &PurchaseOrder,
    parts: &[ArrivedPart],
) -> Result<Vec<PurchaseOrderLineId>, ReceiptError> {
    let named = parts.iter().enumerate().filter_map(|(index, part)| match &part.line {
        LineName::Line(_) => None,
        LineName::Article(article) => Some((index, article)),
    });
    let (indices, names): (Vec<usize>, Vec<&ArticleName>) = named.unzip();
    let found = article::find(tx, names).await.map_err(|error| match error {
        ArticleError::UnknownSku { index, sku } => ArticleError::UnknownSku { index: indices[index], sku },
        ArticleError::UnknownBarcode { index, code } => {
            ArticleError::UnknownBarcode { index: indices[index], code }
        }
        ArticleError::Db(_) => error,
    })?;
    let mut variants = found.into_iter();
    let line = |(index, part): (usize, &ArrivedPart)| match &part.line {
        LineName::Line(id) => Ok(*id),
        LineName::Article(_) => {
            let variant = variants.next();
            let line = order.lines.iter().find(|line| Some(line.variant_id) == variant);
            Ok(line.ok_or(PartError::UnknownLine { index })?.id)
        }
    };
    parts.iter().enumerate().map(line).collect()
}

/// Divides the landed cost among goods by their cost, or by their quantity if they cost nothing. The shares
/// add up to the landed cost.
fn add_landed_cost(changes: &mut [Change], landed: StockValue) {
    let costs_nothing = changes.iter().all(|change| change.cost.is_zero());
    let weight = |change: &Change| match costs_nothing {
        true => change.quantity.as_decimal(),
        false => change.cost.as_decimal(),
    };
    let mut rest: Decimal = changes.iter().map(weight).sum();
    let mut left = landed;
    for change in changes {
        let weight = weight(change);
        let share = left.fraction(weight, rest);
        (rest, left) = (rest - weight, left - share);
        change.landed_cost = share;
        change.cost += share;
    }
}

/// The changes that take goods of an earlier receipt back.
async fn reversal_of(
    tx: &TenantTx,
    order: &PurchaseOrder,
    id: ReceiptId,
    parts: &[Part<PurchaseOrderLineId>],
) -> Result<Vec<Change>, ReceiptError> {
    if order.status == PurchaseStatus::ClosedShort {
        return Err(ReceiptError::NotOpen(order.status));
    }
    let receipts = of_order(tx, order.id).await?;
    let receipt = receipts.iter().find(|receipt| receipt.id == id && receipt.reverses.is_none());
    let receipt = receipt.ok_or(ReceiptError::UnknownReceipt)?;
    if receipt.is_reversed {
        return Err(ReceiptError::Reversed);
    }
    let mut wanted: Vec<(PurchaseOrderLineId, Quantity)> = Vec::new();
    for line in &receipt.lines {
        match wanted.iter_mut().find(|(id, _)| *id == line.line_id) {
            Some((_, left)) => *left += line.left(),
            None => wanted.push((line.line_id, line.left())),
        }
    }
    let shares = match parts {
        [] => document::all_left(&wanted),
        parts => document::merge(&wanted, parts.iter().copied())?,
    };
    let mut changes = Vec::new();
    for Share { at, quantity } in shares {
        let mut needed = quantity;
        let of_line =
            receipt.lines.iter().filter(|line| line.line_id == wanted[at].0 && line.left().is_positive());
        for line in of_line {
            let taken = needed.min(line.left());
            needed -= taken;
            changes.extend(taken.is_positive().then(|| taken_back(order, line, taken)).flatten());
        }
    }
    Ok(changes)
}

fn taken_back(order: &PurchaseOrder, line: &ReceiptLine, quantity: Quantity) -> Option<Change> {
    let at = order.lines.iter().position(|of| of.id == line.line_id)?;
    let cost = (line.value - line.reversed_value).part(quantity, line.left());
    let (unit_cost, landed_cost) = (line.unit_cost, StockValue::ZERO);
    Some(Change { at, quantity: -quantity, unit_cost, landed_cost, cost, of: Some(line.id) })
}
