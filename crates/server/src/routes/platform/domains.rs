//! Custom domains of businesses, for the platform's staff.

use actix_web::{HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenancy::domain::{self, Domain};
use tenancy::{HostName, SharedScope, TenantId};
use utoipa::ToSchema;

use crate::http::caller::{Staff, may};
use crate::http::extract::{Json, PathId, Query};
use crate::http::lists::{NoParameters, PageView};
use crate::http::problem::Problem;
use crate::http::recent::Recent;
use crate::http::state::State;
use crate::routes::platform::lifecycle::find;
use crate::routes::platform::tenants::TenantView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DomainView {
    /// The host name, in punycode.
    #[schema(example = "shop.acme.example")]
    host: String,
    /// Whether this is the primary domain: the main address of the business.
    is_primary: bool,
    /// The time since which the domain is served. null until the TXT record has been found.
    verified_at: Option<DateTime<Utc>>,
    /// The time of the last DNS lookup. null before the first lookup.
    checked_at: Option<DateTime<Utc>>,
    /// The time at which the domain is removed if it is not verified by then. null for a verified domain.
    expires_at: Option<DateTime<Utc>>,
    /// The time since which the TXT record of the verified domain has not been found. null if the last lookup
    /// found it. A domain whose record stays missing is no longer served.
    missing_since: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// The TXT record that proves that the domain belongs to the business.
    record: RecordView,
}

#[derive(Serialize, ToSchema)]
pub struct RecordView {
    /// The name of the record in DNS.
    #[schema(example = "_tenantry-challenge.shop.acme.example")]
    name: String,
    /// The type of the record: always TXT.
    #[schema(example = "TXT")]
    #[schema(pattern = "^TXT$")]
    r#type: &'static str,
    /// The text that the record must hold.
    #[schema(example = "tenantry-verification=3f1c...")]
    value: String,
}

impl From<Domain> for DomainView {
    fn from(domain: Domain) -> Self {
        Self {
            record: RecordView {
                name: domain.challenge_name(),
                r#type: "TXT",
                value: domain.challenge.clone(),
            },
            host: domain.host.into(),
            is_primary: domain.is_primary,
            verified_at: domain.verified_at,
            checked_at: domain.checked_at,
            expires_at: domain.expires_at,
            missing_since: domain.missing_since,
            created_at: domain.created_at,
        }
    }
}

/// List the custom domains of a business
///
/// Returns all custom domains, the primary domain first.
#[utoipa::path(tag = "platform", operation_id = "listDomains",
    responses((status = 200, body = PageView<DomainView>)), params(("id" = TenantId, Path,)))]
#[get("/platform/tenants/{id}/domains")]
pub async fn list(
    state: web::Data<State>,
    _staff: Staff<may::TenantsRead>,
    PathId(id): PathId<TenantId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    find(&state, id).await?;
    let domains =
        state.database.read_shared(SharedScope::Platform, async |tx| domain::list(tx, id).await).await?;
    let data = domains.into_iter().map(DomainView::from).collect();
    Ok(HttpResponse::Ok().json(PageView { data, next_cursor: None }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddDomain {
    /// The host name. Letters of any script are allowed; the server converts them to punycode.
    host: HostName,
}

/// Add a custom domain
///
/// The domain is served after its TXT record has been verified. Several businesses may add the same domain;
/// it belongs to the one whose record is found. A domain that is not verified in time is removed. A domain of
/// another business can be added only after its TXT record for that business was removed from DNS.
#[utoipa::path(tag = "platform", operation_id = "addDomain", request_body = AddDomain,
    responses((status = 201, body = DomainView)), params(("id" = TenantId, Path,)))]
#[post("/platform/tenants/{id}/domains")]
pub async fn add(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId(id): PathId<TenantId>,
    body: Json<AddDomain>,
) -> Result<HttpResponse, Problem> {
    let base = state.resolver.base().host();
    let dns = state.settings.dns().map_err(Problem::internal)?;
    let claim_days = state.settings.domains.claim_days;
    let operator = state.operator(&staff)?;
    let domain = operator.add_domain(id, &body.value.host, base, claim_days, &dns).await?;
    Ok(HttpResponse::Created().json(DomainView::from(domain)))
}

/// Verify a custom domain
///
/// Looks up the TXT record in DNS. The record must stay published: it is looked up again every day. If the
/// record is missing or differs, the answer is 409, and detail states the content of DNS.
#[utoipa::path(tag = "platform", operation_id = "verifyDomain", responses((status = 200, body = DomainView)),
    params(("id" = TenantId, Path,), ("host" = HostName, Path,)))]
#[post("/platform/tenants/{id}/domains/{host}/verify")]
pub async fn verify(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId((id, host)): PathId<(TenantId, HostName)>,
) -> Result<HttpResponse, Problem> {
    let dns = state.settings.dns().map_err(Problem::internal)?;
    let domain = state.operator(&staff)?.verify_domain(id, &host, &dns).await?;
    Ok(HttpResponse::Ok().json(DomainView::from(domain)))
}

/// Remove a custom domain
///
/// The domain is no longer served. Its verification is lost.
#[utoipa::path(tag = "platform", operation_id = "removeDomain",
    responses((status = 204, description = "Removed")),
    params(("id" = TenantId, Path,), ("host" = HostName, Path,)))]
#[delete("/platform/tenants/{id}/domains/{host}")]
pub async fn remove(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId((id, host)): PathId<(TenantId, HostName)>,
) -> Result<HttpResponse, Problem> {
    state.operator(&staff)?.remove_domain(id, &host).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPrimary {
    /// A verified custom domain. null removes the primary domain.
    host: Option<HostName>,
    /// true: the other addresses of the business redirect to this domain (308). false: they serve requests
    /// themselves. Defaults to false.
    #[serde(default)]
    redirects: bool,
}

/// Set the primary domain
///
/// Makes a verified custom domain the main address of the business.
#[utoipa::path(tag = "platform", operation_id = "setPrimaryDomain", request_body = SetPrimary,
    responses((status = 200, body = TenantView)), params(("id" = TenantId, Path,)))]
#[put("/platform/tenants/{id}/primary-domain")]
pub async fn set_primary(
    state: web::Data<State>,
    staff: Recent<Staff<may::TenantsWrite>>,
    PathId(id): PathId<TenantId>,
    body: Json<SetPrimary>,
) -> Result<HttpResponse, Problem> {
    let SetPrimary { host, redirects } = body.value;
    let tenant = state.operator(&staff)?.set_primary_domain(id, host.as_ref(), redirects).await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&tenant, &state)))
}
