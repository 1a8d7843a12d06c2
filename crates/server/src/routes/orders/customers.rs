//! Customers.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use identity::Permission;
use inventory::CustomerId;
use inventory::customer::{self, Customer, CustomerChange, NewCustomer};
use inventory::own_keys::{OwnKeys, OwnKeysChange};
use inventory::under_way::{self, Closing};
use serde::{Deserialize, Serialize};
use tenancy::TenantTx;
use utoipa::{IntoParams, ToSchema};
use values::{
    Amount, Currency, Email, ExternalId, ExternalSource, Metadata, MetadataPatch, Money, Name, NonNegative,
    Note, SearchQuery, ShortText,
};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId};
use crate::http::listed::{Listed, Picks};
use crate::http::lists::{PageView, Paging};
use crate::http::money::with_currency;
use crate::http::own_keys::OwnKeysView;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCustomer {
    /// The name of the customer.
    name: Name,
    /// The email address of the customer.
    #[schema(value_type = Option<Email>)]
    email: Option<ShortText>,
    /// The telephone number of the customer. The server does not check it.
    phone: Option<ShortText>,
    /// A note about the customer.
    note: Option<Note>,
    /// true: the customer pays no taxes, and prices that include taxes are reduced by them. Requires the
    /// permission till.approve. Defaults to false.
    tax_exempt: Option<bool>,
    /// The credit limit: the largest debt at the till. Requires the permission till.approve. Defaults to 0.
    credit_limit: Option<NonNegative<Money>>,
    /// The id of the customer in another program. It must be unique for each externalSource. Defaults to
    /// none.
    external_id: Option<ExternalId>,
    /// The program of the externalId, such as shopify. Defaults to `default`.
    external_source: Option<ExternalSource>,
    /// Notes of that program. Defaults to none.
    metadata: Option<Metadata>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeCustomer {
    /// The name of the customer.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// The email address of the customer.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    #[schema(value_type = Option<Email>)]
    email: Option<Option<ShortText>>,
    /// The telephone number of the customer. The server does not check it.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    phone: Option<Option<ShortText>>,
    /// A note about the customer.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    note: Option<Option<Note>>,
    /// true: the customer pays no taxes. Existing orders and sales keep their amounts until the lines of an
    /// order are changed. Requires the permission till.approve.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    tax_exempt: Option<bool>,
    /// The credit limit: the largest debt at the till. Requires the permission till.approve.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    credit_limit: Option<NonNegative<Money>>,
    /// The id of the customer in another program. null removes it with its externalSource.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_id: Option<Option<ExternalId>>,
    /// The program of the externalId. null means `default`.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    external_source: Option<Option<ExternalSource>>,
    /// Changes of the notes of that program. null removes all notes.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    metadata: Option<Option<MetadataPatch>>,
    /// true archives the customer. false restores it. Requires the permission orders.place or till.approve.
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
    /// The email address of the customer.
    email: Option<ShortText>,
    /// The telephone number of the customer. The server does not check it.
    phone: Option<ShortText>,
    /// A note about the customer.
    note: Option<Note>,
    /// true if the customer pays no taxes.
    tax_exempt: bool,
    /// The credit limit: the largest debt of the customer at the till.
    #[schema(example = "250.00")]
    credit_limit: Amount,
    #[serde(flatten)]
    own_keys: OwnKeysView,
    /// Whether the customer is archived.
    archived: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl CustomerView {
    fn new(customer: Customer, currency: &Currency) -> Self {
        Self {
            tax_exempt: customer.is_tax_exempt,
            credit_limit: currency.format(customer.credit_limit),
            id: customer.id,
            name: customer.name,
            email: customer.email,
            phone: customer.phone,
            note: customer.note,
            own_keys: customer.own_keys.into(),
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
    q: Option<SearchQuery>,
}

/// List customers
///
/// Returns the customers that are not archived, newest first.
#[utoipa::path(tag = "orders", operation_id = "listCustomers", params(ListCustomers, Picks, Paging),
    responses((status = 200, body = PageView<CustomerView>)))]
#[get("/customers")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::CustomersRead>,
    listed: Listed<ListCustomers>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope();
    let (query, page) = match listed {
        Listed::Page { query, page } => (query, page.request()?),
        Listed::Changes(changes) => {
            let changed = changes.settled(&state.database, &scope).await?;
            let read = async |tx: &TenantTx| with_currency(tx, customer::changed(tx, &changed)).await;
            let (currency, page) = state.database.read(&scope, read).await?;
            return Ok(
                HttpResponse::Ok().json(PageView::new(page, |record| CustomerView::new(record, &currency)))
            );
        }
        Listed::Named(named) => {
            let read = async |tx: &TenantTx| with_currency(tx, customer::named(tx, &named)).await;
            let (currency, found) = state.database.read(&scope, read).await?;
            let view = |customer| CustomerView::new(customer, &currency);
            return Ok(HttpResponse::Ok().json(PageView::whole(found, view)));
        }
    };
    let search = query.q.and_then(SearchQuery::text);
    let list = async |tx: &TenantTx| with_currency(tx, customer::list(tx, search.as_ref(), &page)).await;
    let (currency, page) = state.database.read(&scope, list).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, |customer| CustomerView::new(customer, &currency))))
}

/// Create a customer
///
/// Only the name is required. Customers with the same telephone number or email are allowed.
#[utoipa::path(tag = "orders", operation_id = "createCustomer", request_body = CreateCustomer,
    responses((status = 201, body = CustomerView)))]
#[post("/customers")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::CustomersWrite, CreateCustomer>,
) -> Result<HttpResponse, Problem> {
    let CreateCustomer { name, email, phone, note, tax_exempt, credit_limit, .. } = body;
    let own_keys = OwnKeys::new(body.external_id, body.external_source, body.metadata)?;
    check_terms(&once.caller, tax_exempt, credit_limit)?;
    let (is_tax_exempt, credit_limit) = (tax_exempt.unwrap_or_default(), credit_limit.unwrap_or_default());
    let new = NewCustomer { name, email, phone, note, is_tax_exempt, credit_limit, own_keys };
    let actor = once.actor();
    once.run(&state.database, Key::Optional, async |tx| {
        let id = customer::insert(tx, &new, actor).await?;
        let (currency, customer) = with_currency(tx, customer::find(tx, id)).await?;
        let customer = customer.ok_or_else(Problem::not_found)?;
        let tag = Tag::of_version(customer.version);
        Answer::created(format!("/api/v1/customers/{id}"), tag, &CustomerView::new(customer, &currency))
    })
    .await
}

/// Read a customer
///
/// Returns a customer, also if the customer is archived.
#[utoipa::path(tag = "orders", operation_id = "readCustomer", responses((status = 200, body = CustomerView)),
    params(("id" = CustomerId, Path,)))]
#[get("/customers/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CustomersRead>,
    PathId(id): PathId<CustomerId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let read = async |tx: &TenantTx| with_currency(tx, customer::find(tx, id)).await;
    let (currency, customer) = state.database.read(&caller.scope(), read).await?;
    let customer = customer.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(customer.version), &CustomerView::new(customer, &currency)))
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
    caller: Caller<may::CustomersWrite>,
    PathId(id): PathId<CustomerId>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeCustomer>,
) -> Result<HttpResponse, Problem> {
    let ChangeCustomer {
        name,
        email,
        phone,
        note,
        tax_exempt,
        credit_limit,
        external_id,
        external_source,
        metadata,
        archived,
    } = body.value;
    check_terms(&caller, tax_exempt, credit_limit)?;
    if archived.is_some() {
        check_archiving(&caller)?;
    }
    let change = CustomerChange {
        name,
        email,
        phone,
        note,
        is_tax_exempt: tax_exempt,
        credit_limit,
        own_keys: OwnKeysChange { external_id, external_source, metadata },
        is_archived: archived,
        if_version,
    };
    let (currency, customer) = update(&state, &caller, id, &change).await?;
    Ok(etag::changed(Tag::of_version(customer.version), &CustomerView::new(customer, &currency)))
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
    caller: Caller<may::CustomersWrite>,
    PathId(id): PathId<CustomerId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    check_archiving(&caller)?;
    let change = CustomerChange { is_archived: Some(true), if_version, ..CustomerChange::default() };
    update(&state, &caller, id, &change).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whether the caller may decide how much the customer may owe, and whether the customer pays taxes.
fn check_terms<P>(
    caller: &Caller<P>,
    tax_exempt: Option<bool>,
    credit_limit: Option<NonNegative<Money>>,
) -> Result<(), Problem> {
    if tax_exempt.is_none() && credit_limit.is_none() {
        return Ok(());
    }
    caller.require(Permission::TillApprove)
}

/// Whether the caller may archive and restore customers: a cashier may not, who only sells.
fn check_archiving<P>(caller: &Caller<P>) -> Result<(), Problem> {
    match caller.may(Permission::TillApprove) {
        true => Ok(()),
        false => caller.require(Permission::OrdersPlace),
    }
}

async fn update(
    state: &State,
    caller: &Caller<may::CustomersWrite>,
    id: CustomerId,
    change: &CustomerChange,
) -> Result<(Currency, Customer), Problem> {
    let actor = caller.actor();
    let work = async |tx: &TenantTx| {
        if change.is_archived == Some(true) {
            under_way::refuse(tx, Closing::Customer(id)).await?;
        }
        customer::update(tx, id, change, actor).await?;
        let (currency, customer) = with_currency(tx, customer::find(tx, id)).await?;
        Ok::<_, Problem>((currency, customer.ok_or_else(Problem::not_found)?))
    };
    state.database.write(&caller.scope(), work).await
}
