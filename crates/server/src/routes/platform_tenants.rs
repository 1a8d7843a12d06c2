//! The businesses, for the platform's staff.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use identity::{Email, Password, UserId};
use inventory::{Currency, Cursor, Limit, Name};
use platform::onboarding::OWNER_ROLE;
use platform::{NewBusiness, NewMember};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, Tenant, TenantId, TenantSlug, TenantStatus, tenant};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Json, PathId, Query, Staff, may};
use crate::problem::Problem;
use crate::routes::{PageView, page_request};
use crate::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTenant {
    /// The label in the business's address.
    #[schema(value_type = String, pattern = "^[a-z][a-z0-9-]{1,38}[a-z0-9]$", example = "acme")]
    slug: TenantSlug,
    #[schema(value_type = String, max_length = 200, example = "Acme Ltd")]
    name: Name,
    /// ISO 4217; USD unless named.
    #[schema(value_type = Option<String>, example = "EUR")]
    currency: Option<Currency>,
    owner: CreateOwner,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateOwner {
    #[schema(value_type = String, format = Email, example = "ann@acme.example")]
    email: Email,
    #[schema(value_type = Option<String>, max_length = 200)]
    full_name: Option<Name>,
    /// For a new user; left out, one is made up and told once.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    #[schema(value_type = uuid::Uuid)]
    id: TenantId,
    slug: String,
    name: String,
    #[schema(value_type = String, example = "active")]
    status: TenantStatus,
    schema_version: i32,
    #[schema(example = "https://acme.example.com")]
    address: String,
    created_at: DateTime<Utc>,
}

impl TenantView {
    fn new(tenant: &Tenant, state: &State) -> Self {
        Self {
            id: tenant.id,
            slug: tenant.slug.to_string(),
            name: tenant.name.clone(),
            status: tenant.status,
            schema_version: tenant.schema_version,
            address: state.settings.address_of(&tenant.slug),
            created_at: tenant.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnboardedView {
    #[serde(flatten)]
    tenant: TenantView,
    owner: OwnerView,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerView {
    #[schema(value_type = uuid::Uuid)]
    user_id: UserId,
    email: String,
    /// The password that was made up; it is not told again.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListTenants {
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// List businesses
///
/// In the order in which they were made.
#[utoipa::path(tag = "platform", params(ListTenants), responses((status = 200, body = PageView<TenantView>)))]
#[get("/platform/tenants")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    Query(query): Query<ListTenants>,
) -> Result<HttpResponse, Problem> {
    let page = page_request(query.limit, query.cursor);
    let after = page.after.map(|cursor| TenantId::from_uuid(cursor.key()[0]));
    let tenants = state
        .database
        .read_shared(SharedScope::Platform, async |tx| tenant::list(tx, after, page.limit.and_one()).await)
        .await?;
    let page = page.page(tenants, |tenant| [tenant.id.as_uuid()]);
    Ok(HttpResponse::Ok().json(PageView::new(page, |tenant| TenantView::new(&tenant, &state))))
}

/// Onboard a business
///
/// With its schema, defaults and owner, whole or not at all; it can be used at once.
#[utoipa::path(tag = "platform", request_body = CreateTenant, responses((status = 201, body = OnboardedView)))]
#[post("/platform/tenants")]
pub async fn create(
    state: web::Data<State>,
    _staff: Staff<may::TenantsWrite>,
    body: Json<CreateTenant>,
) -> Result<HttpResponse, Problem> {
    let onboarding = state.onboarding.as_ref().ok_or_else(|| {
        Problem::conflict(
            "provisioning_elsewhere",
            "This server does not hold the owner's login. Run `tenantry tenant create`, or set provisioning.in_server.",
        )
    })?;
    let CreateTenant { slug, name, currency, owner } = body.value;
    let password = owner
        .password
        .map(|text| Password::parse(text, &state.password_policy))
        .transpose()
        .map_err(|error| Problem::invalid("/owner/password", "weak_password", error))?;
    let new = NewBusiness {
        slug,
        name,
        currency: currency.unwrap_or_default(),
        owner: NewMember {
            email: owner.email.clone(),
            full_name: owner.full_name.map(String::from),
            password,
            role: OWNER_ROLE.to_owned(),
        },
    };
    let onboarded = onboarding.create(&new).await?;
    state.resolver.forget(&tenancy::Address::Slug(new.slug)).await;
    let view = OnboardedView {
        tenant: TenantView::new(&onboarded.tenant, &state),
        owner: OwnerView {
            user_id: onboarded.owner.user,
            email: owner.email.to_string(),
            password: onboarded.owner.made_password.map(|made| made.secret().expose_secret().to_owned()),
        },
    };
    let location = format!("/api/v1/platform/tenants/{}", onboarded.tenant.id);
    Ok(HttpResponse::Created().insert_header(("location", location)).json(view))
}

/// Read a business
#[utoipa::path(tag = "platform", responses((status = 200, body = TenantView)), params(("id" = uuid::Uuid, Path,)))]
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
