//! What programs need to know before they send people here or ask for tokens (OpenID Connect Discovery, RFC
//! 8414).

use actix_web::http::{Uri, header};
use actix_web::{HttpResponse, get, web};
use identity::SigningAlgorithm;
use identity::delegation::STANDARD_SCOPES;
use openidconnect::core::{
    CoreClaimName, CoreClientAuthMethod, CoreGrantType, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AuthUrl, EmptyAdditionalProviderMetadata, IssuerUrl, JsonWebKeySetUrl, ResponseTypes, Scope, TokenUrl,
    UserInfoUrl,
};
use serde::Serialize;
use tenancy::{HostName, HostTarget};
use url::ParseError;

use crate::http::codes::Code;
use crate::http::problem::Problem;
use crate::http::state::State;

/// What the standard type does not contain.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(flatten)]
    standard: CoreProviderMetadata,
    end_session_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    code_challenge_methods_supported: [&'a str; 1],
    authorization_response_iss_parameter_supported: bool,
    prompt_values_supported: [&'a str; 4],
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    service_documentation: String,
}

/// Describe the provider
///
/// Returns the addresses and the abilities of the OpenID Connect provider (OpenID Connect Discovery), if
/// `identity.issuer` in the configuration is the address of the host id.
#[utoipa::path(tag = "provider", operation_id = "describeProvider",
    responses((status = 200, description = "The metadata of the provider", body = Value)), security(()))]
#[get("/.well-known/openid-configuration")]
pub async fn show(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    describe(&state)
}

/// Describe the authorization server
///
/// Returns the same as GET /.well-known/openid-configuration (RFC 8414).
#[utoipa::path(tag = "provider", operation_id = "describeAuthorizationServer",
    responses((status = 200, description = "The metadata of the authorization server", body = Value)),
    security(()))]
#[get("/.well-known/oauth-authorization-server")]
pub async fn show_server(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    describe(&state)
}

fn describe(state: &State) -> Result<HttpResponse, Problem> {
    let issuer = state.tokens.issuer();
    let host = issuer.parse::<Uri>().ok().and_then(|uri| HostName::parse(uri.authority()?.as_str()).ok());
    if host.is_none_or(|host| state.resolver.target(&host, "/") != HostTarget::Identity) {
        let detail = "The setting identity.issuer is not the address of the host id, such as \
                      https://id.example.com, so programs cannot discover the provider.";
        return Err(Problem::new(Code::NotFound, detail));
    }
    let metadata = Metadata {
        standard: standard(issuer, &state.keys.algorithms()).map_err(Problem::internal)?,
        end_session_endpoint: format!("{issuer}/oauth/end-session"),
        revocation_endpoint: format!("{issuer}/oauth/revoke"),
        introspection_endpoint: format!("{issuer}/oauth/introspect"),
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
        prompt_values_supported: ["none", "login", "consent", "select_account"],
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        service_documentation: format!("{issuer}/docs"),
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(metadata))
}

fn standard(issuer: &str, algorithms: &[SigningAlgorithm]) -> Result<CoreProviderMetadata, ParseError> {
    let at = |path: &str| format!("{issuer}{path}");
    let algorithms = algorithms.iter().map(|algorithm| match algorithm {
        SigningAlgorithm::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
        SigningAlgorithm::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    });
    let claims =
        ["iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "nonce", "sid", "app", "tid", "roles"];
    let claims_of_person =
        ["name", "preferred_username", "locale", "email", "email_verified", "phone_number"];
    let claims = claims.into_iter().chain(claims_of_person);
    Ok(CoreProviderMetadata::new(
        IssuerUrl::new(issuer.to_owned())?,
        AuthUrl::new(at("/oauth/authorize"))?,
        JsonWebKeySetUrl::new(at("/.well-known/jwks.json"))?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        algorithms.collect(),
        EmptyAdditionalProviderMetadata {},
    )
    .set_token_endpoint(Some(TokenUrl::new(at("/oauth/token"))?))
    .set_userinfo_endpoint(Some(UserInfoUrl::new(at("/oauth/userinfo"))?))
    .set_scopes_supported(Some(STANDARD_SCOPES.iter().map(|scope| Scope::new((*scope).to_owned())).collect()))
    .set_response_modes_supported(Some(vec![CoreResponseMode::Query]))
    .set_grant_types_supported(Some(vec![
        CoreGrantType::AuthorizationCode,
        CoreGrantType::RefreshToken,
        CoreGrantType::ClientCredentials,
    ]))
    .set_token_endpoint_auth_methods_supported(Some(vec![
        CoreClientAuthMethod::ClientSecretBasic,
        CoreClientAuthMethod::ClientSecretPost,
        CoreClientAuthMethod::None,
    ]))
    .set_claims_supported(Some(claims.map(|claim| CoreClaimName::new(claim.to_owned())).collect()))
    .set_claims_parameter_supported(Some(false))
    .set_request_parameter_supported(Some(false))
    .set_request_uri_parameter_supported(Some(false)))
}
