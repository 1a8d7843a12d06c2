//! Pages of other origins: the one place that decides which of them may call the API.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use tenancy::HostTarget;

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::middleware::tenant::requested_host;

/// Decides whether the page that sends a request may read the answer. The origin of the page must be in the
/// settings of the installation or of the business. The layer below adds the headers for every origin that it
/// sees, so the origin of another page is hidden from it. A browser that asks in advance (a preflight
/// request) for such a page gets a clear answer.
///
/// # Errors
/// 403 for the question of a browser for an origin that is not listed.
pub async fn layer<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.call(request).await;
    };
    let origin = origin.to_str().unwrap_or_default();
    if is_allowed(&request, origin).await? {
        return next.call(request).await;
    }
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks {
        let detail = format!(
            "Pages of the origin {origin} may not call this API. An owner of the business can add the origin \
             to corsOrigins in the settings."
        );
        return Err(Problem::new(Code::OriginNotAllowed, detail).into());
    }
    request.headers_mut().remove(header::ORIGIN);
    let mut answer = next.call(request).await?;
    // A cache must not give this answer to a page of an allowed origin.
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    Ok(answer)
}

async fn is_allowed(request: &ServiceRequest, origin: &str) -> Result<bool, Problem> {
    let Some(state) = request.app_data::<web::Data<State>>() else { return Ok(false) };
    let server = &state.settings.server;
    if server.cors_origins.iter().any(|listed| listed.as_str() == origin) {
        return Ok(true);
    }
    let Ok(host) = requested_host(request, &server.trusted_proxies) else { return Ok(false) };
    let HostTarget::Tenant { address, .. } = state.resolver.target(&host, request.path()) else {
        return Ok(false);
    };
    // A closed business answers with the reason, which its own pages may read; one that this server cannot
    // serve has no settings that could be read.
    match state.resolver.tenant(&address).await? {
        Some(tenant) if state.served.includes(&tenant) => Ok(state.origins.allow(&tenant, origin).await?),
        _ => Ok(false),
    }
}
