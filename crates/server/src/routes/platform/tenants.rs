//! Businesses, for the platform's staff.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::UserId;
use platform::{Added, NewMember, OnboardingRequest};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, Tenant, TenantId, TenantSlug, TenantStatus, tenant};
use utoipa::ToSchema;
use values::Email;
use values::{Currency, Name};

use crate::http::caller::{Staff, may};
use crate::http::codes::Code;
use crate::http::extract::{Json, PathId};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTenant {
    /// The first label of the address of the business: 3 to 40 characters of a-z, 0-9 and '-'. It must start
    /// with a letter and must not end with '-'. Some labels, such as admin, are reserved.
    slug: TenantSlug,
    /// The name of the business.
    name: Name,
    /// The currency of all amounts. It cannot be changed later. Defaults to USD.
    currency: Option<Currency>,
    /// The first member of the business, with the role OWNER.
    owner: CreateOwner,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateOwner {
    /// The email address of a new or an existing user.
    email: Email,
    /// The name of a new user. An existing user keeps the current name.
    full_name: Option<Name>,
    /// The password of a new user, or of an existing user without a password. Without it, the response
    /// contains a generated password. It must be left out for a user who has a password.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

impl CreateOwner {
    pub(super) fn checked(self, state: &State) -> Result<NewMember, Problem> {
        let name = self.full_name.as_ref().map_or("", Name::as_str);
        let personal = [self.email.as_str(), name];
        let password = self
            .password
            .map(|text| state.sign_in.policy.check(&text, &personal))
            .transpose()
            .map_err(|error| Problem::invalid("/owner/password", Code::WeakPassword, error))?;
        Ok(NewMember::owner(self.email, self.full_name, password))
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    id: TenantId,
    /// The first label of the address.
    #[schema(value_type = TenantSlug)]
    slug: String,
    /// The name of the business.
    name: String,
    status: TenantStatus,
    /// The version of the schema of the business.
    schema_version: i32,
    /// The address of the business, from its slug.
    #[schema(example = "https://acme.example.com")]
    address: String,
    /// The primary domain: the verified custom domain that is the main address of the business.
    primary_host: Option<String>,
    /// The time when the business was archived; null if it is not archived.
    archived_at: Option<DateTime<Utc>>,
    /// The longest time that one SQL statement of the business may take, in milliseconds. null: the limit of
    /// the installation applies.
    statement_timeout_ms: Option<u64>,
    /// The largest number of concurrent transactions of the business at each server. null: the limit of the
    /// installation applies.
    max_transactions: Option<usize>,
    created_at: DateTime<Utc>,
}

impl TenantView {
    pub(super) fn new(tenant: &Tenant, state: &State) -> Self {
        Self {
            id: tenant.id,
            slug: tenant.slug.to_string(),
            name: tenant.name.clone(),
            status: tenant.status,
            schema_version: tenant.schema_version,
            address: state.settings.address_of(&tenant.slug),
            primary_host: tenant.primary_host.as_ref().map(ToString::to_string),
            archived_at: tenant.archived_at,
            statement_timeout_ms: tenant.limits.statement_timeout_ms(),
            max_transactions: tenant.limits.max_transactions,
            created_at: tenant.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnboardedView {
    #[serde(flatten)]
    tenant: TenantView,
    /// The first member of the business.
    owner: OwnerView,
}

impl OnboardedView {
    pub(super) fn new(tenant: &Tenant, added: Added, owner: &NewMember, state: &State) -> Self {
        let password = added.made_password.map(|made| made.secret().expose_secret().to_owned());
        let owner = OwnerView { user_id: added.user, email: owner.login.to_value(), password };
        Self { tenant: TenantView::new(tenant, state), owner }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerView {
    /// The id of the new or existing user.
    user_id: UserId,
    email: String,
    /// The generated password. No later response contains it. null if the request had a password, or if the
    /// user already had one.
    password: Option<String>,
}

/// List businesses
///
/// Returns all businesses, oldest first.
#[utoipa::path(tag = "platform", operation_id = "listBusinesses", params(Paging),
    responses((status = 200, body = PageView<TenantView>)))]
#[get("/platform/tenants")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request::<TenantId>()?;
    let tenants = state
        .database
        .read_shared(SharedScope::Platform, async |tx| {
            tenant::list(tx, page.after, page.limit.and_one()).await
        })
        .await?;
    let page = page.page(tenants, |tenant| tenant.id);
    Ok(HttpResponse::Ok().json(PageView::new(page, |tenant| TenantView::new(&tenant, &state))))
}

/// Create a business
///
/// Creates the business with its schema, its default data and its owner, or nothing. The business can be used
/// immediately.
#[utoipa::path(tag = "platform", operation_id = "createBusiness", request_body = CreateTenant,
    responses((status = 201, body = OnboardedView)))]
#[post("/platform/tenants")]
pub async fn create(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    body: Json<CreateTenant>,
) -> Result<HttpResponse, Problem> {
    let onboarding = state.onboarding()?;
    let CreateTenant { slug, name, currency, owner } = body.value;
    let owner = owner.checked(&state)?;
    let new = OnboardingRequest { slug, name, currency: currency.unwrap_or_default(), owner };
    let onboarded = onboarding.create(&new, &staff.actor()).await?;
    state.resolver.forget(&tenancy::Address::Slug(new.slug)).await;
    let view = OnboardedView::new(&onboarded.tenant, onboarded.owner, &new.owner, &state);
    let location = format!("/api/v1/platform/tenants/{}", onboarded.tenant.id);
    Ok(HttpResponse::Created().insert_header(("location", location)).json(view))
}

/// Read a business
///
/// Returns a business with its status and its addresses.
#[utoipa::path(tag = "platform", operation_id = "readBusiness", responses((status = 200, body = TenantView)),
    params(("id" = TenantId, Path,)))]
#[get("/platform/tenants/{id}")]
pub async fn show(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    PathId(id): PathId<TenantId>,
) -> Result<HttpResponse, Problem> {
    let read = state
        .database
        .read_shared(SharedScope::Platform, async |tx| tenant::find_by_id(tx, id).await)
        .await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&read.ok_or_else(Problem::not_found)?, &state)))
}
