//! The end of a session, for a program that does not need its tokens any more (RFC 7009).

use actix_web::{HttpRequest, HttpResponse, post, web};
use identity::auth_event::{By, Origin};
use identity::client::KnownClient;
use identity::refresh::{self, Presenter};
use identity::session::{self, Which};
use identity::token_claims::LiveToken;
use identity::{Holder, RefreshToken};
use secrecy::SecretString;
use serde::Deserialize;
use tenancy::{SharedScope, SharedTx};
use utoipa::ToSchema;

use crate::http::client;
use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::provider::client_authentication::Presented;
use crate::routes::provider::parameters::Parameters;

/// The parameters of a request, as the API document shows them.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "the parameters are read one by one, because none of them may be repeated")]
pub struct RevocationRequest {
    /// The refresh token or the access token.
    token: String,
    /// The client id, if the request has no header Authorization: Basic.
    client_id: Option<String>,
    /// The secret, if the request has no header Authorization: Basic. A public program has none.
    client_secret: Option<String>,
}

/// Revoke a token
///
/// Ends the session of a refresh token or an access token of the program (RFC 7009). All its tokens are
/// refused from now on. The sign-on of the browser, and other apps, go on. A token that is not valid, or not
/// the program's, changes nothing.
#[utoipa::path(tag = "provider", operation_id = "revokeToken",
    request_body(content = RevocationRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Revoked")), security(()))]
#[post("/oauth/revoke")]
pub async fn revoke(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    client::From(origin): client::From,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, OAuthError> {
    let parameters = Parameters::of_form(request.headers(), body)?;
    let client = Presented::read(request.headers(), &parameters)?.authenticate(&state).await?;
    let token = parameters.require("token")?;
    if RefreshToken::has_mark(token) {
        let presented = RefreshToken::presented(SecretString::from(token));
        let presenter = Presenter::Program(&client.id, None);
        refresh::sign_out(&state.database, &presented, presenter, &origin).await?;
    } else {
        state.tokens.check_ready()?;
        of_access_token(&state, &client, token, &origin).await?;
    }
    Ok(HttpResponse::Ok().finish())
}

async fn of_access_token(
    state: &State,
    client: &KnownClient,
    token: &str,
    origin: &Origin,
) -> Result<(), OAuthError> {
    let read = LiveToken::read(&state.tokens, &state.revocations, token).await?;
    let Some(token) = read.ok().filter(|token| token.is_of(client)) else { return Ok(()) };
    let Holder::Person(person) = &token.holder else {
        let text = "The token of a service account expires by itself; it cannot be revoked.";
        return Err(OAuthError::new(Kind::UnsupportedTokenType, text));
    };
    let (user, by) = (person.user, By::person(person.user, origin));
    let which = Which::One(token.session());
    let end = async |tx: &SharedTx| session::revoke(tx, user, which, "signed_out", by).await;
    state.database.write_shared(SharedScope::User(user.into()), end).await?;
    Ok(())
}
