//! Tax classes: how the prices of a product are taxed.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::TaxClassId;
use inventory::tax_class::{self, NewTaxClass, Rate, TaxClass, TaxClassChange, Taxation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{Name, Percent, Share};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};

/// A tax rate of a tax class.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRate {
    /// The name of the tax, such as VAT. It must be unique in the tax class.
    name: Name,
    /// The tax rate in percent, 0 to 100.
    #[schema(value_type = Share)]
    percent: Percent,
}

fn rates_of(rates: Vec<NewRate>) -> Vec<Rate> {
    rates.into_iter().map(|NewRate { name, percent }| Rate { name, percent }).collect()
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTaxClass {
    /// The name of the tax class. It must be unique in the business.
    name: Name,
    /// true: prices include the taxes. false: the taxes are added to the prices.
    inclusive: bool,
    /// The tax rates, one to five, each with a different name.
    #[schema(min_items = 1, max_items = 5)]
    rates: Vec<NewRate>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeTaxClass {
    /// The name of the tax class. It must be unique in the business.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// true: prices include the taxes. false: the taxes are added to the prices.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    inclusive: Option<bool>,
    /// The new tax rates. They replace all present rates.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, min_items = 1, max_items = 5)]
    rates: Option<Vec<NewRate>>,
    /// true archives the tax class. false restores it.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxClassView {
    id: TaxClassId,
    /// The name of the tax class. It must be unique in the business.
    name: Name,
    /// true: prices include the taxes. false: the taxes are added to the prices.
    inclusive: bool,
    /// The tax rates.
    rates: Vec<Rate>,
    /// Whether the tax class is archived.
    archived: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<TaxClass> for TaxClassView {
    fn from(class: TaxClass) -> Self {
        Self {
            id: class.id,
            name: class.name,
            inclusive: class.is_inclusive,
            rates: class.rates.0,
            archived: class.archived_at.is_some(),
            created_at: class.created_at,
            updated_at: class.updated_at,
        }
    }
}

/// List tax classes
///
/// Returns the tax classes that are not archived, oldest first.
#[utoipa::path(tag = "catalogue", operation_id = "listTaxClasses", params(Paging),
    responses((status = 200, body = PageView<TaxClassView>)))]
#[get("/tax-classes")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let page = state.database.read(&caller.scope(), async |tx| tax_class::list(tx, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, TaxClassView::from)))
}

/// Create a tax class
///
/// A tax class has one or more rates, which are charged together.
#[utoipa::path(tag = "catalogue", operation_id = "createTaxClass", request_body = CreateTaxClass,
    responses((status = 201, body = TaxClassView)))]
#[post("/tax-classes")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::SettingsWrite, CreateTaxClass>,
) -> Result<HttpResponse, Problem> {
    let CreateTaxClass { name, inclusive, rates } = body;
    let new = NewTaxClass { name, taxation: Taxation { is_inclusive: inclusive, rates: rates_of(rates) } };
    let actor = once.actor();
    once.run(&state.database, Key::Optional, async |tx| {
        let id = tax_class::insert(tx, &new, actor).await?;
        let class = tax_class::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(class.version);
        Answer::created(format!("/api/v1/tax-classes/{id}"), tag, &TaxClassView::from(class))
    })
    .await
}

/// Read a tax class
///
/// Returns a tax class with its rates, also if it is archived.
#[utoipa::path(tag = "catalogue", operation_id = "readTaxClass",
    responses((status = 200, body = TaxClassView)), params(("id" = TaxClassId, Path,)))]
#[get("/tax-classes/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<TaxClassId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let class = state.database.read(&caller.scope(), async |tx| tax_class::find(tx, id).await).await?;
    let class = class.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(class.version), &TaxClassView::from(class)))
}

/// Change a tax class
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged. Placed orders keep
/// their taxes.
#[utoipa::path(tag = "catalogue", operation_id = "changeTaxClass", request_body = ChangeTaxClass,
    responses((status = 200, body = TaxClassView)), params(("id" = TaxClassId, Path,)))]
#[patch("/tax-classes/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    PathId(id): PathId<TaxClassId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeTaxClass>,
) -> Result<HttpResponse, Problem> {
    let ChangeTaxClass { name, inclusive, rates, archived } = body.value;
    let rates = rates.map(rates_of);
    let change = TaxClassChange { name, is_inclusive: inclusive, rates, is_archived: archived, if_version };
    let actor = caller.actor();
    let work = async |tx: &tenancy::TenantTx| {
        tax_class::update(tx, id, &change, actor).await?;
        tax_class::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    let class = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(Tag::of_version(class.version), &TaxClassView::from(class)))
}
