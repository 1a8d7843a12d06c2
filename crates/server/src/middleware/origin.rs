//! Pages of other origins: the one place that decides which of them may call the API.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use tenancy::{HostTarget, TenantStatus};

use crate::http::browser::Page;
use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::middleware::tenant::{
    check_rate_of_questions, is_served_everywhere, requested_authority, requested_host,
};

/// Decides whether the page that sends a request may read the answer. The origin of the page must be in the
/// settings of the installation or of the business. The layer below adds the headers for every origin that it
/// sees, so the origin of another page is hidden from it. A browser that asks in advance (a preflight
/// request) for such a page gets a clear answer.
///
/// # Errors
/// 403 for the question of a browser for an origin that is not listed, and 429 for too many questions.
pub async fn layer<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    note_page(&request);
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.call(request).await;
    };
    let origin = origin.to_str().unwrap_or_default();
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks {
        // The answer comes from outside the layer that limits the rate of other requests.
        check_rate_of_questions(&request)?;
    }
    match is_allowed(&request, origin).await {
        Ok(true) => return next.call(request).await,
        Ok(false) if asks => return Err(refusal(&request, origin).into()),
        Err(problem) if asks => return Err(problem.into()),
        // The request itself is answered; the page of the other origin cannot read the answer.
        Ok(false) | Err(_) => {}
    }
    request.headers_mut().remove(header::ORIGIN);
    let mut answer = next.call(request).await?;
    // A cache must not give this answer to a page of an allowed origin.
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    Ok(answer)
}

/// Notes which page sent the request, for sessions in cookies.
fn note_page(request: &ServiceRequest) {
    let Some(state) = request.app_data::<web::Data<State>>() else { return };
    let server = &state.settings.server;
    if let Some(authority) = requested_authority(request, &server.trusted_proxies) {
        Page::note(request, &format!("{}://{authority}", server.public_scheme));
    }
}

fn refusal(request: &ServiceRequest, origin: &str) -> Problem {
    let cure = match target(request) {
        Some(HostTarget::Tenant { .. }) => {
            "An owner of the business can add the origin to corsOrigins in the settings."
        }
        Some(HostTarget::Identity) => {
            "The operator can register a public program with an address of this origin."
        }
        _ => "The operator can add the origin to server.cors_origins.",
    };
    let detail = format!("Pages of the origin {origin} may not call this API. {cure}");
    Problem::new(Code::OriginNotAllowed, detail)
}

fn target(request: &ServiceRequest) -> Option<HostTarget> {
    let state = request.app_data::<web::Data<State>>()?;
    let host = requested_host(request, &state.settings.server.trusted_proxies).ok()?;
    Some(state.resolver.target(&host, request.path()))
}

/// What programs that run in a browser call at the provider.
const FOR_PROGRAMS: [&str; 3] = ["/oauth/token", "/oauth/userinfo", "/oauth/revoke"];

async fn is_allowed(request: &ServiceRequest, origin: &str) -> Result<bool, Problem> {
    let Some(state) = request.app_data::<web::Data<State>>() else { return Ok(false) };
    if state.settings.server.cors_origins.iter().any(|listed| listed.as_str() == origin) {
        return Ok(true);
    }
    // What every program needs to know is for every page.
    if request.path().starts_with("/.well-known/") {
        return Ok(true);
    }
    if is_served_everywhere(request.path()) {
        return Ok(false);
    }
    let address = match target(request) {
        Some(HostTarget::Tenant { address, .. }) => address,
        Some(HostTarget::Identity) if FOR_PROGRAMS.contains(&request.path()) => {
            return Ok(state.origins.allow_program(origin).await?);
        }
        _ => return Ok(false),
    };
    // A closed business answers nothing but the reason, and one in maintenance may have no settings.
    match state.resolver.tenant(&address).await? {
        Some(tenant) if tenant.status == TenantStatus::Active && state.served.includes(&tenant) => {
            Ok(state.origins.allow(&tenant, origin).await?)
        }
        _ => Ok(false),
    }
}
