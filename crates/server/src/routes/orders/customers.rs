//! Customers.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use inventory::CustomerId;
use inventory::customer::{self, Customer, CustomerChange, NewCustomer};
use inventory::under_way::{self, Closing};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use values::{Cursor, Limit, Name, Note, ShortText};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId, Query};
use crate::http::lists::{PageView, page_request, search_text};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCustomer {
    /// The name of the customer.
    name: Name,
    /// The email address of the customer. The server does not check it.
    email: Option<ShortText>,
    /// The telephone number of the customer. The server does not check it.
    phone: Option<ShortText>,
    /// A note about the customer.
    note: Option<Note>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeCustomer {
    /// The name of the customer.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// The email address of the customer. The server does not check it.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    email: Option<Option<ShortText>>,
    /// The telephone number of the customer. The server does not check it.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    phone: Option<Option<ShortText>>,
    /// A note about the customer.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    note: Option<Option<Note>>,
    /// true archives the customer. false restores it.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    archived: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerView {
    id: CustomerId,
    /// The name of the customer.
    name: Name,
    /// The email address of the customer. The server does not check it.
    email: Option<ShortText>,
    /// The telephone number of the customer. The server does not check it.
    phone: Option<ShortText>,
    /// A note about the customer.
    note: Option<Note>,
    /// Whether the customer is archived.
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
            archived: customer.archived_at.is_some(),
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListCustomers {
    /// A part of the name, of the email or of the telephone number. The search ignores upper and lower case,
    /// and how a telephone number is written. Defaults to all customers.
    q: Option<String>,
    /// The number of rows on a page, 1 to 100. Defaults to 50.
    limit: Option<Limit>,
    /// The nextCursor of the previous page. Defaults to the first page.
    cursor: Option<Cursor>,
}

/// List customers
///
/// Returns the customers that are not archived, newest first.
#[utoipa::path(tag = "orders", operation_id = "listCustomers", params(ListCustomers),
    responses((status = 200, body = PageView<CustomerView>)))]
#[get("/customers")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    Query(query): Query<ListCustomers>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor.as_ref())?;
    let search = search_text(query.q.as_deref())?;
    let page = state
        .database
        .read(&caller.scope(), async |tx| customer::list(tx, search.as_ref(), &page).await)
        .await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, CustomerView::from)))
}

/// Create a customer
#[utoipa::path(tag = "orders", operation_id = "createCustomer", request_body = CreateCustomer,
    responses((status = 201, body = CustomerView)))]
#[post("/customers")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::OrdersPlace, CreateCustomer>,
) -> Result<HttpResponse, Problem> {
    let CreateCustomer { name, email, phone, note } = body;
    let new = NewCustomer { name, email, phone, note };
    let actor = once.actor();
    once.run(&state.database, Key::Optional, async |tx| {
        let id = customer::insert(tx, &new, actor).await?;
        let customer = customer::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(customer.version);
        Answer::created(format!("/api/v1/customers/{id}"), tag, &CustomerView::from(customer))
    })
    .await
}

/// Read a customer
#[utoipa::path(tag = "orders", operation_id = "readCustomer", responses((status = 200, body = CustomerView)),
    params(("id" = CustomerId, Path,)))]
#[get("/customers/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::OrdersRead>,
    PathId(id): PathId<CustomerId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let customer = state.database.read(&caller.scope(), async |tx| customer::find(tx, id).await).await?;
    let customer = customer.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(customer.version), &CustomerView::from(customer)))
}

/// Change a customer
///
/// The body is a JSON Merge Patch (RFC 7396): a field that is left out stays unchanged, and null removes a
/// value.
#[utoipa::path(tag = "orders", operation_id = "changeCustomer", request_body = ChangeCustomer,
    responses((status = 200, body = CustomerView)), params(("id" = CustomerId, Path,)))]
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
/// Archived customers are left out of lists; their orders keep them. PATCH `{"archived": false}` restores the
/// customer.
#[utoipa::path(tag = "orders", operation_id = "archiveCustomer",
    responses((status = 204, description = "Archived")), params(("id" = CustomerId, Path,)))]
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
        if change.is_archived == Some(true) {
            under_way::refuse(tx, Closing::Customer(id)).await?;
        }
        customer::update(tx, id, change, actor).await?;
        customer::find(tx, id).await?.ok_or_else(Problem::not_found)
    };
    state.database.write(&caller.scope(), work).await
}
