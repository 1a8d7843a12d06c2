//! Locations: where stock is kept.

use actix_web::{HttpRequest, HttpResponse, get, patch, post, web};
use inventory::LocationId;
use inventory::location::{self, Location, LocationChange};
use inventory::under_way::{self, Closing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::Name;

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLocation {
    /// The name of the location. It must be unique in the business.
    name: Name,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeLocation {
    /// The name of the location. It must be unique in the business.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// true archives the location. false restores it. A location with stock, and the default location, cannot
    /// be archived.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationView {
    id: LocationId,
    /// The name of the location. It must be unique in the business.
    name: Name,
    /// Whether documents without a location use this location.
    is_default: bool,
    /// Whether the location is archived.
    archived: bool,
}

impl From<Location> for LocationView {
    fn from(location: Location) -> Self {
        Self {
            id: location.id,
            name: location.name,
            is_default: location.is_default,
            archived: location.archived_at.is_some(),
        }
    }
}

/// List locations
///
/// Returns the locations that are not archived, oldest first. The first location is the default location.
#[utoipa::path(tag = "stock", operation_id = "listLocations", params(Paging),
    responses((status = 200, body = PageView<LocationView>)))]
#[get("/locations")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let page = state.database.read(&caller.scope(), async |tx| location::list(tx, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, LocationView::from)))
}

/// Create a location
///
/// A location is a place where stock is kept. Each business has at least one.
#[utoipa::path(tag = "stock", operation_id = "createLocation", request_body = CreateLocation,
    responses((status = 201, body = LocationView)))]
#[post("/locations")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::SettingsWrite, CreateLocation>,
) -> Result<HttpResponse, Problem> {
    let name = body.name;
    once.run(&state.database, Key::Optional, async |tx| {
        let id = location::insert(tx, &name, once.actor()).await?;
        let location = location::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(location.version);
        Answer::created(format!("/api/v1/locations/{id}"), tag, &LocationView::from(location))
    })
    .await
}

/// Read a location
///
/// Returns a location, also if it is archived.
#[utoipa::path(tag = "stock", operation_id = "readLocation", responses((status = 200, body = LocationView)),
    params(("id" = LocationId, Path,)))]
#[get("/locations/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::StockRead>,
    PathId(id): PathId<LocationId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let location = state.database.read(&caller.scope(), async |tx| location::find(tx, id).await).await?;
    let location = location.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(location.version), &LocationView::from(location)))
}

/// Change a location
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged.
#[utoipa::path(tag = "stock", operation_id = "changeLocation", request_body = ChangeLocation,
    responses((status = 200, body = LocationView)), params(("id" = LocationId, Path,)))]
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
        if change.is_archived == Some(true) {
            under_way::refuse(tx, Closing::Location(id)).await?;
        }
        location::update(tx, id, &change, actor).await?;
        location::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    let location = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(Tag::of_version(location.version), &LocationView::from(location)))
}
