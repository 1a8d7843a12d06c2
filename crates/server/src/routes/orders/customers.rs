//! Customers: who buys.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::CustomerId;
use inventory::customer::{self, Customer, CustomerChange, NewCustomer};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use values::{Cursor, Limit, Name, Note, ShortText};

use crate::http::etag::{self, Tag};
use crate::http::extract::{Caller, Idempotency, IfMatch, Json, PathId, Query, may};
use crate::http::lists::{PageView, page_request, search_text};
use crate::http::once::{self, Answer, Key};
use crate::http::problem::Problem;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCustomer {
    #[schema(value_type = String, max_length = 200, example = "Ann Smith")]
    name: Name,
    #[schema(value_type = Option<String>, max_length = 200, example = "ann@example.com")]
    email: Option<ShortText>,
    #[schema(value_type = Option<String>, max_length = 200)]
    phone: Option<ShortText>,
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeCustomer {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, value_type = Option<String>, max_length = 200)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    email: Option<Option<ShortText>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    phone: Option<Option<ShortText>>,
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    note: Option<Option<Note>>,
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerView {
    #[schema(value_type = uuid::Uuid)]
    id: CustomerId,
    name: String,
    email: Option<String>,
    phone: Option<String>,
    note: Option<String>,
    archived: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        Self {
            id: customer.id,
            name: customer.name,
            email: customer.email,
            phone: customer.phone,
            note: customer.note,
            archived: customer.is_archived,
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListCustomers {
    /// Anywhere in the name, whatever the letter case.
    #[param(value_type = Option<String>, max_length = 100)]
    q: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// List customers
///
/// Those in use, newest first.
#[utoipa::path(tag = "orders", params(ListCustomers), responses((status = 200, body = PageView<CustomerView>)))]
#[get("/customers")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    Query(query): Query<ListCustomers>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let search = search_text(query.q.as_deref())?;
    let page = state
        .database
        .read(&caller.scope(), async |tx| customer::list(tx, search.as_ref(), &page).await)
        .await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, CustomerView::from)))
}

/// Create a customer
#[utoipa::path(tag = "orders", request_body = CreateCustomer, responses((status = 201, body = CustomerView)))]
#[post("/customers")]
pub async fn create(
    state: web::Data<State>,
    caller: Caller<may::OrdersPlace>,
    request: Idempotency,
    body: Json<CreateCustomer>,
) -> Result<HttpResponse, Problem> {
    let CreateCustomer { name, email, phone, note } = body.value;
    let new = NewCustomer { name, email, phone, note };
    let actor = caller.actor();
    once::run(&state.database, &caller, &request, &body.bytes, Key::Optional, async |tx| {
        let id = customer::insert(tx, &new, actor).await?;
        let customer = customer::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(customer.version);
        Answer::created(format!("/api/v1/customers/{id}"), tag, &CustomerView::from(customer))
    })
    .await
}

/// Read a customer
#[utoipa::path(tag = "orders", responses((status = 200, body = CustomerView)), params(("id" = uuid::Uuid, Path,)))]
#[get("/customers/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    PathId(id): PathId<CustomerId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let customer = state.database.read(&caller.scope(), async |tx| customer::find(tx, id).await).await?;
    let customer = customer.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(request.headers(), Tag::of_version(customer.version), &CustomerView::from(customer)))
}

/// Change a customer
#[utoipa::path(tag = "orders", request_body = ChangeCustomer, responses((status = 200, body = CustomerView)),
    params(("id" = uuid::Uuid, Path,)))]
#[patch("/customers/{id}")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::OrdersPlace>,
    PathId(id): PathId<CustomerId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeCustomer>,
) -> Result<HttpResponse, Problem> {
    let ChangeCustomer { name, email, phone, note, archived } = body.value;
    let change = CustomerChange { name, email, phone, note, is_archived: archived, if_version };
    let customer = update(&state, &caller, id, &change).await?;
    Ok(etag::changed(Tag::of_version(customer.version), &CustomerView::from(customer)))
}

/// Archive a customer
///
/// He leaves the lists; orders keep him. PATCH `{"archived": false}` brings him back.
#[utoipa::path(tag = "orders", responses((status = 204, description = "Archived")), params(("id" = uuid::Uuid, Path,)))]
#[delete("/customers/{id}")]
pub async fn archive(
    state: web::Data<State>,
    caller: Caller<may::OrdersPlace>,
    PathId(id): PathId<CustomerId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let change = CustomerChange { is_archived: Some(true), if_version, ..CustomerChange::default() };
    update(&state, &caller, id, &change).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn update(
    state: &State,
    caller: &Caller<may::OrdersPlace>,
    id: CustomerId,
    change: &CustomerChange,
) -> Result<Customer, Problem> {
    let actor = caller.actor();
    let work = async |tx: &tenancy::TenantTx| {
        customer::update(tx, id, change, actor).await?;
        customer::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    state.database.write(&caller.scope(), work).await
}
