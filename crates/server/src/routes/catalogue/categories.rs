//! Categories of the catalogue.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::CategoryId;
use inventory::category::{self, Category, CategoryChange, NewCategory};
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCategory {
    /// The name of the category. It must be unique below the same parent.
    name: Name,
    /// The category above this one. Defaults to none: a category at the top.
    parent_id: Option<CategoryId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeCategory {
    /// The name of the category. It must be unique below the same parent.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// The category above this one. null moves the category to the top.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    parent_id: Option<Option<CategoryId>>,
    /// true archives the category. false restores it.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryView {
    id: CategoryId,
    /// The name of the category. It must be unique below the same parent.
    name: Name,
    /// The category above this one; null at the top.
    parent_id: Option<CategoryId>,
    /// Whether the category is archived.
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
            archived: category.archived_at.is_some(),
            created_at: category.created_at,
            updated_at: category.updated_at,
        }
    }
}

/// List categories
///
/// Returns the categories that are not archived, newest first.
#[utoipa::path(tag = "catalogue", operation_id = "listCategories", params(Paging),
    responses((status = 200, body = PageView<CategoryView>)))]
#[get("/categories")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let page = state.database.read(&caller.scope(), async |tx| category::list(tx, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, CategoryView::from)))
}

/// Create a category
///
/// A category has a name and, if it is below another category, a parent.
#[utoipa::path(tag = "catalogue", operation_id = "createCategory", request_body = CreateCategory,
    responses((status = 201, body = CategoryView)))]
#[post("/categories")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::CatalogueWrite, CreateCategory>,
) -> Result<HttpResponse, Problem> {
    let new = NewCategory { name: body.name, parent_id: body.parent_id };
    once.run(&state.database, Key::Optional, async |tx| {
        let id = category::insert(tx, &new, once.actor()).await?;
        let category = category::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(category.version);
        Answer::created(format!("/api/v1/categories/{id}"), tag, &CategoryView::from(category))
    })
    .await
}

/// Read a category
///
/// Returns a category, also if it is archived.
#[utoipa::path(tag = "catalogue", operation_id = "readCategory",
    responses((status = 200, body = CategoryView)), params(("id" = CategoryId, Path,)))]
#[get("/categories/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(id): PathId<CategoryId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let category = state.database.read(&caller.scope(), async |tx| category::find(tx, id).await).await?;
    let category = category.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(category.version), &CategoryView::from(category)))
}

/// Change a category
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value.
#[utoipa::path(tag = "catalogue", operation_id = "changeCategory", request_body = ChangeCategory,
    responses((status = 200, body = CategoryView)), params(("id" = CategoryId, Path,)))]
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
/// Archived categories are left out of lists; their products keep them. PATCH `{"archived": false}` restores
/// the category.
#[utoipa::path(tag = "catalogue", operation_id = "archiveCategory",
    responses((status = 204, description = "Archived")), params(("id" = CategoryId, Path,)))]
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
        category::update(tx, id, change, caller.actor()).await?;
        category::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    state.database.write(&caller.scope(), work).await
}
