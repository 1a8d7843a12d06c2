//! Reading receipts, one or a page of a list.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use const_format::concatcp;
use inventory::CustomerId;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Page, PageRequest};

use crate::ids::{RegisterId, SaleId, SaleLineId, ShiftId};
use crate::records::sale_method::SaleMethod;
use crate::sales::sale::{Sale, SaleLine, SaleReturn};
use crate::sales::sale_error::SaleError;
use crate::sales::sale_payment::SalePayment;

const SELECT: &str = "
    SELECT id, register_id, shift_id, location_id, customer_id, series, number, kind, subtotal, discount,
           returned, tax, total, rounding, reason, note, offline_reference, approved_by, sold_by, sold_at,
           voided_by, voided_at,
           void_reason, version, chain_hash, void_hash
      FROM sales ";

const SELECT_LINES: &str = "
    SELECT id, sale_id, variant_id, kind, sku, name, quantity, price, list_price, price_reason, discount,
           taxes, includes_tax, tax, total, note, cost, returned, refunded, refunded_tax, bundle
      FROM sale_lines ";

const LINES: &str = concatcp!(SELECT_LINES, "WHERE sale_id = ANY ($1) ORDER BY sale_id, position");

const SELECT_RETURNS: &str = "
    SELECT r.id, r.sale_id, r.line_id, l.sale_id AS of_sale_id, l.variant_id, l.sku, l.name, r.quantity,
           r.is_restocked, r.amount, r.tax, r.taxes
      FROM sale_returns r JOIN sale_lines l ON l.id = r.line_id ";

/// Gives receipts their lines, returns and payments: three queries, whatever their number.
async fn with_parts(tx: &TenantTx, mut sales: Vec<Sale>) -> Result<Vec<Sale>, DbError> {
    let ids: Vec<SaleId> = sales.iter().map(|sale| sale.id).collect();
    let (lines, returns, payments) = parts(tx, &ids).await?;
    let mut at: HashMap<SaleId, &mut Sale> = sales.iter_mut().map(|sale| (sale.id, sale)).collect();
    for line in lines {
        at.entry(line.sale_id).and_modify(|sale| sale.lines.push(line));
    }
    for back in returns {
        at.entry(back.sale_id).and_modify(|sale| sale.returns.push(back));
    }
    for payment in payments {
        at.entry(payment.sale_id).and_modify(|sale| sale.payments.push(payment));
    }
    Ok(sales)
}

type Parts = (Vec<SaleLine>, Vec<SaleReturn>, Vec<SalePayment>);

async fn parts(tx: &TenantTx, ids: &[SaleId]) -> Result<Parts, DbError> {
    const RETURNS: &str =
        concatcp!(SELECT_RETURNS, "WHERE r.sale_id = ANY ($1) ORDER BY r.sale_id, r.position");
    const PAYMENTS: &str = "
        SELECT p.id, p.sale_id, p.method, p.amount, p.tendered, p.reference, p.credit_id, p.credit_balance,
               c.code AS voucher_code, u.mobile_payment_id
          FROM sale_payments p
          LEFT JOIN credits c ON c.id = p.credit_id
          LEFT JOIN mobile_payment_uses u ON u.sale_payment_id = p.id AND u.released_at IS NULL
         WHERE p.sale_id = ANY ($1) ORDER BY p.sale_id, p.position";
    let lines = async { tx.rows::<SaleLine>(LINES, &[&ids]).await };
    let returns = async { tx.rows::<SaleReturn>(RETURNS, &[&ids]).await };
    let payments = async { tx.rows::<SalePayment>(PAYMENTS, &[&ids]).await };
    all((lines, returns, payments)).await
}

/// The receipt with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: SaleId) -> Result<Option<Sale>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    read_one(tx, id, FIND).await
}

/// The seller of a receipt.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn seller(tx: &TenantTx, id: SaleId) -> Result<Option<ActorId>, DbError> {
    const SELLER: &str = "SELECT sold_by FROM sales WHERE id = $1";
    tx.value_opt(SELLER, &[&id]).await
}

/// The receipts after this series and number, in the order of series and number, across all series.
pub(super) async fn in_series(
    tx: &TenantTx,
    (series, number): (&str, i64),
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Sale>, DbError> {
    const AFTER: &str = concatcp!(
        SELECT,
        "WHERE (series, number) > ($1, $2) AND sold_at >= $4 ORDER BY series, number LIMIT $3"
    );
    with_parts(tx, tx.rows(AFTER, &[&series, &number, &limit, &since]).await?).await
}

/// As [`find`], with the row locked until the transaction ends. The lines are read under the lock.
pub(super) async fn lock(tx: &TenantTx, id: SaleId) -> Result<Option<Sale>, DbError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    read_one(tx, id, LOCK).await
}

async fn read_one(tx: &TenantTx, id: SaleId, sql: &'static str) -> Result<Option<Sale>, DbError> {
    let ids = [id];
    let sale = async { tx.row_opt::<Sale>(sql, &[&id]).await };
    let (sale, (lines, returns, payments)) = all((sale, parts(tx, &ids))).await?;
    Ok(sale.map(|sale| Sale { lines, returns, payments, ..sale }))
}

/// Receipts with articles to take back.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// Each receipt, and `true` if it was voided.
    sales: Vec<(SaleId, bool)>,
    /// The lines of all of them.
    pub lines: Vec<SaleLine>,
    /// Earlier returns of these lines.
    pub returns: Vec<SaleReturn>,
}

impl Earlier {
    /// Refuses voided receipts, and an unknown `wanted`.
    ///
    /// # Errors
    /// [`SaleError::Voided`], [`SaleError::NotFound`].
    pub(super) fn check(&self, wanted: Option<SaleId>) -> Result<(), SaleError> {
        if wanted.is_some_and(|wanted| self.sales.iter().all(|(id, _)| *id != wanted)) {
            return Err(SaleError::NotFound);
        }
        if self.sales.iter().any(|(_, is_voided)| *is_voided) {
            return Err(SaleError::Voided);
        }
        Ok(())
    }
}

/// Locks the receipts with these ids or lines in the order of their ids, until the transaction ends, and
/// reads what came back of them under the lock.
pub(super) async fn lock_earlier(
    tx: &TenantTx,
    sales: &[SaleId],
    lines: &[SaleLineId],
) -> Result<Earlier, DbError> {
    struct Locked {
        id: SaleId,
        is_voided: bool,
    }
    tenancy::from_row!(Locked { id, is_voided });
    const IDS: &str = "ANY ($1 || ARRAY(SELECT sale_id FROM sale_lines WHERE id = ANY ($2)))";
    const LOCK: &str = concatcp!(
        "SELECT id, voided_at IS NOT NULL AS is_voided FROM sales WHERE id = ",
        IDS,
        " ORDER BY id FOR NO KEY UPDATE"
    );
    const LINES: &str = concatcp!(SELECT_LINES, "WHERE sale_id = ", IDS, " ORDER BY sale_id, position");
    const RETURNS: &str = concatcp!(SELECT_RETURNS, "WHERE l.sale_id = ", IDS, " ORDER BY r.id");
    if sales.is_empty() && lines.is_empty() {
        return Ok(Earlier::default());
    }
    let locked = async { tx.rows::<Locked>(LOCK, &[&sales, &lines]).await };
    let found = async { tx.rows::<SaleLine>(LINES, &[&sales, &lines]).await };
    let returns = async { tx.rows::<SaleReturn>(RETURNS, &[&sales, &lines]).await };
    let (sales, lines, returns) = all((locked, found, returns)).await?;
    let sales = sales.into_iter().map(|sale| (sale.id, sale.is_voided)).collect();
    Ok(Earlier { sales, lines, returns })
}

/// The choice of the receipts of a list; `None` chooses all.
#[derive(Debug, Clone, Default)]
pub struct SaleFilter {
    /// Only receipts of this register.
    pub register_id: Option<RegisterId>,
    /// Only receipts of this shift.
    pub shift_id: Option<ShiftId>,
    /// Only receipts of this customer.
    pub customer_id: Option<CustomerId>,
    /// Only receipts of this user or program.
    pub sold_by: Option<ActorId>,
    /// Only receipts with a payment by this method.
    pub method: Option<SaleMethod>,
    /// Only the receipt with this printed number.
    pub number: Option<(String, i64)>,
    /// Only receipts that were voided, or only those that count.
    pub is_voided: Option<bool>,
    /// Only receipts completed at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Only receipts completed before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// A page of receipts, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &SaleFilter,
    page: &PageRequest<(DateTime<Utc>, SaleId)>,
) -> Result<Page<Sale>, DbError> {
    // Each choice that has an index is a condition only where it is made, so that a plan for all cases is
    // good for each.
    const IN_SPAN: &str = "
        WHERE (sold_at, id) < ($1, $2) AND sold_at >= $3 AND sold_at < $4
          AND ($6::uuid IS NULL OR sold_by = $6)
          AND ($7::boolean IS NULL OR (voided_at IS NOT NULL) = $7)
          AND ($8::text IS NULL
               OR EXISTS (SELECT FROM sale_payments p WHERE p.sale_id = sales.id AND p.method = $8)) ";
    const ORDER: &str = " ORDER BY sold_at DESC, id DESC LIMIT $5";
    const ALL: &str = concatcp!(SELECT, IN_SPAN, ORDER);
    const OF_REGISTER: &str = concatcp!(
        SELECT,
        IN_SPAN,
        "AND register_id = $9 AND ($10::uuid IS NULL OR customer_id = $10)",
        ORDER
    );
    const OF_SHIFT: &str = concatcp!(
        SELECT,
        IN_SPAN,
        "AND shift_id = $9 AND ($10::uuid IS NULL OR customer_id = $10)
          AND ($11::uuid IS NULL OR register_id = $11)",
        ORDER
    );
    const OF_CUSTOMER: &str = concatcp!(SELECT, IN_SPAN, "AND customer_id = $9", ORDER);
    const OF_SELLER: &str = concatcp!(SELECT, IN_SPAN, "AND sold_by = $9", ORDER);
    const WITH_NUMBER: &str = concatcp!(
        SELECT,
        IN_SPAN,
        "AND series = $9 AND number = $10 AND ($11::uuid IS NULL OR register_id = $11)
          AND ($12::uuid IS NULL OR shift_id = $12) AND ($13::uuid IS NULL OR customer_id = $13)",
        ORDER
    );
    let (moment, id) = page.below();
    let (earliest, latest) = (DateTime::UNIX_EPOCH, tx.now() + TimeDelta::days(1));
    let from = filter.from.unwrap_or(earliest).max(earliest);
    let until = filter.until.unwrap_or(latest).clamp(earliest, latest);
    let limit = page.limit.and_one();
    let SaleFilter { register_id, shift_id, customer_id, sold_by, method, number, is_voided, .. } = filter;
    let params: tenancy::Params<'_> = &[&moment, &id, &from, &until, &limit, sold_by, is_voided, method];
    let (sql, more): (&str, tenancy::Params<'_>) = match (number, shift_id, register_id, customer_id) {
        (Some((series, number)), ..) => (WITH_NUMBER, &[series, number, register_id, shift_id, customer_id]),
        (None, Some(shift), ..) => (OF_SHIFT, &[shift, customer_id, register_id]),
        (None, None, Some(register), _) => (OF_REGISTER, &[register, customer_id]),
        (None, None, None, Some(customer)) => (OF_CUSTOMER, &[customer]),
        (None, None, None, None) if sold_by.is_some() => (OF_SELLER, &[sold_by]),
        (None, None, None, None) => (ALL, &[]),
    };
    let sales = tx.rows::<Sale>(sql, &[params, more].concat()).await?;
    let page = page.page(sales, |sale: &Sale| (sale.sold_at, sale.id));
    let Page { data, next } = page;
    Ok(Page { data: with_parts(tx, data).await?, next })
}
