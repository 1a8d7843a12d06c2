//! The token endpoint: a program exchanges a code, a refresh token, or its own secret for an access token
//! (RFC 6749).

use crate::http::bearer::TokenType;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, post, web};
use chrono::TimeDelta;
use identity::auth_event::Origin;
use identity::client::KnownClient;
use identity::code::{self, Presented as PresentedCode};
use identity::delegation::OPENID;
use identity::login::SignedIn;
use identity::refresh::{self, Presenter};
use identity::service_account::{self, OpenedAccount};
use identity::session::Started;
use identity::{RefreshToken, Scopes};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tenancy::{SharedScope, SharedTx, TenantId};
use utoipa::ToSchema;

use crate::http::client;
use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::provider::client_authentication::Presented;
use crate::routes::provider::parameters::Parameters;
use crate::routes::provider::resource;

values::words! {
    /// How a program gets its tokens (RFC 6749).
    pub enum GrantType {
        /// With the code that a browser brought back.
        AuthorizationCode = "authorization_code",
        /// With a refresh token.
        RefreshToken = "refresh_token",
        /// With the secret of the program.
        ClientCredentials = "client_credentials",
    }
}

/// The parameters of a request, as the API document shows them.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the parameters are read one by one, because none of them may be repeated")]
pub struct TokenRequest {
    /// authorization_code, refresh_token or client_credentials.
    #[schema(example = "client_credentials")]
    #[schema(value_type = GrantType)]
    grant_type: String,
    /// The code, for authorization_code.
    #[schema(example = json!(null))]
    code: Option<String>,
    /// The address to which the browser returned, for authorization_code.
    #[schema(example = json!(null))]
    redirect_uri: Option<String>,
    /// The text from which code_challenge was made, for authorization_code.
    #[schema(example = json!(null))]
    code_verifier: Option<String>,
    /// The refresh token, for refresh_token.
    #[schema(example = json!(null))]
    refresh_token: Option<String>,
    /// The address of the business, such as `https://acme.example.com` (RFC 8707). Required for
    /// client_credentials.
    #[schema(example = "https://acme.example.com")]
    resource: Option<String>,
    /// Permissions, separated by spaces, for client_credentials. Defaults to all permissions of the service
    /// account. For refresh_token, fewer scopes than those of the session, for this access token alone.
    #[schema(example = "catalogue.read stock.read")]
    scope: Option<String>,
    /// The client id, if the request has no header Authorization: Basic.
    client_id: Option<String>,
    /// The secret, if the request has no header Authorization: Basic. A public program has none.
    client_secret: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    /// The access token, for the header Authorization: Bearer.
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9...")]
    access_token: String,
    /// Always Bearer.
    #[schema(example = "Bearer")]
    token_type: TokenType,
    /// The lifetime of the access token, in seconds.
    #[schema(example = 600)]
    expires_in: u64,
    /// The scopes and permissions of the access token, separated by spaces.
    #[schema(example = "catalogue.read stock.read")]
    scope: String,
    /// The token for the next refresh, which can be used once. Not for client_credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "trt_kq3...")]
    refresh_token: Option<String>,
    /// The ID token, if the scopes contain openid. Not for client_credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9...")]
    id_token: Option<String>,
}

impl TokenAnswer {
    fn respond(self) -> HttpResponse {
        // RFC 6749 section 5.1 asks for both headers.
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::PRAGMA, "no-cache"))
            .json(self)
    }
}

/// Get tokens
///
/// Exchanges the code of a sign-in, a refresh token, or the secret of a program with a service account for an
/// access token (RFC 6749). The token is for the app of the program. With client_credentials there is no
/// refresh token: the program asks again. Errors have the form of RFC 6749.
#[utoipa::path(tag = "provider", operation_id = "getToken",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer)), security(()))]
#[post("/oauth/token")]
pub async fn issue(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    client::From(origin): client::From,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, OAuthError> {
    let parameters = Parameters::of_form(request.headers(), body)?;
    let grant = parameters.require("grant_type")?;
    if !["authorization_code", "refresh_token", "client_credentials"].contains(&grant) {
        let text =
            "The grant type is not supported. Use authorization_code, refresh_token or client_credentials.";
        return Err(OAuthError::new(Kind::UnsupportedGrantType, text));
    }
    let presented = Presented::read(request.headers(), &parameters)?;
    state.tokens.check_ready()?;
    let answer = match grant {
        "client_credentials" => of_program(&state, &presented, &parameters).await?,
        _ => {
            let client = presented.authenticate(&state).await?;
            match grant {
                "authorization_code" => of_code(&state, &client, &parameters, &origin).await?,
                _ => of_refresh(&state, &client, &parameters, &origin).await?,
            }
        }
    };
    Ok(answer.respond())
}

/// The first tokens of a session (RFC 6749 section 4.1.3).
async fn of_code(
    state: &State,
    client: &KnownClient,
    parameters: &Parameters,
    origin: &Origin,
) -> Result<TokenAnswer, OAuthError> {
    let presented = PresentedCode {
        code: parameters.require("code")?,
        redirect_uri: parameters.require("redirect_uri")?,
        verifier: parameters.require("code_verifier")?,
        business: named_business(state, parameters).await?,
    };
    if !code::is_verifier(presented.verifier) {
        let text = "The parameter code_verifier must have 43 to 128 of A-Z, a-z, 0-9, -, ., _ and ~.";
        return Err(OAuthError::new(Kind::InvalidRequest, text));
    }
    let terms = &state.sign_in.terms;
    let redeemed = code::redeem(&state.database, client, &presented, terms, origin).await?;
    of_session(state, client, &redeemed.signed_in, &redeemed.started, redeemed.nonce.as_deref())
}

/// The next tokens of a session (RFC 6749 section 6).
async fn of_refresh(
    state: &State,
    client: &KnownClient,
    parameters: &Parameters,
    origin: &Origin,
) -> Result<TokenAnswer, OAuthError> {
    let presented = RefreshToken::presented(SecretString::from(parameters.require("refresh_token")?));
    let business = named_business(state, parameters).await?;
    let (presenter, terms) = (Presenter::Program(&client.id, business), &state.sign_in.terms);
    let fewer = parameters.get("scope").map(Scopes::parse);
    let (signed_in, started) =
        refresh::refresh(&state.database, &presented, presenter, fewer, terms, origin).await?;
    of_session(state, client, &signed_in, &started, None)
}

/// The business that the program names, which must be that of the code or the session (RFC 8707 section 2.2).
async fn named_business(state: &State, parameters: &Parameters) -> Result<Option<TenantId>, OAuthError> {
    match parameters.get("resource") {
        Some(address) => Ok(Some(resource::business(state, address).await?.id)),
        None => Ok(None),
    }
}

fn of_session(
    state: &State,
    client: &KnownClient,
    signed_in: &SignedIn,
    started: &Started,
    nonce: Option<&str>,
) -> Result<TokenAnswer, OAuthError> {
    let token = state.tokens.issue(signed_in, started)?;
    let scopes = started.delegation.as_ref().map(|delegation| &delegation.scopes);
    let id_token = if scopes.is_some_and(|scopes| scopes.has(OPENID)) {
        let lifetime = TimeDelta::from_std(token.expires_in).unwrap_or_default();
        Some(state.tokens.id_token(signed_in, started, client.id.as_str(), nonce, lifetime)?)
    } else {
        None
    };
    let held = started.held(signed_in);
    let scope = started.delegation.as_ref().map(|delegation| delegation.scope_of_token(held));
    Ok(TokenAnswer {
        access_token: token.token,
        token_type: TokenType::Bearer,
        expires_in: token.expires_in.as_secs(),
        scope: scope.unwrap_or_default(),
        refresh_token: Some(started.refresh_token.secret().expose_secret().to_owned()),
        id_token,
    })
}

/// The token of a program for its service account at a business (RFC 6749 section 4.4).
async fn of_program(
    state: &State,
    presented: &Presented,
    parameters: &Parameters,
) -> Result<TokenAnswer, OAuthError> {
    let Some(secret) = &presented.secret else {
        return Err(OAuthError::new(Kind::InvalidClient, "Send the secret of the program."));
    };
    let tenant = match parameters.get("resource") {
        Some(address) => Some(resource::business(state, address).await),
        None => None,
    };
    let tenant_id = tenant.as_ref().and_then(|tenant| tenant.as_ref().ok()).map(|tenant| tenant.id);
    let open = async |tx: &SharedTx| service_account::open(tx, &presented.id, secret, tenant_id).await;
    let opened = state.database.write_shared(SharedScope::Public, open).await;
    // The answer tells a stranger nothing about businesses: a wrong secret comes first.
    let account = match (opened, tenant) {
        (Err(service_account::OpenError::NoAccount), None) => {
            return Err(OAuthError::new(Kind::InvalidTarget, "The parameter resource is missing."));
        }
        (Err(service_account::OpenError::NoAccount), Some(Err(error))) => return Err(error),
        (opened, _) => opened?,
    };
    let account = restricted(account, parameters.get("scope"))?;
    let token = state.tokens.issue_to_program(&account)?;
    Ok(TokenAnswer {
        access_token: token.token,
        token_type: TokenType::Bearer,
        expires_in: token.expires_in.as_secs(),
        scope: account.permissions.join(" "),
        refresh_token: None,
        id_token: None,
    })
}

/// The account with no more than these permissions.
fn restricted(mut account: OpenedAccount, scope: Option<&str>) -> Result<OpenedAccount, OAuthError> {
    if let Some(scope) = scope {
        let wanted = Scopes::parse(scope);
        if !wanted.as_slice().iter().all(|key| account.permissions.contains(key)) {
            let text = "The service account does not have all permissions of the parameter scope.";
            return Err(OAuthError::new(Kind::InvalidScope, text));
        }
        account.permissions.retain(|held| wanted.has(held));
    }
    if account.permissions.is_empty() {
        let text = "The access token would have no permission. Ask an owner of the business for permissions.";
        return Err(OAuthError::new(Kind::InvalidScope, text));
    }
    Ok(account)
}
