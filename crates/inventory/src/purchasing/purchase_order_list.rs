//! Reading purchase orders with their lines: one, or a page of a list.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use const_format::concatcp;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Currency, ExchangeRate, Money, Note, Page, PageRequest};

use crate::business::settings;
use crate::ids::{LocationId, PurchaseOrderId, SupplierId};
use crate::purchasing::purchase_order::{PurchaseOrder, PurchaseOrderLine, currency_of};
use crate::records::changes::{ByChange, Changed, by_change};
use crate::records::named::{ByName, Named, by_name};
use crate::records::own_keys::OwnKeys;
use crate::statuses::PurchaseStatus;

struct OrderRow {
    id: PurchaseOrderId,
    number: i64,
    supplier_id: SupplierId,
    location_id: LocationId,
    status: PurchaseStatus,
    expected_on: Option<NaiveDate>,
    note: Option<Note>,
    own_keys: OwnKeys,
    currency: String,
    exchange_rate: ExchangeRate,
    tax: Money,
    total: Money,
    created_by: ActorId,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

tenancy::from_row!(OrderRow {
    id,
    number,
    supplier_id,
    location_id,
    status,
    expected_on,
    note,
    own_keys,
    currency,
    exchange_rate,
    tax,
    total,
    created_by,
    version,
    created_at,
    updated_at,
});

impl OrderRow {
    fn with(self, lines: Vec<PurchaseOrderLine>, today: NaiveDate, business: &Currency) -> PurchaseOrder {
        PurchaseOrder {
            currency: currency_of(Currency::parse(&self.currency).ok(), business),
            exchange_rate: self.exchange_rate,
            id: self.id,
            number: self.number,
            supplier_id: self.supplier_id,
            location_id: self.location_id,
            status: self.status,
            is_overdue: self.status.is_open() && self.expected_on.is_some_and(|day| day < today),
            expected_on: self.expected_on,
            note: self.note,
            own_keys: self.own_keys,
            tax: self.tax,
            total: self.total,
            created_by: self.created_by,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            lines,
        }
    }
}

const SELECT: &str = "
    SELECT id, number, supplier_id, location_id, status, expected_on, note, own_keys, currency,
           exchange_rate, tax, total, created_by, version, created_at, updated_at
      FROM purchase_orders ";

/// Gives purchase orders their lines: two queries, whatever their number.
async fn with_lines(tx: &TenantTx, rows: Vec<OrderRow>) -> Result<Vec<PurchaseOrder>, DbError> {
    const LINES: &str = "
        SELECT id, purchase_order_id, variant_id, sku, name, quantity, unit_cost, tax_percent, tax, total,
               received, tolerance
          FROM purchase_order_lines
         WHERE purchase_order_id = ANY ($1)
         ORDER BY purchase_order_id, position";
    let ids: Vec<PurchaseOrderId> = rows.iter().map(|row| row.id).collect();
    let lines = async { tx.rows::<PurchaseOrderLine>(LINES, &[&ids]).await };
    let (lines, today, business) = all((lines, settings::today(tx), settings::currency(tx))).await?;
    let mut lines_of: HashMap<PurchaseOrderId, Vec<PurchaseOrderLine>> = HashMap::new();
    for line in lines {
        lines_of.entry(line.purchase_order_id).or_default().push(line);
    }
    let with_lines = |row: OrderRow| {
        let lines = lines_of.remove(&row.id).unwrap_or_default();
        row.with(lines, today, &business)
    };
    Ok(rows.into_iter().map(with_lines).collect())
}

/// The purchase order with this id and its lines.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: PurchaseOrderId) -> Result<Option<PurchaseOrder>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    Ok(with_lines(tx, tx.rows(FIND, &[&id]).await?).await?.pop())
}

/// As [`find`], with the row locked until the transaction ends. The lines are read under the lock.
pub(crate) async fn lock(tx: &TenantTx, id: PurchaseOrderId) -> Result<Option<PurchaseOrder>, DbError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    Ok(with_lines(tx, tx.rows(LOCK, &[&id]).await?).await?.pop())
}

/// Which purchase orders a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct PurchaseOrderFilter {
    /// Only purchase orders with this status; `None` for any status.
    pub status: Option<PurchaseStatus>,
    /// Only purchase orders with this supplier; `None` for any supplier.
    pub supplier_id: Option<SupplierId>,
}

/// The named purchase orders with their lines, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn named(tx: &TenantTx, named: &Named) -> Result<Vec<PurchaseOrder>, DbError> {
    const NAMED: ByName = by_name!(concatcp!(SELECT, "WHERE "), "id", "own_keys", "");
    with_lines(tx, NAMED.rows(tx, named).await?).await
}

/// A page of the purchase orders that changed, archived or not, in the order of their changes.
///
/// # Errors
/// [`DbError`].
pub async fn changed(tx: &TenantTx, changed: &Changed) -> Result<Page<PurchaseOrder>, DbError> {
    const CHANGED: ByChange = by_change!(concatcp!(SELECT, "WHERE "), "updated_at", "id", "");
    let found = with_lines(tx, CHANGED.rows(tx, changed).await?).await?;
    Ok(changed.page.page(found, |record: &PurchaseOrder| (record.updated_at, record.id.into())))
}

/// A page of purchase orders with their lines, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &PurchaseOrderFilter,
    page: &PageRequest<i64>,
) -> Result<Page<PurchaseOrder>, DbError> {
    const ORDER: &str = " ORDER BY number DESC LIMIT $2";
    // One text for each filter, because a prepared statement has one plan.
    const ALL: &str = concatcp!(SELECT, "WHERE number < $1", ORDER);
    const OF_STATUS: &str = concatcp!(SELECT, "WHERE number < $1 AND status = $3", ORDER);
    const OF_SUPPLIER: &str = concatcp!(
        SELECT,
        "WHERE number < $1 AND supplier_id = $3 AND ($4::text IS NULL OR status = $4)",
        ORDER
    );
    let (below, limit) = (page.below(), page.limit.and_one());
    let rows = match (filter.supplier_id, filter.status) {
        (Some(supplier), status) => tx.rows(OF_SUPPLIER, &[&below, &limit, &supplier, &status]).await?,
        (None, Some(status)) => tx.rows(OF_STATUS, &[&below, &limit, &status]).await?,
        (None, None) => tx.rows(ALL, &[&below, &limit]).await?,
    };
    Ok(page.page(with_lines(tx, rows).await?, |order| order.number))
}
