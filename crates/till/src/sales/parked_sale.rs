//! Parked sales: a cashier stores the lines of a sale, and any register recalls it. A parked sale has no
//! number and moves no stock. It keeps agreed prices, but no list prices.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use inventory::article::ArticleName;
use inventory::audit::{self, Action, Subject};
use inventory::document::{self, IdTaken, Outcome, Requested};
use inventory::pricing::Discount;
use inventory::{CustomerId, VariantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenancy::{DbError, TenantTx, all};
use tokio_postgres::types::Json;
use utoipa::ToSchema;
use values::{ActorId, Barcode, Note, Page, PageRequest, Quantity, Reason, ShortText, Sku};

use crate::ids::{ParkedSaleId, RegisterId};
use crate::sales::asked_line::AskedLine;

/// A line of a parked sale, as it is sold later.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParkedLine {
    /// The variant. null if the line has an SKU or a barcode.
    pub variant_id: Option<VariantId>,
    /// The SKU of the variant.
    pub sku: Option<Sku>,
    /// A barcode of the variant, or of a label that a scale has printed.
    pub barcode: Option<Barcode>,
    /// The quantity, in sale units. null if the label of a scale has the quantity or the amount.
    pub quantity: Option<Quantity>,
    /// The agreed price of one unit. null for the list price.
    #[schema(example = "9.50")]
    pub price: Option<String>,
    /// The reason for the agreed price. null without one.
    pub price_reason: Option<Reason>,
    /// The discount on the line. null for none.
    #[schema(example = "10%")]
    pub discount: Option<String>,
    /// A note on the line. null for none.
    pub note: Option<Note>,
}

impl From<&AskedLine> for ParkedLine {
    fn from(line: &AskedLine) -> Self {
        let (mut variant_id, mut sku, mut barcode) = (None, None, None);
        match line.article.clone() {
            ArticleName::Variant(id) => variant_id = Some(id),
            ArticleName::Sku(text) => sku = Some(text),
            ArticleName::Barcode(code) => barcode = Some(code),
        }
        Self {
            variant_id,
            sku,
            barcode,
            quantity: line.quantity.map(values::Positive::get),
            price: line.price.as_ref().map(|(price, _)| price.get().plain().into()),
            price_reason: line.price.as_ref().map(|(_, reason)| reason.clone()),
            discount: line.discount.map(|discount| discount.to_string()),
            note: line.note.clone(),
        }
    }
}

/// A sale to be parked.
#[derive(Debug, Clone)]
pub struct NewParkedSale {
    /// The chosen or new id, and the fingerprint of the request.
    pub request: Requested<ParkedSaleId>,
    /// The register at which it is parked.
    pub register_id: RegisterId,
    /// The customer; `None` names nobody.
    pub customer_id: Option<CustomerId>,
    /// The text by which the cashiers tell it from others.
    pub label: Option<ShortText>,
    /// 1 to [`inventory::basket::MAX_LINES`] lines.
    pub lines: Vec<AskedLine>,
    /// A discount on the whole sale.
    pub discount: Option<Discount>,
    /// A note on the receipt.
    pub note: Option<Note>,
}

/// A parked sale.
#[derive(Debug, Clone)]
pub struct ParkedSale {
    /// The id.
    pub id: ParkedSaleId,
    /// The register at which it was parked.
    pub register_id: RegisterId,
    /// The customer; `None` names nobody.
    pub customer_id: Option<CustomerId>,
    /// The text by which the cashiers tell it from others.
    pub label: Option<ShortText>,
    /// The lines.
    pub lines: Json<Vec<ParkedLine>>,
    /// A discount on the whole sale.
    pub discount: Option<String>,
    /// A note on the receipt.
    pub note: Option<Note>,
    /// The user or program that parked it.
    pub parked_by: ActorId,
    /// The time at which it was parked.
    pub parked_at: DateTime<Utc>,
    /// The user or program that recalled it.
    pub recalled_by: Option<ActorId>,
    /// The time of the recall; `None` while it waits.
    pub recalled_at: Option<DateTime<Utc>>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(ParkedSale {
    id,
    register_id,
    customer_id,
    label,
    lines,
    discount,
    note,
    parked_by,
    parked_at,
    recalled_by,
    recalled_at,
    version,
});

/// A sale was not parked or recalled.
#[derive(Debug, thiserror::Error)]
pub enum ParkedSaleError {
    /// There is no such parked sale.
    #[error("there is no such parked sale")]
    NotFound,
    /// It has no lines, or too many.
    #[error("the request must have 1 to {} lines", inventory::basket::MAX_LINES)]
    LineCount,
    /// There is no such register.
    #[error("there is no such register")]
    UnknownRegister,
    /// There is no such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// The sale is not parked any more.
    #[error("the sale was recalled already; park it again to recall it again")]
    Recalled,
    /// Another document has the chosen id.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
    /// A query failed.
    #[error("a query about a parked sale failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT id, register_id, customer_id, label, lines, discount, note, parked_by, parked_at, recalled_by,
           recalled_at, version
      FROM parked_sales ";

/// Parks a sale. A repeated request gets it as it is now, and changes nothing.
///
/// # Errors
/// [`ParkedSaleError`]; the caller rolls back.
pub async fn park(
    tx: &TenantTx,
    new: &NewParkedSale,
    actor: ActorId,
) -> Result<Outcome<ParkedSale>, ParkedSaleError> {
    if new.lines.is_empty() || new.lines.len() > inventory::basket::MAX_LINES {
        return Err(ParkedSaleError::LineCount);
    }
    document::once(tx, &new.request, find_repeated(tx, &new.request), park_new(tx, new, actor)).await
}

async fn find_repeated(
    tx: &TenantTx,
    request: &Requested<ParkedSaleId>,
) -> Result<Option<ParkedSale>, ParkedSaleError> {
    const IS_SAME: &str = "SELECT request_hash = $2 FROM parked_sales WHERE id = $1";
    let params: tenancy::Params<'_> = &[&request.id, &request.fingerprint];
    if document::is_repeated::<ParkedSaleError>(tx, request.id, IS_SAME, params).await? {
        Ok(find(tx, request.id).await?)
    } else {
        Ok(None)
    }
}

async fn park_new(tx: &TenantTx, new: &NewParkedSale, actor: ActorId) -> Result<ParkedSale, ParkedSaleError> {
    const INSERT: &str = "
        INSERT INTO parked_sales (id, register_id, customer_id, label, lines, discount, note, parked_by,
                                  parked_at, request_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let NewParkedSale { request: Requested { id, fingerprint, .. }, register_id, .. } = new;
    let lines = Json(new.lines.iter().map(ParkedLine::from).collect::<Vec<_>>());
    let discount = new.discount.map(|discount| discount.to_string());
    let (customer_id, label, note) = (&new.customer_id, &new.label, &new.note);
    let row: tenancy::Params<'_> =
        &[id, register_id, customer_id, label, &lines, &discount, note, &actor, &tx.now(), fingerprint];
    let parked = json!({"label": {"to": label}, "lines": {"to": new.lines.len()}});
    let insert = async { tx.execute(INSERT, row).await };
    let record = audit::record(tx, actor, Action::SaleParked, Subject::Sale((*id).into()), &parked);
    all((insert, record)).await.map_err(|error| match error.constraint() {
        Some("parked_sales_register_id_fkey") => ParkedSaleError::UnknownRegister,
        Some("parked_sales_customer_id_fkey") => ParkedSaleError::UnknownCustomer,
        Some("parked_sales_pkey") => IdTaken((*id).into()).into(),
        _ => ParkedSaleError::Db(error),
    })?;
    find(tx, *id).await?.ok_or(ParkedSaleError::NotFound)
}

/// The parked sale with this id.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: ParkedSaleId) -> Result<Option<ParkedSale>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// A page of the parked sales that wait, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<ParkedSaleId>) -> Result<Page<ParkedSale>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE recalled_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2");
    let rows = tx.rows(LIST, &[&page.below(), &page.limit.and_one()]).await?;
    Ok(page.page(rows, |parked: &ParkedSale| parked.id))
}

/// Recalls a parked sale: of two registers, one gets it.
///
/// # Errors
/// [`ParkedSaleError`]; the caller rolls back.
pub async fn recall(tx: &TenantTx, id: ParkedSaleId, actor: ActorId) -> Result<ParkedSale, ParkedSaleError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR NO KEY UPDATE");
    const RECALL: &str = "
        UPDATE parked_sales SET recalled_by = $2, recalled_at = $3, version = version + 1 WHERE id = $1";
    let mut parked: ParkedSale = tx.row_opt(LOCK, &[&id]).await?.ok_or(ParkedSaleError::NotFound)?;
    if parked.recalled_at.is_some() {
        return Err(ParkedSaleError::Recalled);
    }
    (parked.recalled_by, parked.recalled_at) = (Some(actor), Some(tx.now()));
    parked.version += 1;
    let recall = async { tx.execute(RECALL, &[&id, &actor, &tx.now()]).await };
    let recalled = json!({"label": {"from": parked.label, "to": null}});
    let record = audit::record(tx, actor, Action::SaleRecalled, Subject::Sale(id.into()), &recalled);
    all((recall, record)).await?;
    Ok(parked)
}
