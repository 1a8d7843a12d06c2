//! The documents behind a figure of the report on sales.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use insight::sales_report::{self, DocumentId, DocumentKind, SalesBy, SalesDocument};
use inventory::counter::Counter;
use inventory::settings;
use serde::{Deserialize, Serialize};
use tenancy::{TenantTx, all};
use till::register::receipt_reference;
use utoipa::{IntoParams, ToSchema};
use values::{Amount, Currency, Day, ShortText};

use crate::http::caller::{Caller, may};
use crate::http::lists::{List, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::insight::reports::span_of;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesDocumentView {
    /// The id of the order or the sale.
    id: DocumentId,
    kind: DocumentKind,
    /// The number of the order, or the printed number of the sale.
    #[schema(example = "R1-2026-000042")]
    reference: String,
    /// The last time at which something of the document was sold or came back in the span.
    moved_at: DateTime<Utc>,
    /// The part of the figure: what was sold minus what was refunded, including taxes.
    #[schema(example = "11.60")]
    net: Amount,
    /// The taxes in net.
    #[schema(example = "1.60")]
    tax: Amount,
    /// The cost of the goods.
    #[schema(example = "3.20")]
    cost: Amount,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
}

impl SalesDocumentView {
    fn new(document: SalesDocument, currency: &Currency) -> Self {
        Self {
            id: document.id,
            kind: document.kind,
            reference: match &document.series {
                Some(series) => receipt_reference(series, document.number),
                None => Counter::Order.reference(document.number),
            },
            moved_at: document.moved_at,
            net: currency.format(document.net),
            tax: currency.format_rounded(document.tax),
            cost: currency.format_rounded(document.cost),
            currency: currency.clone(),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportDocuments {
    /// The first day, as in the report. Defaults to 29 days before the last day.
    from: Option<Day>,
    /// The last day, which is included. Defaults to today.
    to: Option<Day>,
    /// The group of sales, as in the report. Defaults to day.
    by: Option<SalesBy>,
    /// The key of the row. Defaults to the row without a key.
    #[param(example = "2026-11-25")]
    key: Option<ShortText>,
}

/// List the documents behind a figure of sales
///
/// Returns the orders and sales that a row of the report on sales consists of, newest first: those with the
/// key of the row in its group. Their net amounts add up to that of the row.
#[utoipa::path(tag = "insight", operation_id = "listReportedDocuments", params(ReportDocuments, Paging),
    responses((status = 200, body = PageView<SalesDocumentView>)))]
#[get("/reports/sales/documents")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    List { query, page }: List<ReportDocuments>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let (by, key) = (query.by.unwrap_or(SalesBy::Day), query.key.as_ref().map(ShortText::as_str));
    let work = async |tx: &TenantTx| {
        let (currency, today) = all((settings::currency(tx), settings::today(tx))).await?;
        let span = span_of(query.from, query.to, today)?;
        Ok::<_, Problem>((currency, sales_report::documents(tx, span, by, key, &page).await?))
    };
    let (currency, page) = state.database.read_snapshot(&caller.scope(), work).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |document| SalesDocumentView::new(document, &currency))))
}
