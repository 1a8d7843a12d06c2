//! What a program may know of the person whose access token it has (OpenID Connect Core section 5.3).

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use identity::delegation::OPENID;
use identity::person_claims;
use identity::token_claims::LiveToken;
use identity::{Holder, profile, user};
use tenancy::SharedScope;

use crate::http::bearer;
use crate::http::codes::Code;
use crate::http::host_owner::AtIdentity;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::provider::resource;

/// Read the person of a token
///
/// Returns what the scopes of the access token allow: the id (sub) with openid; name, preferred_username and
/// locale with profile; email and email_verified with email; phone_number with phone.
#[utoipa::path(tag = "provider", operation_id = "readUserInfo",
    responses((status = 200, description = "The claims of the person", body = Value)))]
#[get("/oauth/userinfo")]
pub async fn show(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    read(&state, &request).await
}

async fn read(state: &State, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let token = bearer::bearer_token(request.headers()).map_err(|_| token_missing())?;
    let token = LiveToken::read(&state.tokens, &state.revocations, token).await??;
    let scopes = token.scopes();
    let Holder::Person(person) = &token.holder else { return Err(scope_missing()) };
    if !scopes.has(OPENID) || person.impersonator.is_some() {
        return Err(scope_missing());
    }
    let (id, tenant) = (person.user, token.tenant());
    if !resource::is_open(state, tenant).await? {
        return Err(identity::TokenError::SessionEnded.into());
    }
    let (profile, user) = state
        .database
        .read_shared(SharedScope::User(id.into()), async |tx| {
            tenancy::all((profile::find(tx, id), user::find(tx, id, tenant))).await
        })
        .await?;
    let profile = profile.ok_or(identity::TokenError::SessionEnded)?;
    let username = user.and_then(|user| user.username).map(|username| username.to_string());
    Ok(HttpResponse::Ok().json(person_claims::person_claims(&profile, username, &scopes)))
}

/// Read the person of a token, with POST
///
/// Like GET /oauth/userinfo.
#[utoipa::path(tag = "provider", operation_id = "readUserInfoByPost",
    responses((status = 200, description = "The claims of the person", body = Value)))]
#[post("/oauth/userinfo")]
pub async fn show_by_post(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    read(&state, &request).await
}

fn token_missing() -> Problem {
    let detail = "Send the header Authorization: Bearer TOKEN, with an access token from POST /oauth/token.";
    Problem::unauthorized(Code::TokenMissing, detail, r#"Bearer realm="tenantry""#)
}

fn scope_missing() -> Problem {
    Problem::unauthorized(
        Code::ScopeMissing,
        "The access token does not have the scope openid.",
        r#"Bearer realm="tenantry", error="insufficient_scope", scope="openid""#,
    )
}
