//! Pages of other origins: a browser that asks in advance gets a clear answer.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;

/// Refuses the question of a browser (a preflight request) for a page whose origin is not listed. Without it,
/// the answer would be 200 without CORS headers, and nobody could tell why the browser stops.
///
/// # Errors
/// 403 for an origin that is not listed.
pub async fn layer<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if let Some(origin) = origin(request.headers()).filter(|_| asks)
        && let Some(state) = request.app_data::<web::Data<State>>()
        && !state.settings.server.cors_origins.iter().any(|listed| listed == origin)
    {
        let detail = format!(
            "Pages of the origin {origin} may not call this API. Ask the operator to add the origin to \
             server.cors_origins."
        );
        return Err(Problem::new(Code::OriginNotAllowed, detail).into());
    }
    next.call(request).await
}

fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN).and_then(|value| value.to_str().ok())
}
