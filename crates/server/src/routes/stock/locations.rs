//! Where stock is kept.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use inventory::LocationId;
use inventory::location::{self, Location, LocationChange};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::Name;

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, IfMatch, Json, PathId, Query, may};
use crate::http::lists::{PageView, Paging, page_request};
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLocation {
    #[schema(value_type = String, max_length = 200, example = "Warehouse")]
    name: Name,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeLocation {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, max_length = 200)]
    name: Option<Name>,
    /// An empty location only, and not the default one.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationView {
    #[schema(value_type = uuid::Uuid)]
    id: LocationId,
    name: String,
    is_default: bool,
    archived: bool,
}

impl From<Location> for LocationView {
    fn from(location: Location) -> Self {
        Self {
            id: location.id,
            name: location.name,
            is_default: location.is_default,
            archived: location.is_archived,
        }
    }
}

/// List locations
///
/// Those in use, the oldest first: that is the default one.
#[utoipa::path(tag = "stock", params(Paging), responses((status = 200, body = PageView<LocationView>)))]
#[get("/locations")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    Query(query): Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let page = state.database.read(&caller.scope(), async |tx| location::list(tx, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, LocationView::from)))
}

/// Create a location
#[utoipa::path(tag = "stock", request_body = CreateLocation, responses((status = 201, body = LocationView)))]
#[post("/locations")]
pub async fn create(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    request: Idempotency,
    body: Json<CreateLocation>,
) -> Result<HttpResponse, Problem> {
    let (name, actor) = (body.value.name, caller.actor());
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let id = location::insert(tx, &name, actor).await?;
        let location = location::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(location.version);
        Answer::created(format!("/api/v1/locations/{id}"), tag, &LocationView::from(location))
    })
    .await
}

/// Read a location
#[utoipa::path(tag = "stock", responses((status = 200, body = LocationView)), params(("id" = uuid::Uuid, Path,)))]
#[get("/locations/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(id): PathId<LocationId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let location = state.database.read(&caller.scope(), async |tx| location::find(tx, id).await).await?;
    let location = location.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(request.headers(), Tag::of_version(location.version), &LocationView::from(location)))
}

/// Change a location
#[utoipa::path(tag = "stock", request_body = ChangeLocation, responses((status = 200, body = LocationView)),
    params(("id" = uuid::Uuid, Path,)))]
#[patch("/locations/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    PathId(id): PathId<LocationId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeLocation>,
) -> Result<HttpResponse, Problem> {
    let change = LocationChange { name: body.value.name, is_archived: body.value.archived, if_version };
    let actor = caller.actor();
    let work = async |tx: &tenancy::TenantTx| {
        location::update(tx, id, &change, actor).await?;
        location::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    let location = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(Tag::of_version(location.version), &LocationView::from(location)))
}
