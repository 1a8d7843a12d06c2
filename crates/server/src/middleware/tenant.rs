//! Finds the business of a request by its host and its path, before the router runs.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderName, HeaderValue, LOCATION};
use actix_web::http::uri::{PathAndQuery, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use ipnet::IpNet;
use tenancy::{Address, HostName, HostTarget, Tenant, TenantStatus};

use crate::http::browser::InPath;
use crate::http::client;
use crate::http::codes::Code;
use crate::http::host_owner::HostOwner;
use crate::http::problem::Problem;
use crate::http::rate_limits::Allowance;
use crate::http::state::State;

use crate::middleware::request::RequestSpan;

/// Finds the owner of the host. A former address of a business redirects (308), and so does any other
/// address of a business that redirects to its primary domain. Refuses a request with 400 for a malformed
/// host, 403 for a suspended business, 404 for an unknown host, 410 for an archived business, 429 for too
/// many requests, and 503 for a business that is in maintenance or whose schema this server cannot serve.
///
/// # Errors
/// No error of its own: a refusal is an answer, so that outer layers can add headers to it.
pub async fn layer(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let prefix = match resolve(&mut request).await {
        Ok(Routing::Here { prefix }) => prefix,
        Ok(Routing::Redirect(address)) => {
            let moved = HttpResponse::PermanentRedirect().insert_header((LOCATION, address)).finish();
            return Ok(request.into_response(moved));
        }
        Err(problem) => return Ok(request.error_response(problem)),
    };
    let allowance = match check_rate(&request) {
        Ok(allowance) => allowance,
        Err((problem, allowance)) => {
            let mut answer = request.error_response(problem);
            allowance.add_headers(answer.headers_mut());
            return Ok(answer);
        }
    };
    let found = request.extensions().get::<FoundTenant>().cloned();
    let mut answer = next.call(request).await?.map_into_boxed_body();
    if answer.status() == StatusCode::INTERNAL_SERVER_ERROR
        && let Some(found) = found
        && let Some(problem) = changed_meanwhile(&answer, &found).await
    {
        return Ok(answer.into_response(HttpResponse::from_error(problem)));
    }
    if let Some(allowance) = allowance {
        allowance.add_headers(answer.headers_mut());
    }
    // A handler does not see the part of the path that names the business. A client that follows the Location
    // header needs that part.
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location
        .filter(|location| location.starts_with("/api/"))
        .map(|location| format!("{prefix}{location}"));
    if let Some(Ok(location)) = location.map(|location| HeaderValue::from_str(&location)) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// The place where a request is answered.
enum Routing {
    /// Here. `prefix` is the part of the path that named the business. It has been removed from the request.
    Here { prefix: String },
    /// At this address, because the business was renamed, or because it redirects to its primary domain.
    Redirect(String),
}

async fn resolve(request: &mut ServiceRequest) -> Result<Routing, Problem> {
    let nobody = || Ok(Routing::Here { prefix: String::new() });
    let state = request
        .app_data::<web::Data<State>>()
        .cloned()
        .ok_or_else(|| Problem::internal("the application has no state"))?;
    let host = requested_host(request, &state.settings.server.trusted_proxies)?;
    if is_served_everywhere(request.path()) {
        return nobody();
    }
    match state.resolver.target(&host, request.path()) {
        HostTarget::Nowhere => Err(unknown_host()),
        HostTarget::Platform => {
            request.extensions_mut().insert(HostOwner::Platform);
            nobody()
        }
        HostTarget::Identity => {
            request.extensions_mut().insert(HostOwner::Identity);
            nobody()
        }
        HostTarget::Tenant { address, prefix } => {
            let tenant = state.resolver.tenant(&address).await?.ok_or_else(unknown_host)?;
            if let Some(span) = request.extensions().get::<RequestSpan>() {
                span.record_tenant(tenant.slug.as_str());
            }
            if let Some(address) = moved_to(&state, &tenant, &address, prefix) {
                let rest = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
                return Ok(Routing::Redirect(format!("{address}{}", rest.get(prefix..).unwrap_or_default())));
            }
            check_open(&tenant, &state)?;
            if prefix > 0 {
                request.extensions_mut().insert(InPath);
            }
            let prefix = strip_prefix(request, prefix)?;
            request.extensions_mut().insert(FoundTenant { address, tenant: tenant.clone() });
            request.extensions_mut().insert(HostOwner::Tenant(tenant));
            Ok(Routing::Here { prefix })
        }
    }
}

/// Whether the business of a request that lasts still answers at this server.
///
/// # Errors
/// As a new request would be refused.
pub async fn still_open(request: &HttpRequest) -> Result<(), Problem> {
    let found = request.extensions().get::<FoundTenant>().cloned();
    let (Some(found), state) = (found, State::of(request)?) else { return Ok(()) };
    let tenant = state.resolver.tenant(&found.address).await?.ok_or_else(unknown_host)?;
    if tenant.id != found.tenant.id {
        return Err(unknown_host());
    }
    check_open(&tenant, state)
}

/// Takes a token from the bucket of this business and client address. A path that every host serves needs no
/// token.
fn check_rate(request: &ServiceRequest) -> Result<Option<Allowance>, (Problem, Allowance)> {
    let Some(state) = request.app_data::<web::Data<State>>() else { return Ok(None) };
    let Some(limits) = &state.rate_limits else { return Ok(None) };
    let tenant = match request.extensions().get::<HostOwner>() {
        None => return Ok(None),
        Some(host_owner) => host_owner.tenant(),
    };
    let Some(address) = client::address(request.request(), &state.settings.server.trusted_proxies) else {
        return Ok(None);
    };
    limits.take(tenant, address).map(Some)
}

/// Takes a token from the bucket of this client address, for the question of a browser (a preflight request).
///
/// # Errors
/// 429 for too many requests.
pub(super) fn check_rate_of_questions(request: &ServiceRequest) -> Result<(), Problem> {
    let Some(state) = request.app_data::<web::Data<State>>() else { return Ok(()) };
    let Some(limits) = &state.rate_limits else { return Ok(()) };
    let Some(address) = client::address(request.request(), &state.settings.server.trusted_proxies) else {
        return Ok(());
    };
    limits.take(None, address).map(drop).map_err(|(problem, _)| problem)
}

/// The business of the request, and the address by which it was found.
#[derive(Clone)]
struct FoundTenant {
    address: Address,
    tenant: Arc<Tenant>,
}

/// The answer to a request that failed because its business was closed, moved or dropped while the request
/// was running. Such a request fails because its role may no longer use the schema.
async fn changed_meanwhile(answer: &ServiceResponse<BoxBody>, before: &FoundTenant) -> Option<Problem> {
    let state = answer.request().app_data::<web::Data<State>>()?;
    state.resolver.forget(&before.address).await;
    let now = state.resolver.tenant(&before.address).await.ok()?;
    let is_same = now.as_ref().is_some_and(|now| {
        (now.id, now.number, now.status) == (before.tenant.id, before.tenant.number, before.tenant.status)
    });
    let detail = "The business was changed while the request was running. Repeat the request.";
    (!is_same).then(|| Problem::unavailable(Code::BusinessChanged, detail, 1))
}

/// The address to redirect to, without the rest of the path: the new address of a renamed business, or its
/// primary domain. `None` if the request needs no redirect.
fn moved_to(state: &State, tenant: &Tenant, asked: &Address, prefix: usize) -> Option<String> {
    let was_renamed = matches!(asked, Address::Slug(slug) if *slug != tenant.slug);
    // A request that names the business in the path stays on the shared host.
    if prefix > 0 {
        return was_renamed.then(|| format!("{}/{}", state.settings.app_address(), tenant.slug));
    }
    match &tenant.primary_host {
        Some(primary) if tenant.redirects_to_primary => {
            (*asked != Address::Host(primary.clone())).then(|| state.settings.address_of_host(primary))
        }
        _ => was_renamed.then(|| state.settings.address_of(&tenant.slug)),
    }
}

/// Whether every host serves this path, even an unknown host.
pub(super) fn is_served_everywhere(path: &str) -> bool {
    matches!(path, "/" | "/livez" | "/readyz" | "/openapi.json" | "/docs")
        || path.starts_with("/docs/")
        || path.starts_with("/.well-known/")
}

fn unknown_host() -> Problem {
    let detail = "No business has this host. Use the address of the business, such as acme.example.com.";
    Problem::new(Code::UnknownHost, detail)
}

/// The host of the request: the Host header, or X-Forwarded-Host if a trusted proxy sent it. An absolute URI
/// must name the same host.
pub(super) fn requested_host(request: &ServiceRequest, trusted: &[IpNet]) -> Result<HostName, Problem> {
    let malformed = |detail: &str| Problem::new(Code::InvalidHost, detail);
    let (header, forwarded) = host_header(request, trusted);
    let mut values = request.headers().get_all(header);
    let value = values.next().ok_or_else(|| malformed("The request has no Host header."))?;
    if values.next().is_some() {
        return Err(malformed("The request has more than one Host header."));
    }
    let text = value.to_str().map_err(|_| malformed("The Host header is not a valid host name."))?;
    let host = HostName::parse(text).map_err(|_| malformed("The Host header is not a valid host name."))?;
    if let Some(authority) = request.uri().authority().filter(|_| !forwarded) {
        // Compared as host names: case and port do not choose a business.
        if HostName::parse(authority.as_str()).ok().as_ref() != Some(&host) {
            return Err(malformed("The URI and the Host header name different hosts."));
        }
    }
    Ok(host)
}

/// The header that names the host, and whether a trusted proxy sent it.
fn host_header(request: &ServiceRequest, trusted: &[IpNet]) -> (HeaderName, bool) {
    let forwarded = request.headers().contains_key("x-forwarded-host")
        && request.peer_addr().is_some_and(|peer| client::is_trusted(peer.ip(), trusted));
    (if forwarded { HeaderName::from_static("x-forwarded-host") } else { HOST }, forwarded)
}

/// The host of the request with its port, as the client wrote it.
pub(super) fn requested_authority<'a>(request: &'a ServiceRequest, trusted: &[IpNet]) -> Option<&'a str> {
    request.headers().get(host_header(request, trusted).0)?.to_str().ok()
}

fn check_open(tenant: &Tenant, state: &State) -> Result<(), Problem> {
    match tenant.status {
        TenantStatus::Active if state.served.includes(tenant) => Ok(()),
        // Only this business must wait, for its migration or for a server of another release. Other
        // businesses are served.
        TenantStatus::Active => {
            let detail = "This business is being upgraded. Repeat the request after the time in Retry-After.";
            Err(Problem::unavailable(Code::BusinessBeingUpgraded, detail, 10))
        }
        TenantStatus::Suspended => {
            let detail = "This business is suspended. The operator of the platform can resume it.";
            Err(Problem::new(Code::BusinessSuspended, detail))
        }
        TenantStatus::Archived => Err(Problem::new(Code::BusinessArchived, "This business is closed.")),
        TenantStatus::Migrating | TenantStatus::Restoring => {
            let detail = "This business is in maintenance. Repeat the request after the time in Retry-After.";
            Err(Problem::unavailable(Code::BusinessInMaintenance, detail, 10))
        }
    }
}

/// Removes the part of the path that names the business, so that both forms of address have the same routes.
fn strip_prefix(request: &mut ServiceRequest, prefix: usize) -> Result<String, Problem> {
    if prefix == 0 {
        return Ok(String::new());
    }
    let stripped = request.path().get(..prefix).unwrap_or_default().to_owned();
    let rest =
        request.uri().path_and_query().map_or("/", PathAndQuery::as_str).get(prefix..).unwrap_or_default();
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let uri: Uri = rest.parse().map_err(|_| Problem::new(Code::InvalidPath, "The path cannot be read."))?;
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    Ok(stripped)
}
