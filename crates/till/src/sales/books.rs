//! Verifying the books of a business: its stock, its receipts, and its credit.

use const_format::concatcp;
use inventory::ledger::{self, Verdict};
use serde::Serialize;
use tenancy::{DbError, TenantTx};
use utoipa::ToSchema;

use crate::sales::receipt_chain;
pub use crate::sales::receipt_chain::ChainSpan;

values::words! {
    /// The part of the books that differs.
    pub enum Fault {
        /// The numbers of a series of receipts have a gap, or the last one is missing.
        Numbers = "numbers",
        /// The total of a receipt is not the sum of its lines less its returns.
        Total = "total",
        /// The tax of a receipt is not the sum of its lines less its returns.
        Tax = "tax",
        /// The payments of a receipt are not its total with its rounding.
        Payments = "payments",
        /// The returns of a line are not the sum of what receipts took back.
        Returns = "returns",
        /// A receipt or its void was changed, or the receipt before it is missing.
        Chain = "chain",
        /// The audit log says that a receipt was voided, and the receipt does not.
        Void = "void",
        /// The balance of a voucher or an account is not the sum of its movements.
        Credit = "credit",
        /// The used part of a payment by mobile money is not the sum of its uses, or a use differs from the
        /// payment that it confirms.
        MobileMoney = "mobile_money",
    }
}

/// A part of the books that differs from what it is computed of.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookFault {
    /// The part of the books.
    pub fault: Fault,
    /// The series, the printed number of the receipt, or the id of the receipt, the line, the credit or the
    /// payment.
    #[schema(example = "R1-2026")]
    pub subject: String,
    /// The stored amount, number or hash.
    #[schema(example = "12")]
    pub stored: String,
    /// The computed amount, number or hash.
    #[schema(example = "11")]
    pub computed: String,
}

tenancy::from_row!(BookFault { fault, subject, stored, computed });

/// The compared books, and every difference.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Books {
    /// The stock.
    #[serde(flatten)]
    pub stock: Verdict,
    /// The number of compared receipts.
    pub receipts: i64,
    /// The number of compared vouchers and accounts.
    pub credits: i64,
    /// The differences in receipts and credit, at most 1000.
    pub faults: Vec<BookFault>,
}

impl Books {
    /// Whether no difference was found.
    pub fn holds(&self) -> bool {
        self.stock.holds() && self.faults.is_empty()
    }

    /// The number of differences.
    pub fn differences(&self) -> usize {
        self.stock.drifts.len() + self.faults.len()
    }
}

/// The largest number of differences that are listed.
const MAX_FAULTS: usize = 1000;

/// Computes the stock, the receipts and the credit again. Reads all movements and all receipts, and
/// computes the hashes of the receipts of `span`.
///
/// # Errors
/// [`DbError`].
pub async fn verify(tx: &TenantTx, span: ChainSpan) -> Result<Books, DbError> {
    const RECEIPTS: &str = "SELECT count(*) FROM sales";
    const CREDITS: &str = "SELECT count(*) FROM credits";
    const FAULTS: &str = concatcp!(
        "SELECT fault, subject, trim_scale(stored)::text AS stored, trim_scale(computed)::text AS computed
           FROM (",
        include_str!("book_faults.sql"),
        ") faults"
    );
    let mut faults: Vec<BookFault> = tx.rows(FAULTS, &[]).await?;
    faults.extend(receipt_chain::verify(tx, span, MAX_FAULTS - faults.len().min(MAX_FAULTS)).await?);
    Ok(Books {
        stock: ledger::verify(tx).await?,
        receipts: tx.value(RECEIPTS, &[]).await?,
        credits: tx.value(CREDITS, &[]).await?,
        faults,
    })
}
