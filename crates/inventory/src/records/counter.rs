//! Numbers of documents: one after another for each kind, without a gap.
//!
//! The counter is a row, locked from here to the end of the transaction: what is rolled back gives its number back. So the
//! number is taken last, when nothing is left to wait for.

use tenancy::{DbError, TenantTx};

/// What is numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    Order,
    Return,
    Transfer,
    Count,
    PurchaseOrder,
    GoodsReceipt,
}

impl Counter {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Return => "return",
            Self::Transfer => "transfer",
            Self::Count => "count",
            Self::PurchaseOrder => "purchase_order",
            Self::GoodsReceipt => "goods_receipt",
        }
    }

    /// A number as people write it: `SO-000042`.
    pub fn reference(self, number: i64) -> String {
        let prefix = match self {
            Self::Order => "SO",
            Self::Return => "RT",
            Self::Transfer => "ST",
            Self::Count => "SC",
            Self::PurchaseOrder => "PO",
            Self::GoodsReceipt => "GR",
        };
        format!("{prefix}-{number:06}")
    }
}

/// The number that [`take`] has taken in this transaction, for the statement that stores the document.
macro_rules! taken_number {
    ($kind:literal) => {
        concat!("(SELECT next - 1 FROM counters WHERE kind = '", $kind, "' AND series = '')")
    };
}
pub(crate) use taken_number;

/// Takes the next number; the document's INSERT may follow in the same flight, with [`taken_number`].
///
/// # Errors
/// [`DbError`].
pub(crate) async fn take(tx: &TenantTx, counter: Counter) -> Result<(), DbError> {
    const TAKE: &str = "
        INSERT INTO counters (kind, series, next) VALUES ($1, '', 2)
            ON CONFLICT (kind, series) DO UPDATE SET next = counters.next + 1";
    tx.execute(TAKE, &[&counter.as_str()]).await.map(drop)
}
