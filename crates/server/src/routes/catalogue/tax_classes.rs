//! Tax classes: how prices are taxed.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::TaxClassId;
use inventory::tax_class::{self, NewTaxClass, Rate, TaxClass, TaxClassChange, Taxation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{Name, Percent};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, IfMatch, Json, PathId, Query, may};
use crate::http::lists::{PageView, Paging, page_request};
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTaxClass {
    #[schema(value_type = String, max_length = 200, example = "Standard")]
    name: Name,
    /// Whether prices have the taxes in them already.
    inclusive: bool,
    #[schema(min_items = 1, max_items = 5)]
    rates: Vec<RateText>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateText {
    #[schema(example = "VAT")]
    name: String,
    #[schema(value_type = String, example = "16")]
    percent: Percent,
}

impl From<RateText> for Rate {
    fn from(rate: RateText) -> Self {
        Self { name: rate.name.trim().to_owned(), percent: rate.percent }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeTaxClass {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, max_length = 200)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    inclusive: Option<bool>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    rates: Option<Vec<RateText>>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxClassView {
    #[schema(value_type = uuid::Uuid)]
    id: TaxClassId,
    name: String,
    inclusive: bool,
    rates: Vec<RateText>,
    archived: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<TaxClass> for TaxClassView {
    fn from(class: TaxClass) -> Self {
        let rate = |rate: Rate| RateText { name: rate.name, percent: rate.percent };
        Self {
            id: class.id,
            name: class.name,
            inclusive: class.taxation.is_inclusive,
            rates: class.taxation.rates.into_iter().map(rate).collect(),
            archived: class.is_archived,
            created_at: class.created_at,
            updated_at: class.updated_at,
        }
    }
}

/// List tax classes
///
/// Those in use, the oldest first.
#[utoipa::path(tag = "catalogue", params(Paging), responses((status = 200, body = PageView<TaxClassView>)))]
#[get("/tax-classes")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    Query(query): Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let page = state.database.read(&caller.scope(), async |tx| tax_class::list(tx, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, TaxClassView::from)))
}

/// Create a tax class
#[utoipa::path(tag = "catalogue", request_body = CreateTaxClass, responses((status = 201, body = TaxClassView)))]
#[post("/tax-classes")]
pub async fn create(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    request: Idempotency,
    body: Json<CreateTaxClass>,
) -> Result<HttpResponse, Problem> {
    let CreateTaxClass { name, inclusive, rates } = body.value;
    let rates = rates.into_iter().map(Rate::from).collect();
    let new = NewTaxClass { name, taxation: Taxation { is_inclusive: inclusive, rates } };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let id = tax_class::insert(tx, &new, actor).await?;
        let class = tax_class::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(class.version);
        Answer::created(format!("/api/v1/tax-classes/{id}"), tag, &TaxClassView::from(class))
    })
    .await
}

/// Read a tax class
#[utoipa::path(tag = "catalogue", responses((status = 200, body = TaxClassView)), params(("id" = uuid::Uuid, Path,)))]
#[get("/tax-classes/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<TaxClassId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let class = state.database.read(&caller.scope(), async |tx| tax_class::find(tx, id).await).await?;
    let class = class.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(request.headers(), Tag::of_version(class.version), &TaxClassView::from(class)))
}

/// Change a tax class
///
/// Orders that were placed keep what they were charged.
#[utoipa::path(tag = "catalogue", request_body = ChangeTaxClass, responses((status = 200, body = TaxClassView)),
    params(("id" = uuid::Uuid, Path,)))]
#[patch("/tax-classes/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    PathId(id): PathId<TaxClassId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeTaxClass>,
) -> Result<HttpResponse, Problem> {
    let ChangeTaxClass { name, inclusive, rates, archived } = body.value;
    let change = TaxClassChange {
        name,
        is_inclusive: inclusive,
        rates: rates.map(|rates| rates.into_iter().map(Rate::from).collect()),
        is_archived: archived,
        if_version,
    };
    let actor = caller.actor();
    let work = async |tx: &tenancy::TenantTx| {
        tax_class::update(tx, id, &change, actor).await?;
        tax_class::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    let class = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(Tag::of_version(class.version), &TaxClassView::from(class)))
}
