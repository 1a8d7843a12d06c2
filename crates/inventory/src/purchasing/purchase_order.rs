//! Orders to suppliers: drafted, sent, confirmed, and received in parts. They change no stock; receipts do.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{DbError, TenantTx, both, outbox};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::business::settings::{self, Terms};
use crate::ids::{LocationId, PurchaseOrderId, PurchaseOrderLineId, SupplierId, VariantId};
use crate::purchasing::supplier;
use crate::records::audit::{self, Changes, Subject};
use crate::records::counter::{self, Counter, taken_number};
use crate::records::document;
use crate::stock::{self, location};
use values::Note;
use values::is_plain_day;
use values::{Money, Percent, Quantity};
use values::{Page, PageRequest, number_key};

/// An order to be drafted.
#[derive(Debug, Clone)]
pub struct NewPurchaseOrder {
    pub id: PurchaseOrderId,
    /// Whether the client chose the id, so that it may have been used before.
    pub has_chosen_id: bool,
    pub supplier_id: SupplierId,
    /// The default location unless named.
    pub location_id: Option<LocationId>,
    pub expected_on: Option<NaiveDate>,
    pub lines: Vec<NewLine>,
    pub note: Option<Note>,
    /// Tells a repetition from another order with the same id.
    pub request_hash: Vec<u8>,
}

/// A line of an order to be drafted.
#[derive(Debug, Clone)]
pub struct NewLine {
    pub variant_id: VariantId,
    pub quantity: Quantity,
    pub unit_cost: Money,
    /// What the supplier charges on top.
    pub tax_percent: Percent,
}

/// How far an order to a supplier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PurchaseStatus {
    Draft,
    Sent,
    Confirmed,
    /// All of it has come.
    Received,
    /// Nothing of it will come.
    Cancelled,
    /// Part of it has come, and no more will.
    ClosedShort,
}

impl PurchaseStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Sent => "SENT",
            Self::Confirmed => "CONFIRMED",
            Self::Received => "RECEIVED",
            Self::Cancelled => "CANCELLED",
            Self::ClosedShort => "CLOSED_SHORT",
        }
    }

    fn from_column(text: &str) -> Self {
        match text {
            "DRAFT" => Self::Draft,
            "SENT" => Self::Sent,
            "CONFIRMED" => Self::Confirmed,
            "RECEIVED" => Self::Received,
            "CANCELLED" => Self::Cancelled,
            // The CHECK of the column leaves only this one.
            _ => Self::ClosedShort,
        }
    }

    /// Whether goods may come.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Sent | Self::Confirmed)
    }

    /// Where somebody can bring an order of this status, of which something has come already or not. RECEIVED comes by
    /// itself with the last receipt.
    pub fn moves(self, has_received: bool) -> &'static [Self] {
        match (self, has_received) {
            (Self::Draft, _) => &[Self::Sent, Self::Cancelled],
            (Self::Sent, false) => &[Self::Confirmed, Self::Cancelled],
            (Self::Confirmed, false) => &[Self::Cancelled],
            (Self::Sent, true) => &[Self::Confirmed, Self::ClosedShort],
            (Self::Confirmed, true) => &[Self::ClosedShort],
            (Self::Received | Self::Cancelled | Self::ClosedShort, _) => &[],
        }
    }
}

/// How much of an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    None,
    Partial,
    Full,
}

/// A stored order to a supplier with its lines.
#[derive(Debug, Clone)]
pub struct PurchaseOrder {
    pub id: PurchaseOrderId,
    pub number: i64,
    pub supplier_id: SupplierId,
    pub location_id: LocationId,
    pub status: PurchaseStatus,
    pub expected_on: Option<NaiveDate>,
    /// Open, and expected on a day that is over where the business is.
    pub is_overdue: bool,
    pub note: Option<String>,
    pub tax: Money,
    /// With the tax in it.
    pub total: Money,
    pub created_by: Option<Uuid>,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub lines: Vec<PurchaseOrderLine>,
}

/// A line of a stored order.
#[derive(Debug, Clone)]
pub struct PurchaseOrderLine {
    pub id: PurchaseOrderLineId,
    pub variant_id: VariantId,
    /// As they were when the line was written.
    pub sku: String,
    pub name: String,
    pub quantity: Quantity,
    pub unit_cost: Money,
    pub tax_percent: Percent,
    pub tax: Money,
    /// With the tax in it.
    pub total: Money,
    pub received: Quantity,
    /// How much more than ordered may come.
    pub tolerance: Quantity,
}

impl PurchaseOrderLine {
    /// What is still to come of what was ordered.
    pub fn open(&self) -> Quantity {
        let open = self.quantity.as_decimal() - self.received.as_decimal();
        Quantity::from_decimal(open.max(Decimal::ZERO))
    }

    /// What may still come, tolerance included.
    pub(crate) fn receivable(&self) -> Quantity {
        let most = self.quantity.as_decimal() + self.tolerance.as_decimal();
        Quantity::from_decimal((most - self.received.as_decimal()).max(Decimal::ZERO))
    }
}

impl PurchaseOrder {
    pub fn receipt_state(&self) -> ReceiptState {
        let has_come = self.lines.iter().any(|line| !line.received.is_zero());
        let is_open = self.lines.iter().any(|line| !line.open().is_zero());
        match (has_come, is_open) {
            (false, _) => ReceiptState::None,
            (true, true) => ReceiptState::Partial,
            (true, false) => ReceiptState::Full,
        }
    }

    /// The levels of stock that its goods are for.
    fn stock_keys(&self) -> Vec<stock::Key> {
        self.lines.iter().map(|line| (line.variant_id.as_uuid(), self.location_id.as_uuid())).collect()
    }

    /// Where somebody can bring it from here.
    pub fn moves(&self) -> &'static [PurchaseStatus] {
        self.status.moves(self.receipt_state() != ReceiptState::None)
    }
}

/// What to change; `None` leaves a field as it is. Lines change in drafts only.
#[derive(Debug, Clone, Default)]
pub struct PurchaseOrderChange {
    pub expected_on: Option<Option<NaiveDate>>,
    pub note: Option<Option<Note>>,
    /// All lines that the order has from now on.
    pub lines: Option<Vec<NewLine>>,
    /// Change only this version of the row.
    pub if_version: Option<i32>,
}

/// Whether an order was drafted now or had been before.
#[derive(Debug)]
pub enum Outcome {
    Drafted(PurchaseOrder),
    /// The same order under the same client-chosen id: nothing was changed again.
    Repeated(PurchaseOrder),
}

/// An order to a supplier was not stored or changed.
#[derive(Debug, thiserror::Error)]
pub enum PurchaseError {
    #[error("there is no such order")]
    NotFound,
    #[error("the order has been changed by someone else meanwhile")]
    Stale,
    #[error("an order has 1 to {MAX_LINES} lines")]
    LineCount,
    #[error("a quantity is more than zero")]
    Quantity { index: usize },
    #[error("a cost cannot be negative")]
    Cost { index: usize },
    #[error("a tax is 0 to 100 percent")]
    Tax { index: usize },
    #[error("an order is expected on a day of the years 2000 to 9999")]
    Day,
    #[error("the variant is on the order already; put both quantities on one line")]
    Twice { index: usize },
    #[error("there is no such variant")]
    UnknownVariant { index: usize },
    #[error("there is no such supplier")]
    UnknownSupplier,
    #[error("there is no such location")]
    UnknownLocation,
    #[error("the order comes to more than can be counted")]
    TooMuch,
    #[error("an order that is {} cannot become {}", .from.as_str(), .to.as_str())]
    IllegalMove { from: PurchaseStatus, to: PurchaseStatus, legal: &'static [PurchaseStatus] },
    #[error("the lines of an order that is {} stay as they are", .0.as_str())]
    Frozen(PurchaseStatus),
    #[error("another order has the id {0} already")]
    IdTaken(Uuid),
    #[error("an order query failed")]
    Db(#[from] DbError),
}

/// An order has no more lines than this.
pub const MAX_LINES: usize = 500;

/// The largest amount that numeric(14, 4) holds, plus one step.
const LIMIT: Decimal = Decimal::from_parts(1_410_065_408, 2, 0, false, 0);

/// The largest quantity that numeric(14, 3) holds: 99,999,999,999.999.
const MOST_PIECES: Decimal = Decimal::from_parts(276_447_231, 23_283, 0, false, 3);

/// Drafts an order.
///
/// # Errors
/// [`PurchaseError`].
pub async fn draft(
    tx: &TenantTx,
    new: &NewPurchaseOrder,
    actor: Option<Uuid>,
) -> Result<Outcome, PurchaseError> {
    const REPEATED: &str = "SELECT request_hash FROM purchase_orders WHERE id = $1";
    const INSERT: &str = concat!(
        "INSERT INTO purchase_orders (id, number, supplier_id, location_id, status, expected_on, note, tax, total, request_hash,
                                      created_by, created_at, updated_at)
         SELECT $1, ",
        taken_number!("purchase_order"),
        ", $2, $3, 'DRAFT', $4, $5, $6, $7, $8, $9, $10, $10 RETURNING number"
    );
    check_day(new.expected_on)?;
    if new.has_chosen_id {
        document::claim(tx, new.id.as_uuid()).await?;
        if let Some(row) = tx.query_opt(REPEATED, &[&new.id.as_uuid()]).await? {
            let hash: &[u8] = row.try_get("request_hash").map_err(DbError::from)?;
            return match find(tx, new.id).await? {
                Some(order) if hash == new.request_hash => Ok(Outcome::Repeated(order)),
                _ => Err(PurchaseError::IdTaken(new.id.as_uuid())),
            };
        }
    }
    let parties = both(location::find_or_default(tx, new.location_id), supplier::find(tx, new.supplier_id));
    let terms = both(settings::terms(tx), settings::today_and_tolerance(tx));
    let ((place, supplier), (terms, (_, tolerance))) = both(parties, terms).await?;
    let location_id = place.ok_or(PurchaseError::UnknownLocation)?;
    if supplier.is_none_or(|supplier| supplier.is_archived) {
        return Err(PurchaseError::UnknownSupplier);
    }
    let lines = make_lines(tx, &new.lines, &terms, tolerance).await?;
    let (tax, total) = sums(&lines)?;
    let insert = async {
        let note = new.note.as_ref().map(Note::as_str);
        let (id, supplier, location) = (new.id.as_uuid(), new.supplier_id.as_uuid(), location_id.as_uuid());
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
            &id,
            &supplier,
            &location,
            &new.expected_on,
            &note,
            &tax,
            &total,
            &new.request_hash,
            &actor,
            &tx.now(),
        ];
        tx.query_one(INSERT, &parameters).await
    };
    // The number is taken in the last flight, and held no longer than that.
    let numbered = both(counter::take(tx, Counter::PurchaseOrder), insert);
    let created = json!({"status": {"to": "DRAFT"}, "total": {"to": total}});
    let rest = both(
        insert_lines(tx, new.id, &lines),
        audit::record(tx, actor, "purchase_order.created", subject(new.id), &created),
    );
    let (((), row), _) = both(numbered, rest).await?;
    Ok(Outcome::Drafted(PurchaseOrder {
        id: new.id,
        number: row.try_get("number").map_err(DbError::from)?,
        supplier_id: new.supplier_id,
        location_id,
        status: PurchaseStatus::Draft,
        expected_on: new.expected_on,
        is_overdue: false,
        note: new.note.as_ref().map(ToString::to_string),
        tax: Money::from_decimal(tax),
        total: Money::from_decimal(total),
        created_by: actor,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
        lines,
    }))
}

fn check_day(day: Option<NaiveDate>) -> Result<(), PurchaseError> {
    if day.is_none_or(is_plain_day) { Ok(()) } else { Err(PurchaseError::Day) }
}

pub(crate) fn subject(id: PurchaseOrderId) -> Subject {
    Subject { kind: "purchase_order", id: id.as_uuid() }
}

/// The tax and the total of an order of these lines.
fn sums(lines: &[PurchaseOrderLine]) -> Result<(Decimal, Decimal), PurchaseError> {
    let total: Decimal = lines.iter().map(|line| line.total.as_decimal()).sum();
    if total >= LIMIT {
        return Err(PurchaseError::TooMuch);
    }
    Ok((lines.iter().map(|line| line.tax.as_decimal()).sum(), total))
}

async fn make_lines(
    tx: &TenantTx,
    lines: &[NewLine],
    terms: &Terms,
    tolerance: Percent,
) -> Result<Vec<PurchaseOrderLine>, PurchaseError> {
    const BOUGHT: &str = "
        SELECT v.id, v.sku, p.name FROM variants v JOIN products p ON p.id = v.product_id WHERE v.id = ANY ($1)";
    if lines.is_empty() || lines.len() > MAX_LINES {
        return Err(PurchaseError::LineCount);
    }
    let ids: Vec<Uuid> = lines.iter().map(|line| line.variant_id.as_uuid()).collect();
    let mut known: HashMap<Uuid, (String, String)> = HashMap::new();
    for row in tx.query(BOUGHT, &[&ids]).await? {
        let get = DbError::from;
        let texts = (row.try_get("sku").map_err(get)?, row.try_get("name").map_err(get)?);
        known.insert(row.try_get("id").map_err(get)?, texts);
    }
    let mut made = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        if line.quantity.is_negative() || line.quantity.is_zero() {
            return Err(PurchaseError::Quantity { index });
        }
        if line.unit_cost.is_negative() {
            return Err(PurchaseError::Cost { index });
        }
        if !line.tax_percent.is_share() {
            return Err(PurchaseError::Tax { index });
        }
        // A second line of the same variant is gone already.
        let Some((sku, name)) = known.remove(&line.variant_id.as_uuid()) else {
            return Err(match ids[..index].contains(&line.variant_id.as_uuid()) {
                true => PurchaseError::Twice { index },
                false => PurchaseError::UnknownVariant { index },
            });
        };
        let quantity = line.quantity.as_decimal();
        let net = quantity.checked_mul(line.unit_cost.as_decimal()).filter(|net| *net < LIMIT);
        let net = terms.round(net.ok_or(PurchaseError::TooMuch)?);
        let tax = terms.round(net * line.tax_percent.as_decimal() / Decimal::ONE_HUNDRED);
        // No more than the column of what has come can hold.
        let more = (quantity * tolerance.as_decimal() / Decimal::ONE_HUNDRED).min(MOST_PIECES - quantity);
        made.push(PurchaseOrderLine {
            id: PurchaseOrderLineId::new(),
            variant_id: line.variant_id,
            sku,
            name,
            quantity: line.quantity,
            unit_cost: line.unit_cost,
            tax_percent: line.tax_percent,
            tax: Money::from_decimal(tax),
            total: Money::from_decimal(net + tax),
            received: Quantity::ZERO,
            tolerance: Quantity::from_decimal(more.round_dp_with_strategy(3, RoundingStrategy::ToZero)),
        });
    }
    Ok(made)
}

async fn insert_lines(
    tx: &TenantTx,
    order: PurchaseOrderId,
    lines: &[PurchaseOrderLine],
) -> Result<(), DbError> {
    const INSERT: &str = "
        INSERT INTO purchase_order_lines (id, purchase_order_id, position, variant_id, sku, name, quantity, unit_cost,
                                          tax_percent, tax, total, tolerance)
        SELECT id, $1, position, variant_id, sku, name, quantity, unit_cost, tax_percent, tax, total, tolerance
          FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::numeric[], $8::numeric[],
                      $9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[])
               AS new (id, position, variant_id, sku, name, quantity, unit_cost, tax_percent, tax, total, tolerance)";
    fn column<'a, T>(lines: &'a [PurchaseOrderLine], value: impl Fn(&'a PurchaseOrderLine) -> T) -> Vec<T> {
        lines.iter().map(value).collect()
    }
    let positions: Vec<i16> = (1..).take(lines.len()).collect();
    tx.execute(
        INSERT,
        &[
            &order.as_uuid(),
            &column(lines, |line| line.id.as_uuid()),
            &positions,
            &column(lines, |line| line.variant_id.as_uuid()),
            &column(lines, |line| line.sku.as_str()),
            &column(lines, |line| line.name.as_str()),
            &column(lines, |line| line.quantity.as_decimal()),
            &column(lines, |line| line.unit_cost.as_decimal()),
            &column(lines, |line| line.tax_percent.as_decimal()),
            &column(lines, |line| line.tax.as_decimal()),
            &column(lines, |line| line.total.as_decimal()),
            &column(lines, |line| line.tolerance.as_decimal()),
        ],
    )
    .await
    .map(drop)
}

/// Changes an order: its date and note while it is open, its lines while it is a draft.
///
/// # Errors
/// [`PurchaseError`].
pub async fn update(
    tx: &TenantTx,
    id: PurchaseOrderId,
    change: &PurchaseOrderChange,
    actor: Option<Uuid>,
) -> Result<PurchaseOrder, PurchaseError> {
    const UPDATE: &str = "
        UPDATE purchase_orders
           SET expected_on = $2, note = $3, tax = $4, total = $5, version = version + 1, updated_at = $6
         WHERE id = $1";
    const DELETE_LINES: &str = "DELETE FROM purchase_order_lines WHERE purchase_order_id = $1";
    let stored = lock(tx, id).await?.ok_or(PurchaseError::NotFound)?;
    if change.if_version.is_some_and(|wanted| wanted != stored.version) {
        return Err(PurchaseError::Stale);
    }
    let may_change = match change.lines {
        Some(_) => stored.status == PurchaseStatus::Draft,
        None => stored.status == PurchaseStatus::Draft || stored.status.is_open(),
    };
    if !may_change {
        return Err(PurchaseError::Frozen(stored.status));
    }
    let expected_on = change.expected_on.unwrap_or(stored.expected_on);
    check_day(change.expected_on.flatten())?;
    let note = match &change.note {
        Some(note) => note.as_ref().map(ToString::to_string),
        None => stored.note.clone(),
    };
    let mut changes = Changes::default();
    changes.note("expectedOn", stored.expected_on, expected_on);
    changes.note("note", &stored.note, &note);
    let (mut tax, mut total) = (stored.tax.as_decimal(), stored.total.as_decimal());
    if let Some(lines) = &change.lines {
        let (terms, (_, tolerance)) = both(settings::terms(tx), settings::today_and_tolerance(tx)).await?;
        let lines = make_lines(tx, lines, &terms, tolerance).await?;
        (tax, total) = sums(&lines)?;
        let told = |lines: &[PurchaseOrderLine]| -> Vec<_> {
            lines
                .iter()
                .map(|line| {
                    json!([
                        line.sku,
                        line.quantity,
                        line.unit_cost.as_decimal().normalize(),
                        line.tax_percent,
                        line.total.as_decimal().normalize(),
                        line.tolerance,
                    ])
                })
                .collect()
        };
        let (from, to) = (told(&stored.lines), told(&lines));
        if from != to {
            changes.note("lines", from, to);
            tx.execute(DELETE_LINES, &[&id.as_uuid()]).await?;
            insert_lines(tx, id, &lines).await?;
        }
    }
    if changes.is_empty() {
        return find(tx, id).await?.ok_or(PurchaseError::NotFound);
    }
    tx.execute(UPDATE, &[&id.as_uuid(), &expected_on, &note, &tax, &total, &tx.now()]).await?;
    audit::record(tx, actor, "purchase_order.changed", subject(id), &changes.into_value()).await?;
    if stored.status.is_open() && expected_on != stored.expected_on {
        stock::reconsider(tx, &stored.stock_keys()).await?;
    }
    find(tx, id).await?.ok_or(PurchaseError::NotFound)
}

/// Brings an order to another status: sent, confirmed, cancelled, closed short.
///
/// # Errors
/// [`PurchaseError::IllegalMove`] with the moves that are legal.
pub async fn bring_to(
    tx: &TenantTx,
    id: PurchaseOrderId,
    to: PurchaseStatus,
    actor: Option<Uuid>,
) -> Result<PurchaseOrder, PurchaseError> {
    let stored = lock(tx, id).await?.ok_or(PurchaseError::NotFound)?;
    let (from, legal) = (stored.status, stored.moves());
    if !legal.contains(&to) {
        return Err(PurchaseError::IllegalMove { from, to, legal });
    }
    set_status(tx, id, "purchase_order.moved", from, to, actor).await?;
    if from.is_open() != to.is_open() {
        stock::reconsider(tx, &stored.stock_keys()).await?;
    }
    find(tx, id).await?.ok_or(PurchaseError::NotFound)
}

/// Writes a status with its log entry and what is to be told of it.
pub(crate) async fn set_status(
    tx: &TenantTx,
    id: PurchaseOrderId,
    action: &'static str,
    from: PurchaseStatus,
    to: PurchaseStatus,
    actor: Option<Uuid>,
) -> Result<(), DbError> {
    const SET: &str = "
        UPDATE purchase_orders SET status = $2, version = version + 1, updated_at = $3 WHERE id = $1";
    let set = async { tx.execute(SET, &[&id.as_uuid(), &to.as_str(), &tx.now()]).await };
    let changes = json!({"status": {"from": from, "to": to}});
    let told = json!({"purchaseOrderId": id, "status": to});
    let tell =
        both(audit::record(tx, actor, action, subject(id), &changes), outbox::write(tx, action, &told));
    both(set, tell).await.map(drop)
}

macro_rules! purchase_orders_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, number, supplier_id, location_id, status, expected_on, note, tax, total, created_by, version,
                    created_at, updated_at
               FROM purchase_orders WHERE ",
            $condition
        )
    };
}

const LINES: &str = "
    SELECT id, purchase_order_id, variant_id, sku, name, quantity, unit_cost, tax_percent, tax, total, received, tolerance
      FROM purchase_order_lines
     WHERE purchase_order_id = ANY ($1)
     ORDER BY purchase_order_id, position";

impl PurchaseOrder {
    fn from_row(row: &Row, today: NaiveDate) -> Result<Self, DbError> {
        let status = PurchaseStatus::from_column(row.try_get("status")?);
        let expected_on: Option<NaiveDate> = row.try_get("expected_on")?;
        Ok(Self {
            id: PurchaseOrderId::from_uuid(row.try_get("id")?),
            number: row.try_get("number")?,
            supplier_id: SupplierId::from_uuid(row.try_get("supplier_id")?),
            location_id: LocationId::from_uuid(row.try_get("location_id")?),
            status,
            is_overdue: status.is_open() && expected_on.is_some_and(|day| day < today),
            expected_on,
            note: row.try_get("note")?,
            tax: Money::from_decimal(row.try_get("tax")?),
            total: Money::from_decimal(row.try_get("total")?),
            created_by: row.try_get("created_by")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            lines: Vec::new(),
        })
    }
}

/// Reads orders with their lines: two queries, whatever their number.
async fn with_lines(tx: &TenantTx, rows: &[Row]) -> Result<Vec<PurchaseOrder>, DbError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
    let lines = async { tx.query(LINES, &[&ids]).await };
    let (lines, (today, _)) = both(lines, settings::today_and_tolerance(tx)).await?;
    let mut of: HashMap<Uuid, Vec<PurchaseOrderLine>> = HashMap::new();
    for row in &lines {
        of.entry(row.try_get("purchase_order_id")?).or_default().push(PurchaseOrderLine {
            id: PurchaseOrderLineId::from_uuid(row.try_get("id")?),
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            quantity: Quantity::from_decimal(row.try_get("quantity")?),
            unit_cost: Money::from_decimal(row.try_get("unit_cost")?),
            tax_percent: Percent::from_decimal(row.try_get("tax_percent")?),
            tax: Money::from_decimal(row.try_get("tax")?),
            total: Money::from_decimal(row.try_get("total")?),
            received: Quantity::from_decimal(row.try_get("received")?),
            tolerance: Quantity::from_decimal(row.try_get("tolerance")?),
        });
    }
    rows.iter()
        .map(|row| {
            let order = PurchaseOrder::from_row(row, today)?;
            let lines = of.remove(&order.id.as_uuid()).unwrap_or_default();
            Ok(PurchaseOrder { lines, ..order })
        })
        .collect()
}

/// The order with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: PurchaseOrderId) -> Result<Option<PurchaseOrder>, DbError> {
    const FIND: &str = purchase_orders_where!("id = $1");
    Ok(with_lines(tx, &tx.query(FIND, &[&id.as_uuid()]).await?).await?.pop())
}

/// The same, with its row locked until the transaction ends; its lines are read under the lock.
pub(crate) async fn lock(tx: &TenantTx, id: PurchaseOrderId) -> Result<Option<PurchaseOrder>, DbError> {
    const LOCK: &str = purchase_orders_where!("id = $1 FOR NO KEY UPDATE");
    Ok(with_lines(tx, &tx.query(LOCK, &[&id.as_uuid()]).await?).await?.pop())
}

/// A page of orders with their lines, the latest first; with `status`, of those alone.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    status: Option<PurchaseStatus>,
    supplier: Option<SupplierId>,
    page: &PageRequest<1>,
) -> Result<Page<PurchaseOrder, 1>, DbError> {
    const ALL: &str = purchase_orders_where!("number < $1 ORDER BY number DESC LIMIT $2");
    const OF_STATUS: &str =
        purchase_orders_where!("number < $1 AND status = $3 ORDER BY number DESC LIMIT $2");
    const OF_SUPPLIER: &str = purchase_orders_where!(
        "number < $1 AND supplier_id = $3 AND ($4::text IS NULL OR status = $4) ORDER BY number DESC LIMIT $2"
    );
    let (before, limit) = (page.before_number(0), page.limit.and_one());
    let status = status.map(PurchaseStatus::as_str);
    let rows = match (supplier, status) {
        (Some(supplier), status) => {
            tx.query(OF_SUPPLIER, &[&before, &limit, &supplier.as_uuid(), &status]).await?
        }
        (None, Some(status)) => tx.query(OF_STATUS, &[&before, &limit, &status]).await?,
        (None, None) => tx.query(ALL, &[&before, &limit]).await?,
    };
    Ok(page.page(with_lines(tx, &rows).await?, |order| [number_key(order.number)]))
}
