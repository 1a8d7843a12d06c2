//! The token endpoint: a program exchanges its client id and secret for an access token (RFC 6749 section
//! 4.4).

use std::collections::HashMap;

use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, post, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::ClientId;
use identity::service_account::{self, OpenedAccount};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tenancy::{HostName, HostTarget, SharedScope, SharedTx, Tenant, TenantStatus};
use utoipa::ToSchema;

use crate::http::caller::AtIdentity;
use crate::http::extract::Body;
use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::problem::Problem;
use crate::http::state::State;

/// The parameters of a request, as the API document shows them.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the parameters are read one by one, because none of them may be repeated")]
pub struct TokenRequest {
    /// client_credentials.
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// The address of the business, such as `https://acme.example.com` (RFC 8707).
    #[schema(example = "https://acme.example.com")]
    resource: String,
    /// Permissions, separated by spaces. Defaults to all permissions of the service account.
    #[schema(example = "catalogue.read stock.read")]
    scope: Option<String>,
    /// The client id, if the request has no header Authorization: Basic.
    client_id: Option<String>,
    /// The secret, if the request has no header Authorization: Basic.
    client_secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    /// The access token, for the header Authorization: Bearer.
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9...")]
    access_token: String,
    /// Always Bearer.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// The lifetime of the token, in seconds.
    #[schema(example = 600)]
    expires_in: u64,
    /// The permissions of the token, separated by spaces.
    #[schema(example = "catalogue.read stock.read")]
    scope: String,
}

/// Get an access token for a program
///
/// Exchanges the client id and the secret of a program for an access token of its service account at a
/// business (RFC 6749 section 4.4). The token is for the app of the program. There is no refresh token: the
/// program asks again. Errors have the form of RFC 6749.
#[utoipa::path(tag = "provider", operation_id = "getToken",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer)), security(()))]
#[post("/oauth/token")]
pub async fn issue(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, OAuthError> {
    let Body(body) =
        body.map_err(|problem| OAuthError::new(Kind::InvalidRequest, problem.detail().to_owned()))?;
    let parameters = parameters(request.headers(), &body)?;
    match parameters.get("grant_type").map(String::as_str) {
        Some("client_credentials") => {}
        Some(_) => {
            let text = "The grant type is not supported. Use client_credentials.";
            return Err(OAuthError::new(Kind::UnsupportedGrantType, text));
        }
        None => return Err(missing("grant_type")),
    }
    let (client, secret) = credentials(request.headers(), &parameters)?;
    state.tokens.check_ready()?;
    let tenant = match parameters.get("resource") {
        Some(resource) => Some(business(&state, resource).await),
        None => None,
    };
    let tenant_id = tenant.as_ref().and_then(|tenant| tenant.as_ref().ok()).map(|tenant| tenant.id);
    let open = async |tx: &SharedTx| service_account::open(tx, &client, &secret, tenant_id).await;
    let opened = state.database.write_shared(SharedScope::Public, open).await;
    // The answer tells a stranger nothing about businesses: a wrong secret comes first.
    let account = match (opened, tenant) {
        (Err(service_account::OpenError::NoAccount), None) => {
            return Err(OAuthError::new(Kind::InvalidTarget, "The parameter resource is missing."));
        }
        (Err(service_account::OpenError::NoAccount), Some(Err(error))) => return Err(error),
        (opened, _) => opened?,
    };
    let account = restricted(account, parameters.get("scope").map(String::as_str))?;
    let token = state.tokens.issue_to_program(&account)?;
    // RFC 6749 section 5.1 asks for both headers.
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::PRAGMA, "no-cache"));
    Ok(answer.json(TokenAnswer {
        access_token: token.token,
        token_type: "Bearer",
        expires_in: token.expires_in.as_secs(),
        scope: account.permissions.join(" "),
    }))
}

fn missing(parameter: &str) -> OAuthError {
    OAuthError::new(Kind::InvalidRequest, format!("The parameter {parameter} is missing."))
}

/// The parameters of the body. None of them may be repeated (RFC 6749 section 3.2).
fn parameters(headers: &HeaderMap, body: &Bytes) -> Result<HashMap<String, String>, OAuthError> {
    let invalid = |text: &str| OAuthError::new(Kind::InvalidRequest, text);
    let form = "application/x-www-form-urlencoded";
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case(form)) {
        return Err(invalid("Send the parameters in the body, as application/x-www-form-urlencoded."));
    }
    let mut parameters = HashMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        // A parameter without a value counts as left out (RFC 6749 section 3.2).
        if !value.is_empty() && parameters.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(invalid("A parameter is repeated."));
        }
    }
    Ok(parameters)
}

/// The client id and the secret: from the header Authorization, or from the body, and not from both (RFC 6749
/// section 2.3).
fn credentials(
    headers: &HeaderMap,
    parameters: &HashMap<String, String>,
) -> Result<(ClientId, SecretString), OAuthError> {
    let wrong = || OAuthError::from(service_account::OpenError::WrongSecret);
    if headers.get_all(header::AUTHORIZATION).count() > 1 {
        return Err(OAuthError::new(Kind::InvalidRequest, "The header Authorization is repeated."));
    }
    let in_body = (parameters.get("client_id"), parameters.get("client_secret"));
    let (id, secret) = match (headers.get(header::AUTHORIZATION), in_body) {
        (Some(_), (_, Some(_))) => {
            let text = "Send the secret in the header Authorization or in the body, and not in both.";
            return Err(OAuthError::new(Kind::InvalidRequest, text));
        }
        (Some(basic), (id_in_body, None)) => {
            let (id, secret) = basic.to_str().ok().and_then(basic_credentials).ok_or_else(wrong)?;
            if id_in_body.is_some_and(|other| *other != id) {
                return Err(wrong());
            }
            (id, secret)
        }
        (None, (Some(id), Some(secret))) => (id.clone(), secret.clone()),
        (None, _) => {
            let text = "Send the client id and the secret of the program.";
            return Err(OAuthError::new(Kind::InvalidClient, text));
        }
    };
    Ok((ClientId::parse(&id).map_err(|_| wrong())?, SecretString::from(secret)))
}

/// Client id and secret of `Basic ...`, both of which are form-encoded (RFC 6749 section 2.3.1).
fn basic_credentials(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let pair = format!("x={}", text.replace('&', "%26"));
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}

/// The open business at an address (RFC 8707).
async fn business(state: &State, resource: &str) -> Result<std::sync::Arc<Tenant>, OAuthError> {
    let unknown = || {
        let text = "The parameter resource is not the address of an open business. Send an address such as \
                    https://acme.example.com.";
        OAuthError::new(Kind::InvalidTarget, text)
    };
    // No fragment (RFC 8707 section 2), and nothing before the host that looks like another host.
    if resource.contains(['#', '@', '?']) {
        return Err(unknown());
    }
    let uri: Uri = resource.parse().map_err(|_| unknown())?;
    let (Some("http" | "https"), Some(host)) = (uri.scheme_str(), uri.authority()) else {
        return Err(unknown());
    };
    let host = HostName::parse(host.as_str()).map_err(|_| unknown())?;
    let HostTarget::Tenant { address, .. } = state.resolver.target(&host, uri.path()) else {
        return Err(unknown());
    };
    let tenant = state.resolver.tenant(&address).await?;
    tenant.filter(|tenant| tenant.status == TenantStatus::Active).ok_or_else(unknown)
}

/// The account with no more than these permissions.
fn restricted(mut account: OpenedAccount, scope: Option<&str>) -> Result<OpenedAccount, OAuthError> {
    if let Some(scope) = scope {
        let wanted: Vec<&str> = scope.split(' ').filter(|key| !key.is_empty()).collect();
        if !wanted.iter().all(|key| account.permissions.iter().any(|held| held == key)) {
            let text = "The service account does not have all permissions of the parameter scope.";
            return Err(OAuthError::new(Kind::InvalidScope, text));
        }
        account.permissions.retain(|held| wanted.contains(&held.as_str()));
    }
    if account.permissions.is_empty() {
        let text = "The access token would have no permission. Ask an owner of the business for permissions.";
        return Err(OAuthError::new(Kind::InvalidScope, text));
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded() {
        let basic = |text: &str| basic_credentials(&format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(basic("a-b:c%2Bd e"), Some(("a-b".into(), "c+d e".into())));
        assert_eq!(basic("erp:x&y=z"), Some(("erp".into(), "x&y=z".into())));
        for text in ["", "no colon"] {
            assert_eq!(basic(text), None, "{text}");
        }
        for value in ["", "Basic", "Bearer YTpi", "Basic !!!", "Basic /////w=="] {
            assert_eq!(basic_credentials(value), None, "{value}");
        }
    }
}
