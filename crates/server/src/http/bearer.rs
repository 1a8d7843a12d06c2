//! The access token or API key of a request.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};

use crate::http::browser;
use crate::http::codes::Code;
use crate::http::problem::Problem;

fn token_missing() -> Problem {
    Problem::unauthorized(
        Code::TokenMissing,
        "Send the header Authorization: Bearer TOKEN. POST /api/v1/auth/login returns a token.",
        r#"Bearer realm="tenantry""#,
    )
}

/// The access token of a request: that of the header Authorization, or, without this header, that of the
/// cookie.
pub fn presented_token(request: &HttpRequest) -> Result<Cow<'_, str>, Problem> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return bearer_token(request.headers()).map(Cow::Borrowed);
    }
    browser::access_token(request)?.map(Cow::Owned).ok_or_else(token_missing)
}

/// The token of the Authorization header (RFC 6750).
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = token_missing;
    let mut values = headers.get_all(header::AUTHORIZATION);
    let value = values.next().ok_or_else(missing)?;
    let text = value.to_str().map_err(|_| identity::TokenError::Invalid)?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    if values.next().is_some() {
        return Err(identity::TokenError::Invalid.into());
    }
    Ok(token.trim())
}

values::words! {
    /// How an access token is sent (RFC 6750).
    pub enum TokenType {
        /// In the header `Authorization: Bearer TOKEN`.
        Bearer = "Bearer",
    }
}
