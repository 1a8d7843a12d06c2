//! Purchase orders: drafted, sent, confirmed, and received in parts. A purchase order changes no stock; its
//! receipts do.

use chrono::{DateTime, NaiveDate, Utc};
use const_format::concatcp;
use serde_json::{Value, json};
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Currency, ExchangeRate, IfVersion, Money, Note, Positive, QuantityDecimals};

use crate::business::settings;
use crate::ids::{LocationId, PurchaseOrderId, SupplierId};
pub use crate::purchasing::purchase_order_line::{MAX_LINES, NewLine, PurchaseOrderLine};
use crate::purchasing::purchase_order_line::{insert_lines, make_lines, sums};
use crate::purchasing::purchase_order_list::{find, lock};
pub use crate::purchasing::purchase_order_moves::move_to;
use crate::purchasing::supplier;
use crate::records::audit::{self, Action, Subject};
use crate::records::counter::{self, Counter};
use crate::records::document::{self, IdTaken, Outcome, Requested};
use crate::records::edit::{Edit, Stale};
use crate::records::own_keys::{self, OwnKeys, OwnKeysChange, OwnKeysError};
pub use crate::statuses::PurchaseStatus;
use crate::stock::article::ArticleError;
use crate::stock::level::Key;
use crate::stock::{alert_review, location};

/// A purchase order to be drafted.
#[derive(Debug, Clone)]
pub struct NewPurchaseOrder {
    /// The id of the new purchase order, and the fingerprint that shows whether the request is repeated.
    pub request: Requested<PurchaseOrderId>,
    /// The supplier; it must not be archived.
    pub supplier_id: SupplierId,
    /// Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// The day on which the goods are expected; `None` if no day is known.
    pub expected_on: Option<NaiveDate>,
    /// The currency of all amounts. Defaults to the currency of the business.
    pub currency: Option<Currency>,
    /// The price of one unit of `currency` in the currency of the business; `None` if they are the same.
    pub exchange_rate: Option<Positive<ExchangeRate>>,
    /// 1 to [`MAX_LINES`] lines, all for different variants.
    pub lines: Vec<NewLine>,
    /// A note on the purchase order; `None` for no note.
    pub note: Option<Note>,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
}

values::words! {
    /// How much of a purchase order has been received.
    pub enum ReceiptState {
        /// No goods have been received.
        None = "none",
        /// Some goods have been received, and at least one line is still open.
        Partial = "partial",
        /// The ordered quantity of every line has been received.
        Full = "full",
    }
}

/// A stored purchase order with its lines.
#[derive(Debug, Clone)]
pub struct PurchaseOrder {
    /// The id of the purchase order.
    pub id: PurchaseOrderId,
    /// Counts up from 1 without a gap, for each business.
    pub number: i64,
    /// The supplier of the goods. It never changes.
    pub supplier_id: SupplierId,
    /// The location that receives the goods. It never changes.
    pub location_id: LocationId,
    /// Changes on request, or when goods are received or a receipt is reversed.
    pub status: PurchaseStatus,
    /// The day on which the goods are expected; `None` if no day is known.
    pub expected_on: Option<NaiveDate>,
    /// Whether the purchase order is open, and its expected day has passed in the time zone of the business.
    pub is_overdue: bool,
    /// A note on the purchase order; `None` for no note.
    pub note: Option<Note>,
    /// The key and the notes of a program elsewhere.
    pub own_keys: OwnKeys,
    /// The currency of all amounts. It never changes.
    pub currency: Currency,
    /// The price of one unit of `currency` in the currency of the business, for goods that are received from
    /// now on.
    pub exchange_rate: ExchangeRate,
    /// The sum of the taxes of the lines.
    pub tax: Money,
    /// The sum of the totals of the lines, tax included.
    pub total: Money,
    /// The user or program that drafted the purchase order, or the system.
    pub created_by: ActorId,
    /// Counts the changes of the row; clients see it in the ETag.
    pub version: i32,
    /// When the row was stored.
    pub created_at: DateTime<Utc>,
    /// When the row last changed; at first the same as `created_at`.
    pub updated_at: DateTime<Utc>,
    /// The lines in the order of the request.
    pub lines: Vec<PurchaseOrderLine>,
}

impl PurchaseOrder {
    /// How much has been received, computed from the received quantities of the lines.
    pub fn receipt_state(&self) -> ReceiptState {
        let has_received = self.lines.iter().any(|line| !line.received.is_zero());
        let is_open = self.lines.iter().any(|line| !line.open().is_zero());
        match (has_received, is_open) {
            (false, _) => ReceiptState::None,
            (true, true) => ReceiptState::Partial,
            (true, false) => ReceiptState::Full,
        }
    }

    /// The stock levels that its goods are for.
    pub(super) fn stock_keys(&self) -> Vec<Key> {
        self.lines.iter().map(|line| (line.variant_id, self.location_id)).collect()
    }

    /// The statuses to which a member may move the purchase order now.
    pub fn moves(&self) -> &'static [PurchaseStatus] {
        self.status.moves(self.receipt_state() != ReceiptState::None)
    }
}

/// What to change; `None` leaves a field as it is. Lines change in drafts only.
#[derive(Debug, Clone, Default)]
pub struct PurchaseOrderChange {
    /// The new expected day; `Some(None)` removes it.
    pub expected_on: Option<Option<NaiveDate>>,
    /// The new note; `Some(None)` removes it.
    pub note: Option<Option<Note>>,
    /// Changes of the key and the notes of a program elsewhere.
    pub own_keys: OwnKeysChange,
    /// The new exchange rate.
    pub exchange_rate: Option<Positive<ExchangeRate>>,
    /// All lines that the purchase order has from now on.
    pub lines: Option<Vec<NewLine>>,
    /// Change the row only if it has this version.
    pub if_version: IfVersion,
}

/// A purchase order was not stored or changed. `index` is the line's position in the request.
#[derive(Debug, thiserror::Error)]
pub enum PurchaseError {
    /// The business has no purchase order with this id.
    #[error("there is no such purchase order")]
    NotFound,
    /// The row no longer has the version that the change expects.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// There are no lines, or more than [`MAX_LINES`].
    #[error("a purchase order must have 1 to {MAX_LINES} lines")]
    LineCount,
    /// The tax of a line is out of range.
    #[error("the tax must be from 0 to 100 percent")]
    Tax {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// Two lines are for the same variant.
    #[error("the variant is already on another line; send one line with the sum of the quantities")]
    Twice {
        /// The position of the second of the two lines in the request, from 0.
        index: usize,
    },
    /// The business has no variant with the id in a line.
    #[error("there is no such variant")]
    UnknownVariant {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// A line names a SKU or a barcode that no variant has.
    #[error(transparent)]
    Article(#[from] ArticleError),
    /// A line orders an archived variant, or a variant of an archived product.
    #[error("the variant or its product is archived; restore it, or remove the line")]
    ArchivedVariant {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// A line names a service, a fee or a bundle.
    #[error("services, fees and bundles have no stock; remove the line")]
    NotStocked {
        /// The position of the line in the request, from 0.
        index: usize,
    },
    /// The supplier does not exist or is archived.
    #[error("there is no such supplier")]
    UnknownSupplier,
    /// The location does not exist or is archived.
    #[error("there is no such location")]
    UnknownLocation,
    /// The quantity of a line has more decimals than the product.
    #[error("the quantity has too many decimals; the product is sold {decimals}")]
    QuantityTooFine {
        /// The position of the line in the request, from 0.
        index: usize,
        /// The number of decimals of the product's quantities.
        decimals: QuantityDecimals,
    },
    /// A line or the purchase order exceeds the largest amount of money.
    #[error("the total exceeds the largest amount, 9999999999.9999; split the purchase order")]
    TooMuch,
    /// The purchase order cannot move to the status from the status that it has.
    #[error("the status of a purchase order cannot change from {from} to {to}")]
    IllegalMove {
        /// The status that the purchase order has.
        from: PurchaseStatus,
        /// The status that was requested.
        to: PurchaseStatus,
        /// The statuses that may be requested instead; empty if there are none.
        legal: &'static [PurchaseStatus],
    },
    /// The currency is not that of the business, and the exchange rate is missing.
    #[error("the exchange rate is required: the price of one {currency} in {business}")]
    RateMissing {
        /// The currency of the purchase order.
        currency: Currency,
        /// The currency of the business.
        business: Currency,
    },
    /// The currency is that of the business, and the exchange rate is another than 1.
    #[error(
        "the exchange rate of {0} is 1, because it is the currency of the business; leave exchangeRate out"
    )]
    RateNotOne(Currency),
    /// The lines change, and the purchase order is no draft.
    #[error("the lines cannot be changed, because the status of the purchase order is {0}")]
    Frozen(PurchaseStatus),
    /// The purchase order is neither a draft nor open.
    #[error("the purchase order cannot be changed, because its status is {0}")]
    Closed(PurchaseStatus),
    /// Another request has drafted a purchase order with the id that the client chose.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// The key or the notes of a program elsewhere are refused.
    #[error(transparent)]
    OwnKeys(#[from] OwnKeysError),
    /// A query failed, for a reason that no other variant describes.
    #[error("a purchase order query failed")]
    Db(#[from] DbError),
}

/// Stores a purchase order as a draft. A repeated request gets the purchase order as it is now.
///
/// # Errors
/// [`PurchaseError`].
pub async fn draft(
    tx: &TenantTx,
    new: &NewPurchaseOrder,
    actor: ActorId,
) -> Result<Outcome<PurchaseOrder>, PurchaseError> {
    document::once(tx, &new.request, find_repeated(tx, &new.request), draft_new(tx, new, actor)).await
}

pub(super) async fn find_repeated(
    tx: &TenantTx,
    request: &Requested<PurchaseOrderId>,
) -> Result<Option<PurchaseOrder>, PurchaseError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM purchase_orders WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<PurchaseError>(tx, request.id, IS_SAME, params).await? {
        Ok(find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

async fn draft_new(
    tx: &TenantTx,
    new: &NewPurchaseOrder,
    actor: ActorId,
) -> Result<PurchaseOrder, PurchaseError> {
    let (location, has_supplier, terms, tolerance) = all((
        location::lock_or_default(tx, new.location_id),
        supplier::lock_in_use(tx, new.supplier_id),
        settings::terms(tx),
        settings::over_receipt(tx),
    ))
    .await?;
    let location_id = location.ok_or(PurchaseError::UnknownLocation)?;
    if !has_supplier {
        return Err(PurchaseError::UnknownSupplier);
    }
    let id = new.request.id;
    let currency = currency_of(new.currency.clone(), &terms.currency);
    let exchange_rate = check_rate(&currency, &terms.currency, new.exchange_rate)?;
    let lines = make_lines(tx, id, &new.lines, (terms.rounding, &currency), tolerance).await?;
    let (tax, total) = sums(&lines)?;
    let created = json!({"status": {"to": PurchaseStatus::Draft}, "total": {"to": total.plain()}});
    // The number is taken in the last flight, and held no longer than that.
    let (number, (), ()) = all((
        insert(tx, new, location_id, (&currency, exchange_rate), (tax, total), actor),
        insert_lines(tx, id, &lines),
        audit::record(tx, actor, Action::PurchaseOrderCreated, Subject::PurchaseOrder(id), &created),
    ))
    .await
    .map_err(own_keys::on_write::<PurchaseError>)?;
    Ok(PurchaseOrder {
        id,
        number,
        supplier_id: new.supplier_id,
        location_id,
        status: PurchaseStatus::Draft,
        expected_on: new.expected_on,
        is_overdue: false,
        note: new.note.clone(),
        own_keys: new.own_keys.clone(),
        currency,
        exchange_rate,
        tax,
        total,
        created_by: actor,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
        lines,
    })
}

async fn insert(
    tx: &TenantTx,
    new: &NewPurchaseOrder,
    location_id: LocationId,
    (currency, exchange_rate): (&Currency, ExchangeRate),
    (tax, total): (Money, Money),
    actor: ActorId,
) -> Result<i64, DbError> {
    const INSERT: &str = concatcp!(
        "INSERT INTO purchase_orders (id, number, supplier_id, location_id, status, expected_on, note,
                                      currency, exchange_rate, tax, total, request_hash, created_by,
                                      created_at, updated_at, own_keys)
         SELECT $2, ",
        counter::TAKEN,
        ", $3, $4, 'DRAFT', $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14 RETURNING number"
    );
    let params: tenancy::Params<'_> = &[
        &Counter::PurchaseOrder,
        &new.request.id,
        &new.supplier_id,
        &location_id,
        &new.expected_on,
        &new.note,
        &currency.code(),
        &exchange_rate,
        &tax,
        &total,
        &new.request.fingerprint,
        &actor,
        &tx.now(),
        &new.own_keys,
    ];
    counter::insert_numbered(tx, Counter::PurchaseOrder, INSERT, params).await
}

/// The currency of a purchase order. The business keeps the decimals of its own currency, whatever ISO 4217
/// says later.
pub(super) fn currency_of(given: Option<Currency>, business: &Currency) -> Currency {
    given.filter(|given| given.code() != business.code()).unwrap_or_else(|| business.clone())
}

/// The rate of a purchase order in `currency` of a business with the currency `business`.
fn check_rate(
    currency: &Currency,
    business: &Currency,
    rate: Option<Positive<ExchangeRate>>,
) -> Result<ExchangeRate, PurchaseError> {
    let rate = rate.map(Positive::get);
    match rate {
        Some(rate) if currency == business && rate != ExchangeRate::ONE => {
            Err(PurchaseError::RateNotOne(currency.clone()))
        }
        None if currency != business => {
            Err(PurchaseError::RateMissing { currency: currency.clone(), business: business.clone() })
        }
        rate => Ok(rate.unwrap_or(ExchangeRate::ONE)),
    }
}

/// Changes a purchase order, with the row locked: its lines while it is a draft, and its expected day, note
/// and exchange rate while it is a draft or open. The key and the notes of a program elsewhere may change at
/// any time. A change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`PurchaseError`].
pub async fn update(
    tx: &TenantTx,
    id: PurchaseOrderId,
    change: &PurchaseOrderChange,
    actor: ActorId,
) -> Result<PurchaseOrder, PurchaseError> {
    const UPDATE: &str = "
        UPDATE purchase_orders
           SET expected_on = $2, note = $3, tax = $4, total = $5, exchange_rate = $6, version = version + 1,
               updated_at = $7, own_keys = $8
         WHERE id = $1";
    let stored = lock(tx, id).await?.ok_or(PurchaseError::NotFound)?;
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    let is_draft = stored.status == PurchaseStatus::Draft;
    if !is_draft && change.lines.is_some() {
        return Err(PurchaseError::Frozen(stored.status));
    }
    let has_content = change.expected_on.is_some() || change.note.is_some() || change.exchange_rate.is_some();
    if !is_draft && !stored.status.is_open() && has_content {
        return Err(PurchaseError::Closed(stored.status));
    }
    let rate = match change.exchange_rate {
        None => None,
        rate => Some(check_rate(&stored.currency, &settings::currency(tx).await?, rate)?),
    };
    let rate = *edit.field("exchangeRate", &stored.exchange_rate, rate.as_ref());
    let expected_on = edit.field("expectedOn", &stored.expected_on, change.expected_on.as_ref());
    let note = edit.field("note", &stored.note, change.note.as_ref());
    let own_keys = stored.own_keys.edited(&mut edit, &change.own_keys)?;
    let (tax, total) = match &change.lines {
        Some(lines) => replace_lines(tx, &stored, lines, &mut edit).await?,
        None => (stored.tax, stored.total),
    };
    if !edit.is_empty() {
        let params: tenancy::Params<'_> =
            &[&id, expected_on, note, &tax, &total, &rate, &tx.now(), &own_keys];
        tx.execute(UPDATE, params).await.map_err(own_keys::on_write::<PurchaseError>)?;
        edit.record(Action::PurchaseOrderChanged, Subject::PurchaseOrder(id)).await?;
        if stored.status.is_open() && *expected_on != stored.expected_on {
            alert_review::reconsider(tx, &stored.stock_keys()).await?;
        }
    }
    find(tx, id).await?.ok_or(PurchaseError::NotFound)
}

/// Gives a draft other lines; returns its new tax and total.
async fn replace_lines(
    tx: &TenantTx,
    stored: &PurchaseOrder,
    lines: &[NewLine],
    edit: &mut Edit<'_>,
) -> Result<(Money, Money), PurchaseError> {
    const DELETE: &str = "DELETE FROM purchase_order_lines WHERE purchase_order_id = $1";
    let (terms, tolerance) = all((settings::terms(tx), settings::over_receipt(tx))).await?;
    let money = (terms.rounding, &stored.currency);
    let lines = make_lines(tx, stored.id, lines, money, tolerance).await?;
    let sums = sums(&lines)?;
    let shown = |lines: &[PurchaseOrderLine]| -> Vec<Value> {
        let line = |line: &PurchaseOrderLine| {
            let (cost, total) = (line.unit_cost.plain(), line.total.plain());
            json!([line.sku, line.quantity, cost, line.tax_percent, total, line.tolerance])
        };
        lines.iter().map(line).collect()
    };
    let (from, to) = (shown(&stored.lines), shown(&lines));
    if from != to {
        edit.note("lines", from, to);
        tx.execute(DELETE, &[&stored.id]).await?;
        insert_lines(tx, stored.id, &lines).await?;
    }
    Ok(sums)
}
