//! Categories of the catalogue.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::CategoryId;
use inventory::category::{self, Category, CategoryChange, NewCategory};
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCategory {
    #[schema(value_type = String, max_length = 200, example = "Fasteners")]
    name: Name,
    #[schema(value_type = Option<uuid::Uuid>)]
    parent_id: Option<CategoryId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeCategory {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, max_length = 200)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<uuid::Uuid>)]
    parent_id: Option<Option<CategoryId>>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryView {
    #[schema(value_type = uuid::Uuid)]
    id: CategoryId,
    name: String,
    #[schema(value_type = Option<uuid::Uuid>)]
    parent_id: Option<CategoryId>,
    archived: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Category> for CategoryView {
    fn from(category: Category) -> Self {
        Self {
            id: category.id,
            name: category.name,
            parent_id: category.parent_id,
            archived: category.is_archived,
            created_at: category.created_at,
            updated_at: category.updated_at,
        }
    }
}

/// List categories
///
/// Those in use, newest first.
#[utoipa::path(tag = "catalogue", params(Paging), responses((status = 200, body = PageView<CategoryView>)))]
#[get("/categories")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    Query(query): Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let page = state.database.read(&caller.scope(), async |tx| category::list(tx, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, CategoryView::from)))
}

/// Create a category
#[utoipa::path(tag = "catalogue", request_body = CreateCategory, responses((status = 201, body = CategoryView)))]
#[post("/categories")]
pub async fn create(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    request: Idempotency,
    body: Json<CreateCategory>,
) -> Result<HttpResponse, Problem> {
    let new = NewCategory { name: body.value.name, parent_id: body.value.parent_id };
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let id = category::insert(tx, &new).await?;
        let category = category::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(category.version);
        Answer::created(format!("/api/v1/categories/{id}"), tag, &CategoryView::from(category))
    })
    .await
}

/// Read a category
#[utoipa::path(tag = "catalogue", responses((status = 200, body = CategoryView)), params(("id" = uuid::Uuid, Path,)))]
#[get("/categories/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<CategoryId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let category = state.database.read(&caller.scope(), async |tx| category::find(tx, id).await).await?;
    let category = category.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(request.headers(), Tag::of_version(category.version), &CategoryView::from(category)))
}

/// Change a category
#[utoipa::path(tag = "catalogue", request_body = ChangeCategory, responses((status = 200, body = CategoryView)),
    params(("id" = uuid::Uuid, Path,)))]
#[patch("/categories/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(id): PathId<CategoryId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeCategory>,
) -> Result<HttpResponse, Problem> {
    let ChangeCategory { name, parent_id, archived } = body.value;
    let change = CategoryChange { name, parent_id, is_archived: archived, if_version };
    let category = update(&state, &caller, id, &change).await?;
    Ok(etag::changed(Tag::of_version(category.version), &CategoryView::from(category)))
}

/// Archive a category
///
/// It leaves the lists; products keep it. PATCH `{"archived": false}` brings it back.
#[utoipa::path(tag = "catalogue", responses((status = 204, description = "Archived")), params(("id" = uuid::Uuid, Path,)))]
#[delete("/categories/{id}")]
pub async fn archive(
    state: web::Data<State>,
    caller: Caller<may::CatalogueWrite>,
    PathId(id): PathId<CategoryId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let change = CategoryChange { is_archived: Some(true), if_version, ..CategoryChange::default() };
    update(&state, &caller, id, &change).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn update(
    state: &State,
    caller: &Caller<may::CatalogueWrite>,
    id: CategoryId,
    change: &CategoryChange,
) -> Result<Category, Problem> {
    let work = async |tx: &tenancy::TenantTx| {
        category::update(tx, id, change).await?;
        category::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    state.database.write(&caller.scope(), work).await
}
