//! The apps of the installation, for the platform's staff.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, delete, get, put, web};
use identity::AppSlug;
use identity::app::{self, App, AppDefinition, Applied};
use serde::Serialize;
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;

use crate::http::caller::{Staff, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppView {
    /// The short name of the app: the audience of its tokens.
    #[schema(example = "payroll")]
    slug: AppSlug,
    /// Whether the app comes with the program. Such an app cannot be changed.
    is_built_in: bool,
    #[serde(flatten)]
    definition: AppDefinition,
}

impl From<App> for AppView {
    fn from(app: App) -> Self {
        Self { slug: app.slug, is_built_in: app.is_built_in, definition: app.definition }
    }
}

/// List apps
///
/// Returns the apps to which people sign in here, with their roles and permissions.
#[utoipa::path(tag = "platform", operation_id = "listApps",
    responses((status = 200, body = PageView<AppView>)))]
#[get("/platform/apps")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let apps = state.database.read_shared(SharedScope::Platform, async |tx| app::list(tx).await).await?;
    Ok(HttpResponse::Ok().json(PageView::whole(apps, AppView::from)))
}

async fn find(state: &State, slug: &AppSlug) -> Result<App, Problem> {
    let find = async |tx: &SharedTx| app::find(tx, slug).await;
    state.database.read_shared(SharedScope::Platform, find).await?.ok_or_else(Problem::not_found)
}

/// Read an app
///
/// Returns an app with its roles and permissions.
#[utoipa::path(tag = "platform", operation_id = "readApp", responses((status = 200, body = AppView)),
    params(("slug" = AppSlug, Path,)))]
#[get("/platform/apps/{slug}")]
pub async fn show(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    PathId(slug): PathId<AppSlug>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let app = find(&state, &slug).await?;
    Ok(etag::respond(&request, Tag::of_version(app.version), &AppView::from(app)))
}

/// Register or replace an app
///
/// Registers an app with its permissions and roles, or replaces its definition. Repeating the request changes
/// nothing. A permission that is left out disappears from all roles, also from those of businesses. A role
/// that members have cannot be left out.
#[utoipa::path(tag = "platform", operation_id = "putApp", request_body = AppDefinition,
    responses((status = 200, body = AppView), (status = 201, body = AppView)),
    params(("slug" = AppSlug, Path,)))]
#[put("/platform/apps/{slug}")]
pub async fn put(
    state: web::Data<State>,
    staff: Recent<Staff<may::AppsWrite>>,
    PathId(slug): PathId<AppSlug>,
    IfMatch(if_version): IfMatch,
    body: Json<AppDefinition>,
) -> Result<HttpResponse, Problem> {
    let operator = state.operator(&staff)?;
    let applied = operator.apply_app(&slug, &body.value, if_version).await?;
    let app = find(&state, &slug).await?;
    let tag = Tag::of_version(app.version);
    if applied != Applied::Registered {
        return Ok(etag::changed(tag, &AppView::from(app)));
    }
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/platform/apps/{slug}")))
        .insert_header((header::ETAG, tag.to_string()))
        .json(AppView::from(app)))
}

/// Remove an app
///
/// Removes an app that has no members, with its permissions and roles.
#[utoipa::path(tag = "platform", operation_id = "removeApp",
    responses((status = 204, description = "Removed")), params(("slug" = AppSlug, Path,)))]
#[delete("/platform/apps/{slug}")]
pub async fn remove(
    state: web::Data<State>,
    staff: Recent<Staff<may::AppsWrite>>,
    PathId(slug): PathId<AppSlug>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.remove_app(&slug).await?;
    Ok(HttpResponse::NoContent().finish())
}
