//! Document numbers: consecutive for each kind of document, without a gap.
//!
//! A counter is a row that stays locked until the transaction ends, and a rollback gives the number back. A
//! document therefore takes its number last, when it has nothing left to wait for.

use tenancy::{DbError, TenantTx, all};
use tokio_postgres::types::ToSql;

values::words! {
    /// The kinds of documents that have numbers. Each kind counts from 1, or each of its series does.
    pub enum Counter {
        /// Orders: `SO-000042`.
        Order = "order",
        /// Returns of orders: `RT-000042`.
        Return = "return",
        /// Transfers of stock: `ST-000042`.
        Transfer = "transfer",
        /// Stock counts: `SC-000042`.
        Count = "count",
        /// Purchase orders: `PO-000042`.
        PurchaseOrder = "purchase_order",
        /// Goods receipts: `GR-000042`.
        GoodsReceipt = "goods_receipt",
        /// Returns of goods to suppliers: `VR-000042`.
        SupplierReturn = "supplier_return",
        /// Z reports of a register: `R1-Z-000042`.
        ZReport = "z_report",
        /// Receipts of a register in a fiscal year: `R1-2026-000042`.
        TillReceipt = "till_receipt",
    }
}

impl Counter {
    /// A number as people write it, such as `SO-000042`. The series of a till stands before it.
    pub fn reference(self, number: i64) -> String {
        let prefix = match self {
            Self::Order => "SO",
            Self::Return => "RT",
            Self::Transfer => "ST",
            Self::Count => "SC",
            Self::PurchaseOrder => "PO",
            Self::GoodsReceipt => "GR",
            Self::SupplierReturn => "VR",
            Self::ZReport => "Z",
            Self::TillReceipt => return format!("{number:06}"),
        };
        format!("{prefix}-{number:06}")
    }
}

const TAKE: &str = "
    INSERT INTO counters (kind, series, next) VALUES ($1, $2, 2)
        ON CONFLICT (kind, series) DO UPDATE SET next = counters.next + 1
 RETURNING next - 1";

/// Takes the next number of a series; each series counts from 1.
///
/// # Errors
/// [`DbError`].
pub async fn take(tx: &TenantTx, counter: Counter, series: &str) -> Result<i64, DbError> {
    tx.value(TAKE, &[&counter, &series]).await
}

/// Takes the next number of a kind of documents that has one series, and stores the document with it, in one
/// flight. `insert` selects from [`TAKEN`]; see [`insert_in_series`].
///
/// # Errors
/// [`DbError`].
pub(crate) async fn insert_numbered(
    tx: &TenantTx,
    counter: Counter,
    insert: &'static str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<i64, DbError> {
    insert_in_series(tx, counter, "", insert, params).await
}

/// Takes the next number of a series, and stores the document with it, in one flight.
///
/// `insert` is an INSERT that selects from [`TAKEN_IN_SERIES`], binds the counter as `$1` and the series as
/// `$2`, and returns the number.
///
/// # Errors
/// [`DbError`].
pub async fn insert_in_series(
    tx: &TenantTx,
    counter: Counter,
    series: &str,
    insert: &'static str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<i64, DbError> {
    let insert = async { tx.value(insert, params).await };
    let (_, number) = all((take(tx, counter, series), insert)).await?;
    Ok(number)
}

/// The number that [`insert_in_series`] has taken, for the statement that stores the document; `$1` is the
/// counter, and `$2` is the series.
pub const TAKEN_IN_SERIES: &str = "(SELECT next - 1 FROM counters WHERE kind = $1 AND series = $2)";

/// The number that [`insert_numbered`] has taken, for the statement that stores the document; `$1` is the
/// counter.
pub(crate) const TAKEN: &str = "(SELECT next - 1 FROM counters WHERE kind = $1 AND series = '')";
