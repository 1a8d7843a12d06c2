//! Printing and mailing receipts. Each issue is counted: the first is the original, and all others say that
//! they are copies.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use inventory::audit::{self, Action, Subject};
use inventory::till_settings::PrinterWidth;
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Email};

use crate::ids::{ReceiptIssueId, SaleId};
use crate::receipts::receipt::{self, Receipt};
use crate::receipts::rows::rows;
use crate::receipts::{escpos, html, pdf, text};

values::words! {
    /// The form in which a receipt is printed.
    pub enum PrintFormat {
        /// Plain text.
        Text = "text",
        /// The bytes for an ESC/POS printer.
        EscPos = "escpos",
        /// An HTML page.
        Html = "html",
        /// A PDF document.
        Pdf = "pdf",
    }

    /// The form in which a receipt was printed or mailed.
    pub enum ReceiptFormat {
        /// Plain text.
        Text = "text",
        /// The bytes for an ESC/POS printer.
        EscPos = "escpos",
        /// An HTML page.
        Html = "html",
        /// A PDF document.
        Pdf = "pdf",
        /// A mail.
        Mail = "mail",
    }
}

impl From<PrintFormat> for ReceiptFormat {
    fn from(format: PrintFormat) -> Self {
        match format {
            PrintFormat::Text => Self::Text,
            PrintFormat::EscPos => Self::EscPos,
            PrintFormat::Html => Self::Html,
            PrintFormat::Pdf => Self::Pdf,
        }
    }
}

/// A receipt to be printed or mailed.
#[derive(Debug, Clone)]
pub struct NewIssue {
    /// The form.
    pub format: ReceiptFormat,
    /// The width of the paper. Defaults to the setting of the business.
    pub width: Option<PrinterWidth>,
    /// The address of a mail.
    pub email: Option<Email>,
}

/// A receipt that was printed or mailed.
#[derive(Debug, Clone)]
pub struct Issue {
    /// The id.
    pub id: ReceiptIssueId,
    /// Counts the issues of the sale from 1.
    pub number: i32,
    /// The form.
    pub format: ReceiptFormat,
    /// The width of the paper.
    pub width: PrinterWidth,
    /// The address to which it was mailed.
    pub email: Option<Email>,
    /// The user or program that printed or mailed it.
    pub issued_by: ActorId,
    /// The time.
    pub issued_at: DateTime<Utc>,
}

tenancy::from_row!(Issue { id, number, format, width, email, issued_by, issued_at });

/// The most issues that a list has.
const MAX_LISTED: i64 = 100;

const SELECT: &str =
    "SELECT id, number, format, width, email, issued_by, issued_at FROM receipt_issues WHERE sale_id = $1 ";

/// The issues of a receipt, newest first; at most the last 100.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, sale: SaleId) -> Result<Vec<Issue>, DbError> {
    const LIST: &str = concatcp!(SELECT, "ORDER BY number DESC LIMIT $2");
    tx.rows(LIST, &[&sale, &MAX_LISTED]).await
}

/// An issue of a receipt.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, sale: SaleId, id: ReceiptIssueId) -> Result<Option<Issue>, DbError> {
    const FIND: &str = concatcp!(SELECT, "AND id = $2");
    tx.row_opt(FIND, &[&sale, &id]).await
}

/// Counts a print or a mail of a receipt. Returns it with the receipt. An issue that was counted before, by
/// its id, is not counted again.
///
/// # Errors
/// [`DbError`]; an unknown sale is `None`.
pub async fn issue(
    tx: &TenantTx,
    sale: SaleId,
    id: ReceiptIssueId,
    new: &NewIssue,
    actor: ActorId,
) -> Result<Option<(Issue, Receipt)>, DbError> {
    // The lock makes simultaneous prints of a receipt wait, so that each gets its own number.
    const LOCK: &str = "SELECT FROM sales WHERE id = $1 FOR NO KEY UPDATE";
    const INSERT: &str = "
        INSERT INTO receipt_issues (id, sale_id, number, format, width, email, issued_by, issued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    tx.execute(LOCK, &[&sale]).await?;
    let Some(receipt) = receipt::read(tx, sale).await? else { return Ok(None) };
    if let Some(issue) = find(tx, sale, id).await? {
        return Ok(Some((issue, receipt)));
    }
    let issue = Issue {
        id,
        number: receipt.issues + 1,
        format: new.format,
        width: new.width.unwrap_or(receipt.settings.printer_width),
        email: new.email.clone(),
        issued_by: actor,
        issued_at: tx.now(),
    };
    let Issue { id, number, format, width, email, .. } = &issue;
    let issued = json!({"number": {"to": number}, "format": {"to": format}, "email": {"to": email}});
    let insert =
        async { tx.execute(INSERT, &[id, &sale, number, format, width, email, &actor, &tx.now()]).await };
    let record = audit::record(tx, actor, Action::ReceiptIssued, Subject::Sale(sale.into()), &issued);
    all((insert, record)).await?;
    Ok(Some((issue, receipt)))
}

/// A receipt in the form in which it is printed or mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A receipt cannot be written in the form.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// As bytes for a printer.
    #[error(transparent)]
    EscPos(#[from] escpos::EscPosError),
    /// As HTML.
    #[error(transparent)]
    Html(#[from] html::HtmlError),
    /// As a PDF document.
    #[error(transparent)]
    Pdf(#[from] pdf::PdfError),
}

/// Writes an issue of a receipt in a form. `may_list_vouchers`: whether the reader may see the codes of
/// vouchers.
///
/// # Errors
/// [`RenderError`].
pub fn render(
    receipt: &Receipt,
    issue: &Issue,
    format: PrintFormat,
    may_list_vouchers: bool,
) -> Result<Content, RenderError> {
    // A copy must not be as good as the voucher, and a mail is kept by others. Only a member who had the
    // code already, or may list vouchers, prints it.
    let is_print = issue.email.is_none();
    let had_it = may_list_vouchers || issue.issued_by == receipt.sale.sold_by;
    let rows = rows(receipt, issue.number, issue.number == 1 && is_print && had_it);
    let title = receipt.sale.reference();
    Ok(match format {
        PrintFormat::Text => Content::Text(text::render(&rows, issue.width)),
        PrintFormat::EscPos => Content::Bytes(escpos::render(&rows, issue.width)?),
        PrintFormat::Html => Content::Text(html::render(&rows, issue.width, &title)?),
        PrintFormat::Pdf => Content::Bytes(pdf::render(&rows, issue.width, title)?),
    })
}
