//! Receipts of sales: shown, printed, mailed.

use actix_web::{HttpResponse, get, post, web};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDateTime, Utc};
use identity::mails::MailId;
use identity::{Permission, mails, user};
use inventory::till_settings::PrinterWidth;
use platform::till_number::{self, TillNumber};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{DbError, SharedScope, SharedTx, TenantScope, TenantTx, all};
use till::fiscal_signature::{self, FiscalSignature};
use till::issue::{self, Content, Issue, NewIssue, PrintFormat, ReceiptFormat};
use till::receipt::{self, Receipt, TaxTotal};
use till::sale_list;
use till::{ReceiptIssueId, SaleId};
use utoipa::ToSchema;
use uuid::Uuid;
use values::{ActorId, Amount, Currency, Email, Money, Name, Note, Percent, ShortText};

use crate::http::caller::{Caller, may};
use crate::http::codes::Code;
use crate::http::etag::Tag;
use crate::http::extract::PathId;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, RequiredKey, Submission};
use crate::routes::till::sale_view::SaleView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleReceiptView {
    /// The business as the receipt names it.
    business: ReceiptBusinessView,
    /// The name of the register.
    #[schema(example = "Front till")]
    register: Name,
    /// The name of the member who sold. null for programs, and if the name is not known.
    #[schema(example = "Ann Smith")]
    seller: Option<String>,
    /// The name of the customer. null if the sale has no customer.
    customer: Option<Name>,
    /// The printed numbers of the earlier receipts that this receipt refunds in whole or in part.
    #[schema(example = json!(["R1-2026-000017"]))]
    returned_from: Vec<String>,
    /// The time of the sale in the time zone of the business.
    #[schema(value_type = String, example = "2026-11-27T14:05:11.204518")]
    #[schema(pattern = "^[0-9-]{10}T[0-9:.]{8,}$")]
    local_time: NaiveDateTime,
    /// The text above the lines. null if there is none.
    header: Option<Note>,
    /// The text below the total. null if there is none.
    footer: Option<Note>,
    sale: SaleView,
    /// The taxes by rate: those of the sold lines minus those of the returns.
    taxes: Vec<TaxTotalView>,
    /// The text of the QR code. A fiscal device may prescribe it. Defaults to number, time, currency, total
    /// and hash, so that a printed receipt can be compared with the books.
    #[schema(example = "R1-2026-000042 2026-11-27T11:05:11Z EUR 17.10 4f0e1c22a9b3d870")]
    qr_text: String,
    /// The beginning of the hash in the chain of receipts. null for a receipt from before receipts were
    /// chained.
    #[schema(example = "4f0e1c22a9b3d870")]
    hash: Option<String>,
    /// The signature of a fiscal device. null if no device signs this receipt.
    fiscal: Option<FiscalSignatureView>,
    /// The number of times that the receipt was printed or mailed.
    issue_count: i32,
    /// The last 100 prints and mails, newest first.
    issues: Vec<ReceiptIssueView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptBusinessView {
    /// The trading name, or else the legal name, or else the name of the business on the platform.
    #[schema(example = "Acme Bolts")]
    name: String,
    /// The name in the register of companies.
    legal_name: Option<Name>,
    /// The postal address, with line breaks.
    address: Option<Note>,
    /// The telephone number of the business.
    phone: Option<ShortText>,
    /// The number by which the tax office knows the business.
    tax_number: Option<ShortText>,
    /// The number to which customers pay by mobile money.
    #[schema(example = "522533")]
    till_number: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxTotalView {
    /// The letter that marks the lines with this rate on the printed receipt.
    #[schema(example = "A")]
    mark: char,
    /// The name of the tax rate, such as VAT.
    name: Name,
    /// The tax rate, in percent.
    percent: Percent,
    /// The amount without any tax.
    #[schema(example = "14.74")]
    net: Amount,
    /// The amount of the tax.
    #[schema(example = "2.36")]
    tax: Amount,
}

impl TaxTotalView {
    fn new(total: TaxTotal, currency: &Currency) -> Self {
        let amount = |amount| currency.format(Money::from_decimal(amount));
        let TaxTotal { mark, name, percent, net, tax } = total;
        Self { mark, name, percent, net: amount(net), tax: amount(tax) }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FiscalSignatureView {
    /// The name of the device.
    #[schema(example = "simulator")]
    device: String,
    /// The number of the device. null while the receipt waits for its signature.
    #[schema(example = "SIM-0001")]
    serial_number: Option<String>,
    /// The signature. null while the receipt waits for it.
    #[schema(example = "9F02C1A47B33D8E01122")]
    signature: Option<String>,
    /// The time of the signature. null while the receipt waits for it.
    signed_at: Option<DateTime<Utc>>,
    /// The reason why the last attempt to sign failed. A background job tries again every minute.
    failure: Option<String>,
}

impl From<FiscalSignature> for FiscalSignatureView {
    fn from(fiscal: FiscalSignature) -> Self {
        let FiscalSignature { device, serial_number, signature, signed_at, failure, .. } = fiscal;
        Self { device, serial_number, signature, signed_at, failure }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptIssueView {
    id: ReceiptIssueId,
    /// The number of this print or mail of the sale, from 1. Number 1 is the original; the others are
    /// copies.
    #[schema(example = 1)]
    number: i32,
    /// Whether the receipt says COPY.
    copy: bool,
    format: ReceiptFormat,
    /// The width of the paper.
    width: PrinterWidth,
    /// The address to which it was mailed. null if it was printed.
    email: Option<Email>,
    /// The user or program that printed or mailed it; null for the platform.
    issued_by: ActorId,
    issued_at: DateTime<Utc>,
}

impl From<Issue> for ReceiptIssueView {
    fn from(issue: Issue) -> Self {
        let Issue { id, number, format, width, email, issued_by, issued_at } = issue;
        Self { id, number, copy: number > 1, format, width, email, issued_by, issued_at }
    }
}

values::words! {
    /// How a receipt stands in a JSON document.
    pub enum Encoding {
        /// As text.
        Utf8 = "utf-8",
        /// As bytes in base64.
        Base64 = "base64",
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptPrintView {
    #[serde(flatten)]
    issue: ReceiptIssueView,
    /// The media type of the content.
    #[schema(example = "application/pdf")]
    media_type: &'static str,
    /// The encoding of the content.
    encoding: Encoding,
    /// The receipt in the requested format, in the encoding that encoding names.
    content: String,
}

/// The names on a receipt that are not stored in the schema of the business.
struct Names {
    till_number: Option<TillNumber>,
    seller: Option<String>,
}

impl Names {
    async fn read<P>(state: &State, caller: &Caller<P>, sale: SaleId) -> Result<Self, Problem> {
        let scope = caller.scope();
        let tenant = scope.tenant().id;
        let seller = state.database.read(&scope, async |tx| sale_list::seller(tx, sale).await).await?;
        let seller = seller.ok_or_else(Problem::not_found)?;
        let read =
            async |tx: &SharedTx| all((till_number::find(tx, tenant), user::name_of(tx, seller))).await;
        let (kept, seller) = state.database.read_shared(SharedScope::Tenant(tenant), read).await?;
        Ok(Self { till_number: kept.map(|kept| kept.number), seller })
    }

    fn put_on(&self, receipt: Receipt) -> Receipt {
        let till_number = self.till_number.as_ref().map(|number| number.as_str().to_owned());
        Receipt { till_number, seller: self.seller.clone(), ..receipt }
    }
}

/// Read the receipt of a sale
///
/// Returns the data of the receipt as JSON. This does not count as a print. To print the receipt, use POST
/// /api/v1/sales/{id}/receipt/prints.
#[utoipa::path(tag = "till", operation_id = "readReceipt", responses((status = 200, body = SaleReceiptView)),
    params(("id" = SaleId, Path,)))]
#[get("/sales/{id}/receipt")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::TillRead>,
    PathId(id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    let names = Names::read(&state, &caller, id).await?;
    let read = async |tx: &TenantTx| all((receipt::read(tx, id), issue::list(tx, id))).await;
    let (receipt, issues) = state.database.read_snapshot(&caller.scope(), read).await?;
    let receipt = names.put_on(receipt.ok_or_else(Problem::not_found)?);
    Ok(HttpResponse::Ok().json(SaleReceiptView::new(receipt, issues)))
}

impl SaleReceiptView {
    fn new(receipt: Receipt, issues: Vec<Issue>) -> Self {
        let (hash, qr_text) = (receipt.hash(), receipt.qr_text());
        let Receipt { currency, profile, settings, .. } = receipt;
        Self {
            business: ReceiptBusinessView {
                name: receipt.business,
                legal_name: profile.legal_name,
                address: profile.address,
                phone: profile.phone,
                tax_number: profile.tax_number,
                till_number: receipt.till_number,
            },
            register: receipt.register,
            seller: receipt.seller,
            customer: receipt.customer,
            returned_from: receipt.returned_from,
            local_time: receipt.local_time,
            header: settings.receipt_header,
            footer: settings.receipt_footer,
            taxes: receipt.taxes.into_iter().map(|total| TaxTotalView::new(total, &currency)).collect(),
            sale: SaleView::new(receipt.sale, &currency).with_codes(false),
            qr_text,
            hash,
            fiscal: receipt.fiscal.map(FiscalSignatureView::from),
            issue_count: receipt.issues,
            issues: issues.into_iter().map(ReceiptIssueView::from).collect(),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"format": "escpos", "width": "80mm"}))]
pub struct PrintReceipt {
    format: PrintFormat,
    /// The width of the paper. Defaults to the setting printerWidth.
    width: Option<PrinterWidth>,
}

/// Print a receipt
///
/// Returns the receipt in the requested format. The first print or mail of a sale is the original. Every
/// later print or mail says COPY with a number. Requires an Idempotency-Key header: a repeated request
/// returns the same print and is not counted again.
#[utoipa::path(tag = "till", operation_id = "printReceipt", request_body = PrintReceipt,
    responses((status = 201, body = ReceiptPrintView)), params(("id" = SaleId, Path,)))]
#[post("/sales/{id}/receipt/prints")]
pub async fn print(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, PrintReceipt>,
    PathId(id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    let names = Names::read(&state, &once.caller, id).await?;
    let PrintReceipt { format, width } = body;
    let new = NewIssue { format: format.into(), width, email: None };
    let issue_id = ReceiptIssueId::from(once.derived_id());
    let may_list = once.caller.may(Permission::TillApprove);
    once.run(&state.database, Key::Required, async |tx| {
        let (issue, receipt) =
            issue::issue(tx, id, issue_id, &new, once.actor()).await?.ok_or_else(Problem::not_found)?;
        let receipt = names.put_on(receipt);
        let content = issue::render(&receipt, &issue, format, may_list).map_err(Problem::internal)?;
        let (encoding, content) = match content {
            Content::Text(text) => (Encoding::Utf8, text),
            Content::Bytes(bytes) => (Encoding::Base64, BASE64_STANDARD.encode(bytes)),
        };
        let view =
            ReceiptPrintView { issue: issue.into(), media_type: media_type(format), encoding, content };
        Answer::created(format!("/api/v1/sales/{id}/receipt"), Tag::of_version(view.issue.number), &view)
    })
    .await
}

const fn media_type(format: PrintFormat) -> &'static str {
    match format {
        PrintFormat::Text => "text/plain; charset=utf-8",
        PrintFormat::EscPos => "application/octet-stream",
        PrintFormat::Html => "text/html; charset=utf-8",
        PrintFormat::Pdf => "application/pdf",
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailReceipt {
    /// The address of the customer.
    #[schema(example = "ann@example.com")]
    email: Email,
}

/// Mail a receipt
///
/// Mails the receipt with a PDF document, in the name of the business. The mail counts as a print: if the
/// receipt was printed or mailed before, it says COPY. Requires an Idempotency-Key header: a repeated
/// request sends no second mail.
#[utoipa::path(tag = "till", operation_id = "mailReceipt", request_body = MailReceipt,
    responses((status = 201, body = ReceiptIssueView)), params(RequiredKey, ("id" = SaleId, Path,)))]
#[post("/sales/{id}/receipt/mails")]
pub async fn mail(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::TillSell, MailReceipt>,
    PathId(id): PathId<SaleId>,
) -> Result<HttpResponse, Problem> {
    if !state.sign_in.sends_mail {
        let detail = "This installation sends no mail. Print the receipt.";
        return Err(Problem::new(Code::NoMail, detail));
    }
    let names = Names::read(&state, &once.caller, id).await?;
    let email = body.email;
    let issue_id = ReceiptIssueId::from(once.derived_id());
    let tenant = once.caller.scope().tenant().id;
    let may_mail = async |tx: &SharedTx| {
        mails::may_mail_receipt(tx, MailId::from(Uuid::from(issue_id)), tenant, email.as_str()).await
    };
    if !state.database.read_shared(SharedScope::Tenant(tenant), may_mail).await? {
        let detail = format!(
            "A business may mail {} receipts to one address within 24 hours, and {} in all.",
            mails::RECEIPTS_TO_AN_ADDRESS,
            mails::RECEIPTS_OF_A_BUSINESS
        );
        return Err(Problem::new(Code::TooManyMails, detail));
    }
    let new =
        NewIssue { format: ReceiptFormat::Mail, width: Some(PrinterWidth::Wide), email: Some(email.clone()) };
    let answer = once
        .run(&state.database, Key::Required, async |tx| {
            let issue = issue::issue(tx, id, issue_id, &new, once.actor()).await?;
            let (issue, _) = issue.ok_or_else(Problem::not_found)?;
            let tag = Tag::of_version(issue.number);
            Answer::created(format!("/api/v1/sales/{id}/receipt"), tag, &ReceiptIssueView::from(issue))
        })
        .await?;
    // Also after a repeated request: the first one may have ended between the two transactions.
    let read = async |tx: &TenantTx| all((receipt::read(tx, id), issue::find(tx, id, issue_id))).await;
    let read = state.database.read_snapshot(&once.caller.scope(), read).await?;
    if let (Some(receipt), Some(issue)) = read {
        post(&state, &names.put_on(receipt), &issue, &email).await?;
    }
    Ok(answer)
}

/// Gives the mail of a receipt to the post, once for each issue.
async fn post(state: &State, receipt: &Receipt, issue: &Issue, email: &Email) -> Result<(), Problem> {
    let render = |format| issue::render(receipt, issue, format, false).map_err(Problem::internal);
    let text = |content| match content {
        Content::Text(text) => text,
        Content::Bytes(bytes) => BASE64_STANDARD.encode(bytes),
    };
    let reference = receipt.sale.reference();
    let parameters = json!({
        "reference": reference,
        "text": text(render(PrintFormat::Text)?),
        "html": text(render(PrintFormat::Html)?),
        "attachment": {"name": format!("{reference}.pdf"), "base64": text(render(PrintFormat::Pdf)?)},
        "replyTo": receipt.profile.email,
    });
    let tenant = receipt.tenant_id;
    let id = MailId::from(Uuid::from(issue.id));
    let queue = async |tx: &SharedTx| {
        mails::queue_as(tx, id, mails::Template::Receipt, Some(tenant), email.as_str(), &parameters).await
    };
    match state.database.write_shared(SharedScope::Tenant(tenant), queue).await {
        Err(error) if !mails::is_repeated(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Asks the fiscal device of a new receipt, if there is one, for the signature. If the device does not
/// answer, the sale stands, and a background job asks again.
pub(super) async fn sign(state: &State, scope: &TenantScope, id: SaleId) {
    if state.fiscal.is_empty() {
        return;
    }
    let signed = async {
        let find = async |tx: &TenantTx| {
            all((fiscal_signature::find_waiting(tx, id), fiscal_signature::is_next(tx, id))).await
        };
        let (Some(waiting), true) = state.database.read(scope, find).await? else { return Ok(()) };
        let attempt = waiting.ask(&state.fiscal).await;
        if let Err(error) = &attempt.outcome {
            tracing::warn!(sale.id = %id, device = waiting.device(), "a receipt was not signed: {error}");
        }
        state.database.write(scope, async |tx| attempt.store(tx).await).await
    };
    let signed: Result<(), DbError> = signed.await;
    if let Err(error) = signed {
        tracing::warn!(sale.id = %id, error = %tenancy::chain(&error), "a receipt was not signed");
    }
}
