//! Signing out of the browser, and so of every app that was opened with it (OpenID Connect RP-Initiated
//! Logout).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, http::StatusCode, post, web};
use identity::auth_event::{By, Origin};
use identity::person_claims::IdTokenHint;
use identity::registration::Registration;
use identity::session::{self, Which};
use identity::{ClientId, SignOn, sign_on};
use serde::Deserialize;
use serde_json::json;
use tenancy::{DbError, SharedScope, SharedTx};
use url::Url;
use utoipa::IntoParams;

use crate::http::client;
use crate::http::extract::Body;
use crate::http::host_owner::AtIdentity;
use crate::http::problem::Problem;
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::pages::page;
use crate::routes::provider::parameters::{self, Parameters};
use crate::routes::provider::sign_in::refuse_other_pages;

/// The parameters of a request, as the API document shows them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the parameters are read one by one, because none of them may be repeated")]
struct SignOutParameters {
    /// The ID token of the session. It may have expired.
    id_token_hint: Option<String>,
    /// The client id of the program.
    client_id: Option<String>,
    /// A registered address to which people may return, letter by letter.
    post_logout_redirect_uri: Option<String>,
    /// A text that the answer repeats.
    state: Option<String>,
}

/// Sign a person out
///
/// Signs the person out of the browser, and of every app that was opened with it (OpenID Connect RP-Initiated
/// Logout). With an ID token of the program in id_token_hint, the person is not asked. Then the browser goes
/// to post_logout_redirect_uri, if it was registered for the program.
#[utoipa::path(tag = "provider", operation_id = "signOutOfBrowser", params(SignOutParameters),
    responses((status = 303, description = "The browser returns to the program"),
              (status = 200, description = "A page for the person")), security(()))]
#[get("/oauth/end-session")]
pub async fn end_session(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    cookie: Result<SignOnCookie, Problem>,
    client::From(origin): client::From,
) -> Result<HttpResponse, PageError> {
    let parameters = Parameters::read(request.query_string().as_bytes()).map_err(PageError::bad_request)?;
    end(&state, &parameters, &cookie?, &origin).await
}

/// Sign a person out, with a form
///
/// Like GET /oauth/end-session, with the parameters in a form.
#[utoipa::path(tag = "provider", operation_id = "signOutOfBrowserByForm",
    request_body(content = Value, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "The browser goes on with GET")), security(()))]
#[post("/oauth/end-session")]
pub async fn end_session_by_form(
    _at: AtIdentity,
    request: HttpRequest,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, PageError> {
    let parameters = parameters::of_page(request.headers(), &body?.0).map_err(PageError::bad_request)?;
    Ok(go_on(&parameters.to_query()))
}

/// Sends the browser to the endpoint.
pub fn go_on(query: &str) -> HttpResponse {
    let address = format!("/oauth/end-session?{query}");
    HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish()
}

/// Signs out somebody who was asked. The query is that of `/oauth/end-session`.
pub async fn submit(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    cookie: Result<SignOnCookie, Problem>,
    client::From(origin): client::From,
) -> Result<HttpResponse, PageError> {
    let cookie = cookie?;
    refuse_other_pages(&cookie)?;
    let parameters = Parameters::read(request.query_string().as_bytes()).map_err(PageError::bad_request)?;
    let (client, hint) = client_of(&state, &parameters).await?;
    let back = back(client.as_ref(), &parameters)?;
    finish(&state, &cookie, hint.as_ref(), &origin, back).await
}

async fn end(
    state: &State,
    parameters: &Parameters,
    cookie: &SignOnCookie,
    origin: &Origin,
) -> Result<HttpResponse, PageError> {
    let (client, hint) = client_of(state, parameters).await?;
    let back = back(client.as_ref(), parameters)?;
    let Some((present, opened)) = signed_on(state, cookie, hint.as_ref()).await? else {
        return finish(state, cookie, hint.as_ref(), origin, back).await;
    };
    // A program whose session began with this sign-on may end it. An older ID token proves nothing.
    if opened {
        return finish(state, cookie, hint.as_ref(), origin, back).await;
    }
    let person = present.email.map(|email| email.to_string()).or(present.full_name);
    let values = json!({
        "person": person.unwrap_or_else(|| "the account of this browser".to_owned()),
        "query": parameters.to_query(),
    });
    Ok(page::render(StatusCode::OK, "sign_out.html", &values))
}

/// The sign-on of the browser, and whether the session of the ID token began with it.
async fn signed_on(
    state: &State,
    cookie: &SignOnCookie,
    hint: Option<&IdTokenHint>,
) -> Result<Option<(SignOn, bool)>, DbError> {
    let Some(secret) = cookie.secret() else { return Ok(None) };
    let open = async |tx: &SharedTx| {
        let Some(present) = sign_on::open(tx, secret, &state.sign_in.terms).await? else { return Ok(None) };
        let opened = match hint {
            Some(hint) => sign_on::has_opened(tx, present.id, hint.sid).await?,
            None => false,
        };
        Ok(Some((present, opened)))
    };
    state.database.write_shared(SharedScope::Public, open).await
}

/// The program that asks, and its ID token.
async fn client_of(
    state: &State,
    parameters: &Parameters,
) -> Result<(Option<Registration>, Option<IdTokenHint>), PageError> {
    // A token that cannot be read any more proves nothing, and stops nobody from signing out.
    let hint = parameters.get("id_token_hint").and_then(|token| state.tokens.read_id_token(token).ok());
    let named = parameters.get("client_id");
    if hint.as_ref().zip(named).is_some_and(|(hint, named)| hint.aud != named) {
        return Err(PageError::bad_request("The id_token_hint belongs to another program than client_id."));
    }
    let id = named.or(hint.as_ref().map(|hint| hint.aud.as_str()));
    let Some(id) = id.and_then(|id| ClientId::parse(id).ok()) else { return Ok((None, hint)) };
    let find = async |tx: &SharedTx| Registration::find(tx, &id).await;
    Ok((state.database.read_shared(SharedScope::Public, find).await?, hint))
}

/// Where the browser goes afterwards.
fn back(client: Option<&Registration>, parameters: &Parameters) -> Result<Option<String>, PageError> {
    let Some(asked) = parameters.get("post_logout_redirect_uri") else { return Ok(None) };
    let registered = client.is_some_and(|client| {
        client.post_logout_redirect_uris.iter().any(|registered| registered.allows(asked))
    });
    let refused = || {
        let text = "The app named an address that is not registered for it. Go back to the app, and tell the \
                    people who run it.";
        PageError::bad_request(text)
    };
    let mut address = Url::parse(asked).ok().filter(|_| registered).ok_or_else(refused)?;
    if let Some(state) = parameters.get("state") {
        address.query_pairs_mut().append_pair("state", state);
    }
    Ok(Some(address.into()))
}

/// Ends the sign-on of the browser, and the session of the program.
async fn finish(
    state: &State,
    cookie: &SignOnCookie,
    hint: Option<&IdTokenHint>,
    origin: &Origin,
    back: Option<String>,
) -> Result<HttpResponse, PageError> {
    if let Some(secret) = cookie.secret() {
        let end = async |tx: &SharedTx| match sign_on::open(tx, secret, &state.sign_in.terms).await? {
            Some(present) => sign_on::end(tx, present.id, present.user_id, origin).await,
            None => Ok(()),
        };
        state.database.write_shared(SharedScope::Public, end).await?;
    }
    if let Some(hint) = hint {
        // The browser may have lost its cookie. Nothing but the session of the program is known then.
        let by = By::person(hint.sub, origin);
        let end =
            async |tx: &SharedTx| session::revoke(tx, hint.sub, Which::One(hint.sid), "signed_out", by).await;
        state.database.write_shared(SharedScope::User(hint.sub.into()), end).await?;
    }
    let mut response = match back {
        Some(address) => HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish(),
        None => page::render(StatusCode::OK, "signed_out.html", &json!({})),
    };
    cookie.forget(&mut response)?;
    Ok(response)
}
