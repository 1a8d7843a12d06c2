//! Reading orders with their lines, one or a page of a list, and saving what a step changed of an order.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use tenancy::{DbError, TenantTx, all};
use tokio_postgres::types::ToSql;
use values::{Page, PageRequest, SearchText};

use crate::column;
use crate::ids::{CustomerId, OrderId};
use crate::orders::order::Order;
use crate::orders::order_line::OrderLine;
use crate::records::changes::{ByChange, Changed, by_change};
use crate::records::named::{ByName, Named, by_name};
use crate::statuses::OrderStatus;

/// The day in the time zone of the business.
const TODAY: &str = concatcp!("(SELECT ", crate::day_of!("now()", "s"), " FROM settings s)");

const SELECT: &str = concatcp!(
    "SELECT id, number, customer_id, location_id, status, subtotal, discount, tax, total, credited, paid,
           is_tax_exempt, due_on,
           total - credited - paid > 0
           AND coalesce(due_on < ",
    TODAY,
    ", false) AS is_overdue,
           note, own_keys, placed_by, version, placed_at, updated_at
      FROM orders "
);

/// Until a part of a line is fulfilled, cancelled or returned, all of its amounts are open, or, if the order
/// was fulfilled when it was placed, out.
const LINES: &str = "
    SELECT id, order_id, variant_id, kind, sku, name, quantity, price, list_price, price_reason, discount,
           taxes, includes_tax, tax, total, fulfilled, cancelled, returned, credited, cost, bundle,
           coalesce(open_total, CASE WHEN fulfilled = 0 THEN total ELSE 0 END) AS open_total,
           coalesce(open_tax, CASE WHEN fulfilled = 0 THEN tax ELSE 0 END) AS open_tax,
           coalesce(open_discount, CASE WHEN fulfilled = 0 THEN discount ELSE 0 END) AS open_discount,
           coalesce(out_total, CASE WHEN fulfilled = 0 THEN 0 ELSE total END) AS out_total,
           coalesce(out_tax, CASE WHEN fulfilled = 0 THEN 0 ELSE tax END) AS out_tax
      FROM order_lines
     WHERE order_id = ANY ($1)
     ORDER BY order_id, position";

/// Gives orders their lines: one query, whatever their number.
async fn with_lines(tx: &TenantTx, mut orders: Vec<Order>) -> Result<Vec<Order>, DbError> {
    let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
    let mut lines: HashMap<OrderId, Vec<OrderLine>> = HashMap::new();
    for line in tx.rows::<OrderLine>(LINES, &[&ids]).await? {
        lines.entry(line.order_id).or_default().push(line);
    }
    for order in &mut orders {
        order.lines = lines.remove(&order.id).unwrap_or_default();
    }
    Ok(orders)
}

/// The order with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: OrderId) -> Result<Option<Order>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    read_one(tx, id, FIND).await
}

/// As [`find`], with the row locked until the transaction ends. The lines are read under the lock.
pub(crate) async fn lock(tx: &TenantTx, id: OrderId) -> Result<Option<Order>, DbError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    read_one(tx, id, LOCK).await
}

async fn read_one(tx: &TenantTx, id: OrderId, sql: &'static str) -> Result<Option<Order>, DbError> {
    let ids = [id];
    let order = async { tx.row_opt::<Order>(sql, &[&id]).await };
    let lines = async { tx.rows::<OrderLine>(LINES, &[&ids.as_slice()]).await };
    let (order, lines) = all((order, lines)).await?;
    Ok(order.map(|order| Order { lines, ..order }))
}

values::words! {
    /// Orders of which something is left to pay.
    pub enum Owing {
        /// All of them.
        Due = "due",
        /// Those that should have been paid by now, in the time zone of the business.
        Overdue = "overdue",
    }
}

/// Which orders a list holds.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Only orders with this status; `None` means any status.
    pub status: Option<OrderStatus>,
    /// Only orders of this customer; `None` means all orders, with or without a customer.
    pub customer_id: Option<CustomerId>,
    /// An order's number or reference, such as `#42` or `SO-000042`. Any other text finds the orders of
    /// customers who are found by it. Digits alone may be either.
    pub search: Option<SearchText>,
    /// Only orders of which something is left to pay; `None` means all orders.
    pub owing: Option<Owing>,
    /// Only orders placed at this moment or later; `None` means no limit.
    pub from: Option<DateTime<Utc>>,
    /// Only orders placed before this moment; `None` means no limit.
    pub until: Option<DateTime<Utc>>,
}

/// The orders that a text may find.
struct Wanted {
    /// The order with this number.
    number: Option<i64>,
    /// The orders of customers with such a name.
    is_name: bool,
}

impl Wanted {
    fn of(text: &SearchText) -> Self {
        let text = text.as_str();
        let prefix = text.get(..3).filter(|prefix| prefix.eq_ignore_ascii_case("SO-"));
        let reference = text.strip_prefix('#').or(prefix.map(|prefix| &text[prefix.len()..]));
        let digits = reference.unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| is_number);
        Self { number, is_name: reference.is_none() || number.is_none() }
    }
}

/// The named orders with their lines, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn named(tx: &TenantTx, named: &Named) -> Result<Vec<Order>, DbError> {
    const NAMED: ByName = by_name!(concatcp!(SELECT, "WHERE "), "id", "own_keys", "");
    with_lines(tx, NAMED.rows(tx, named).await?).await
}

/// A page of the orders that changed, archived or not, in the order of their changes.
///
/// # Errors
/// [`DbError`].
pub async fn changed(tx: &TenantTx, changed: &Changed) -> Result<Page<Order>, DbError> {
    const CHANGED: ByChange = by_change!(concatcp!(SELECT, "WHERE "), "updated_at", "id", "");
    let found = with_lines(tx, CHANGED.rows(tx, changed).await?).await?;
    Ok(changed.page.page(found, |record: &Order| (record.updated_at, record.id.into())))
}

/// A page of orders with their lines, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &OrderFilter,
    page: &PageRequest<(DateTime<Utc>, i64)>,
) -> Result<Page<Order>, DbError> {
    const IN_SPAN: &str = "WHERE (placed_at, number) < ($1, $2) AND placed_at >= $3 AND placed_at < $4";
    const ORDER: &str = " ORDER BY placed_at DESC, number DESC LIMIT $5";
    const OPTIONAL_STATUS: &str = " AND ($7::text IS NULL OR status = $7)";
    // One text for each filter, because a prepared statement has one plan.
    const ALL: &str = concatcp!(SELECT, IN_SPAN, ORDER);
    const OF_STATUS: &str = concatcp!(SELECT, IN_SPAN, " AND status = $6", ORDER);
    const OF_CUSTOMER: &str = concatcp!(SELECT, IN_SPAN, " AND customer_id = $6", OPTIONAL_STATUS, ORDER);
    // The orders that owe have an index of their own.
    const OPTIONAL_OWING: &str = concatcp!(
        " AND ($9::text IS NULL OR total - credited - paid > 0 AND ($9 = 'due' OR due_on < ",
        TODAY,
        "))"
    );
    const OWING: &str = concatcp!(
        SELECT,
        IN_SPAN,
        " AND total - credited - paid > 0 AND ($6::text = 'due' OR due_on < ",
        TODAY,
        ")",
        OPTIONAL_STATUS,
        " AND ($8::uuid IS NULL OR customer_id = $8)",
        ORDER
    );
    const NUMBERED: &str = concatcp!(
        SELECT,
        IN_SPAN,
        " AND number = $6",
        OPTIONAL_STATUS,
        " AND ($8::uuid IS NULL OR customer_id = $8)",
        OPTIONAL_OWING,
        ORDER
    );
    // The first line of the text is the name.
    const IS_NAME: &str = "split_part(search_text, chr(10), 1) LIKE ALL ($6::text || $8::text[])";
    const SEARCH: &str = concatcp!(
        SELECT,
        IN_SPAN,
        " AND customer_id IN (SELECT id FROM customers WHERE search_text LIKE $6 AND ",
        IS_NAME,
        ")",
        OPTIONAL_STATUS,
        OPTIONAL_OWING,
        ORDER
    );
    const SEARCH_OF_CUSTOMER: &str = concatcp!(
        SELECT,
        IN_SPAN,
        " AND customer_id = (SELECT id FROM customers WHERE id = $10 AND ",
        IS_NAME,
        ")",
        OPTIONAL_STATUS,
        OPTIONAL_OWING,
        ORDER
    );
    // No order is outside this span.
    let (earliest, latest) = (DateTime::UNIX_EPOCH, tx.now() + TimeDelta::days(1));
    let (moment, number) = page.after.unwrap_or((latest, i64::MAX));
    let from = filter.from.unwrap_or(earliest).max(earliest);
    let until = filter.until.unwrap_or(latest).max(earliest);
    let limit = page.limit.and_one();
    let (status, customer, owing) = (filter.status, filter.customer_id, filter.owing);
    let numbered = async |wanted: i64| {
        let params: tenancy::Params<'_> =
            &[&moment, &number, &from, &until, &limit, &wanted, &status, &customer, &owing];
        tx.rows::<Order>(NUMBERED, params).await
    };
    let named = async |text: &SearchText| {
        let words = text.words();
        let (longest, others) = words.patterns();
        let params: [&(dyn ToSql + Sync); 10] =
            [&moment, &number, &from, &until, &limit, longest, &status, &others, &owing, &customer];
        match customer {
            Some(_) => tx.rows::<Order>(SEARCH_OF_CUSTOMER, &params).await,
            None => tx.rows(SEARCH, &params[..9]).await,
        }
    };
    let orders: Vec<Order> = match (&filter.search, customer, status) {
        (Some(text), ..) => match Wanted::of(text) {
            Wanted { number: Some(wanted), is_name: false } => numbered(wanted).await?,
            Wanted { number: Some(wanted), is_name: true } => {
                let (one, others) = all((numbered(wanted), named(text))).await?;
                merged(one, others)
            }
            Wanted { number: None, .. } => named(text).await?,
        },
        (None, ..) if owing.is_some() => {
            tx.rows(OWING, &[&moment, &number, &from, &until, &limit, &owing, &status, &customer]).await?
        }
        (None, Some(customer), _) => {
            tx.rows(OF_CUSTOMER, &[&moment, &number, &from, &until, &limit, &customer, &status]).await?
        }
        (None, None, Some(status)) => {
            tx.rows(OF_STATUS, &[&moment, &number, &from, &until, &limit, &status]).await?
        }
        (None, None, None) => tx.rows(ALL, &[&moment, &number, &from, &until, &limit]).await?,
    };
    let page = page.page(orders, |order| (order.placed_at, order.number));
    Ok(Page { data: with_lines(tx, page.data).await?, next: page.next })
}

/// Two lists of orders as one, newest first.
fn merged(one: Vec<Order>, mut others: Vec<Order>) -> Vec<Order> {
    others.retain(|other| one.iter().all(|order| order.id != other.id));
    others.extend(one);
    others.sort_by_key(|order| std::cmp::Reverse((order.placed_at, order.number)));
    others
}

/// Saves what a step changed of an order and its lines.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn save(tx: &TenantTx, order: &Order) -> Result<(), DbError> {
    const SAVE: &str = "
        UPDATE orders SET status = $2, credited = $3, version = version + 1, updated_at = $4 WHERE id = $1";
    const SAVE_LINES: &str = "
        UPDATE order_lines l
           SET fulfilled = new.fulfilled, cancelled = new.cancelled, returned = new.returned,
               credited = new.credited, cost = new.cost, open_total = new.open_total,
               open_tax = new.open_tax, open_discount = new.open_discount, out_total = new.out_total,
               out_tax = new.out_tax
          FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[],
                      $7::numeric[], $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[])
               AS new (id, fulfilled, cancelled, returned, credited, cost, open_total, open_tax,
                       open_discount, out_total, out_tax)
         WHERE l.id = new.id";
    let lines = &order.lines;
    let params: tenancy::Params<'_> = &[
        &column(lines, |line| line.id),
        &column(lines, |line| line.fulfilled),
        &column(lines, |line| line.cancelled),
        &column(lines, |line| line.returned),
        &column(lines, |line| line.credited),
        &column(lines, |line| line.cost),
        &column(lines, |line| line.open_total),
        &column(lines, |line| line.open_tax),
        &column(lines, |line| line.open_discount),
        &column(lines, |line| line.out_total),
        &column(lines, |line| line.out_tax),
    ];
    let head = async { tx.execute(SAVE, &[&order.id, &order.status, &order.credited, &tx.now()]).await };
    let lines = async { tx.execute(SAVE_LINES, params).await };
    all((head, lines)).await.map(drop)
}
