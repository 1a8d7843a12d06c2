//! The authorization endpoint: a program sends somebody here to sign in, and gets a code. In between, the
//! person sees the pages that are needed, and each of them leads back here.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use identity::code::{self, Grant};
use identity::consent;
use identity::membership::MemberOf;
use identity::place::{self, Place};
use identity::{SecondFactorState, SignOn, delegation, sign_on};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tenancy::{DbError, SharedScope, SharedTx, TenantSlug};
use utoipa::IntoParams;

use crate::http::extract::Body;
use crate::http::flow_cookie::FlowCookie;
use crate::http::host_owner::AtIdentity;
use crate::http::oauth_error::{Kind, OAuthError};
use crate::http::problem::Problem;
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::pages::page;
use crate::routes::provider::authorization_request::AuthorizationRequest;
use crate::routes::provider::{enrolment, external, linking, parameters};

/// The parameters of a request, as the API document shows them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the parameters are read one by one, because errors go back to the program")]
struct AuthorizationParameters {
    /// The client id of the program.
    client_id: String,
    /// A registered address of the program, letter by letter.
    redirect_uri: String,
    /// code.
    #[param(pattern = "^code$")]
    response_type: String,
    /// SHA-256 of the verifier, in base64url (RFC 7636).
    code_challenge: String,
    /// S256.
    #[param(pattern = "^S256$")]
    code_challenge_method: String,
    /// openid, profile, email, phone, offline_access, account, and keys of permissions, separated by spaces.
    /// With keys, the access token has these permissions alone. Without any, it has all permissions of the
    /// person, or none if the program is somebody else's.
    scope: Option<String>,
    /// A text that the answer repeats.
    state: Option<String>,
    /// A text that the ID token repeats, at most 500 bytes.
    nonce: Option<String>,
    /// none; or login, consent and select_account, separated by spaces.
    prompt: Option<String>,
    /// The longest time since the password was given, in seconds.
    max_age: Option<u32>,
    /// The address of a business, such as `https://acme.example.com`. Without it, a member of several
    /// businesses chooses one.
    resource: Option<String>,
    /// The email or the username to be filled in.
    login_hint: Option<String>,
    /// An earlier ID token of the person.
    id_token_hint: Option<String>,
}

/// What comes next for somebody who was sent here.
enum Next {
    /// The password, which is missing, too old, or another person's.
    Password,
    /// The second factor.
    SecondFactor(SignOn),
    /// A second factor, which a role of the person needs.
    Enrolment(SignOn),
    /// The choice between the person who is signed in and another one.
    Account(SignOn),
    /// The choice of a business.
    Business(SignOn, Vec<Place>),
    /// The person may not use the app, or not there.
    Nowhere(SignOn),
    /// The decision whether the program learns who the person is.
    Consent(SignOn, Place),
    /// A look at the program, which runs on the person's own machine.
    Confirmation(SignOn, Place),
    /// The way back to the program.
    Back(SecretString),
}

/// Sign a person in
///
/// Shows the pages on which a person signs in, and returns the browser to redirect_uri with a code (OpenID
/// Connect Core section 3.1.2). PKCE with S256 is required. A person who signed in before sees no page.
/// Errors go to redirect_uri; a request with an unknown client_id or redirect_uri gets an error page.
#[utoipa::path(tag = "provider", operation_id = "authorize", params(AuthorizationParameters),
    responses((status = 303, description = "The browser returns to the program"),
              (status = 200, description = "A page for the person")), security(()))]
#[get("/oauth/authorize")]
pub async fn authorize(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    cookie: Result<SignOnCookie, Problem>,
    flow_cookie: Result<FlowCookie, Problem>,
) -> Result<HttpResponse, PageError> {
    let (cookie, flow_cookie) = (cookie?, flow_cookie?);
    let asked = match AuthorizationRequest::read(&state, request.query_string()).await {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    if let Some(page) = linking::page(&state, &asked, &cookie, &flow_cookie).await? {
        return Ok(page);
    }
    let next = decide(&state, &asked, &cookie, false).await?;
    if asked.prompt.none
        && let Some(error) = impossible_without_a_page(&next)
    {
        return Ok(asked.back.refuse(&error));
    }
    let is_next_visit = matches!(next, Next::Password) && flow_cookie.unlinked().is_some();
    let mut response = answer(&state, &asked, next).await?;
    if is_next_visit {
        // Perhaps it is somebody else's.
        flow_cookie.forget(&mut response)?;
    }
    Ok(response)
}

/// Sign a person in, with a form
///
/// Like GET /oauth/authorize, with the parameters in a form.
#[utoipa::path(tag = "provider", operation_id = "authorizeByForm",
    request_body(content = Value, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "The browser goes on with GET")), security(()))]
#[post("/oauth/authorize")]
pub async fn authorize_by_form(
    _at: AtIdentity,
    request: HttpRequest,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, PageError> {
    // A browser sends no cookie with a form of another site, but does so with the request that follows.
    let parameters = parameters::of_page(request.headers(), &body?.0).map_err(PageError::bad_request)?;
    Ok(go_on(&parameters.to_query()))
}

/// Sends the browser to the authorization endpoint.
pub fn go_on(query: &str) -> HttpResponse {
    let address = format!("/oauth/authorize?{query}");
    HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish()
}

/// Goes on for a person who has seen that a program of their own machine wants to know who they are.
pub async fn go_on_after_confirmation(
    state: &State,
    asked: &AuthorizationRequest,
    cookie: &SignOnCookie,
) -> Result<HttpResponse, PageError> {
    let next = decide(state, asked, cookie, true).await?;
    answer(state, asked, next).await
}

async fn decide(
    state: &State,
    asked: &AuthorizationRequest,
    cookie: &SignOnCookie,
    is_confirmed: bool,
) -> Result<Next, DbError> {
    let decide = async |tx: &SharedTx| decide_in(tx, state, asked, cookie, is_confirmed).await;
    state.database.write_shared(SharedScope::Public, decide).await
}

/// The age of a password that was given for this request.
const JUST_NOW_S: i64 = 60;

async fn decide_in(
    tx: &SharedTx,
    state: &State,
    asked: &AuthorizationRequest,
    cookie: &SignOnCookie,
    is_confirmed: bool,
) -> Result<Next, DbError> {
    let sign_on = match cookie.secret() {
        Some(secret) => sign_on::open(tx, secret, &state.sign_in.terms).await?,
        None => None,
    };
    let Some(sign_on) = sign_on.filter(|_| !asked.prompt.login) else { return Ok(Next::Password) };
    let age = (tx.now() - sign_on.authenticated_at).num_seconds();
    let is_other = asked.expected.as_ref().is_some_and(|expected| expected.sub != sign_on.user_id);
    if is_other || asked.max_age.is_some_and(|max_age| max_age == 0 || age > max_age) {
        return Ok(Next::Password);
    }
    if sign_on.needs_second_factor {
        return Ok(Next::SecondFactor(sign_on));
    }
    if asked.prompt.select_account {
        return Ok(Next::Account(sign_on));
    }
    let mut places = place::list(tx, sign_on.user_id, &asked.client.app).await?;
    if let Some(business) = &asked.business {
        places.retain(|place| place.tenant_id == Some(business.id));
    }
    let place = match places.len() {
        0 => return Ok(Next::Nowhere(sign_on)),
        1 => places.swap_remove(0),
        _ => return Ok(Next::Business(sign_on, places)),
    };
    if place.sign_in_again_since.is_some_and(|since| sign_on.authenticated_at < since) {
        return Ok(Next::Password);
    }
    let client = &asked.client;
    let member_of = MemberOf::app_of(client.app.clone(), place.tenant_id);
    if state.sign_in.terms.lacks(place.second_factor, &member_of) == SecondFactorState::ToEnrol {
        return Ok(if sign_on.is_recent() { Next::Enrolment(sign_on) } else { Next::Password });
    }
    let is_missing = client.is_foreign
        && (asked.prompt.consent
            || !consent::covers(tx, place.membership_id, &client.id, &asked.scopes).await?);
    if is_missing {
        return Ok(Next::Consent(sign_on, place));
    }
    let could_be_another = client.is_public && asked.back.is_on_own_machine();
    // Somebody who has just given the password to this program knows that it asks.
    let knows = sign_on.asked_by.as_ref() == Some(&client.id) && age <= JUST_NOW_S && !asked.prompt.none;
    if could_be_another && !is_confirmed && !knows {
        return Ok(Next::Confirmation(sign_on, place));
    }
    let grant = Grant {
        client: &client.id,
        user: sign_on.user_id,
        sign_on: sign_on.id,
        membership: place.membership_id,
        redirect_uri: asked.back.redirect_uri(),
        scopes: &asked.scopes,
        nonce: asked.nonce.as_deref(),
        challenge: &asked.challenge,
    };
    code::issue(tx, &grant).await.map(Next::Back)
}

/// The error for a program that wants no page to be shown (OpenID Connect Core section 3.1.2.6).
fn impossible_without_a_page(next: &Next) -> Option<OAuthError> {
    let (kind, text) = match next {
        Next::Password | Next::SecondFactor(_) => (Kind::LoginRequired, "The user must sign in."),
        Next::Enrolment(_) => (Kind::InteractionRequired, "The user must set up a second factor."),
        Next::Account(_) => (Kind::AccountSelectionRequired, "The user must choose an account."),
        Next::Business(..) => (
            Kind::InteractionRequired,
            "The user must choose a business. Send its address in the parameter resource.",
        ),
        Next::Nowhere(_) => (Kind::AccessDenied, "The user is no member there."),
        Next::Confirmation(..) => {
            (Kind::InteractionRequired, "The user must confirm that this program asks.")
        }
        Next::Consent(..) => (Kind::ConsentRequired, "The user must allow the program to do this."),
        Next::Back(_) => return None,
    };
    Some(OAuthError::new(kind, text))
}

/// A person, as pages name them.
pub fn person(sign_on: &SignOn) -> String {
    let email = sign_on.email.as_ref().map(ToString::to_string);
    match (&sign_on.full_name, email) {
        (Some(name), Some(email)) => format!("{name} ({email})"),
        (Some(name), None) => name.clone(),
        (None, email) => email.unwrap_or_else(|| "the account of this browser".to_owned()),
    }
}

async fn answer(state: &State, asked: &AuthorizationRequest, next: Next) -> Result<HttpResponse, PageError> {
    let (program, other) = (&asked.client.name, asked.query_of_another_account());
    let ok = StatusCode::OK;
    Ok(match next {
        Next::Enrolment(sign_on) => return enrolment::show(state, asked, &sign_on).await,
        Next::Back(code) => asked.back.with(&[("code", code.expose_secret())]),
        Next::Password => {
            ask_for_password(state, asked, asked.login_hint.as_deref().unwrap_or_default(), None, ok)
        }
        Next::SecondFactor(sign_on) => ask_for_second_factor(asked, &sign_on, None, ok),
        Next::Account(sign_on) => {
            let query = asked.parameters.with("prompt", asked.prompt.consent.then_some("consent")).to_query();
            let values = json!({
                "program": program, "person": person(&sign_on), "continue_query": query, "other_query": other,
            });
            page::render(ok, "account.html", &values)
        }
        Next::Business(sign_on, places) => {
            let places: Vec<Value> = places.iter().filter_map(|place| choice(state, asked, place)).collect();
            let values = json!({
                "program": program, "person": person(&sign_on), "places": places, "other_query": other,
            });
            page::render(ok, "business.html", &values)
        }
        Next::Nowhere(sign_on) => {
            let app = &asked.client.app_name;
            let (place, who) = match (&asked.business, asked.client.has_businesses) {
                (Some(tenant), true) => (format!(" of {}", tenant.name), "an owner of the business"),
                (None, true) => (String::new(), "an owner of your business"),
                (_, false) => (String::new(), "the operator"),
            };
            let text = format!(
                "You are signed in as {}, who may not use {app}{place}. Ask {who} to add you, or use another \
                 account.",
                person(&sign_on),
            );
            let back = asked.back.address(&[("error", Kind::AccessDenied.as_str())]);
            let values = json!({
                "title": "No access", "text": text, "other_query": other, "back": back, "program": program,
            });
            page::render(StatusCode::FORBIDDEN, "error.html", &values)
        }
        Next::Confirmation(sign_on, place) => {
            let values = json!({
                "program": program,
                "person": person(&sign_on),
                "business": place.business,
                "query": asked.parameters.with("resource", resource_of(state, &place).as_deref()).to_query(),
                "other_query": other,
            });
            page::render(ok, "confirmation.html", &values)
        }
        Next::Consent(sign_on, place) => {
            let values = json!({
                "program": asked.client.name,
                "person": person(&sign_on),
                "business": place.business,
                "learns": learns(asked),
                "does": asked.permissions_in_words(),
                "query": asked.parameters.with("resource", resource_of(state, &place).as_deref()).to_query(),
                "other_query": other,
            });
            page::render(ok, "consent.html", &values)
        }
    })
}

/// The page for the password. `error` says what was wrong with the last one.
pub fn ask_for_password(
    state: &State,
    asked: &AuthorizationRequest,
    login: &str,
    error: Option<&str>,
    status: StatusCode,
) -> HttpResponse {
    let values = json!({
        "program": asked.client.name,
        "business": asked.business.as_ref().map(|tenant| &tenant.name),
        "query": asked.parameters.to_query(),
        "login": login,
        "error": error,
        "issuers": external::buttons(state),
    });
    page::render(status, "sign_in.html", &values)
}

/// The page for the second factor. `error` says what was wrong with the last one.
pub fn ask_for_second_factor(
    asked: &AuthorizationRequest,
    sign_on: &SignOn,
    error: Option<&str>,
    status: StatusCode,
) -> HttpResponse {
    let values = json!({
        "person": person(sign_on),
        "query": asked.parameters.to_query(),
        "other_query": asked.query_of_another_account(),
        "error": error,
    });
    page::render(status, "second_factor.html", &values)
}

fn resource_of(state: &State, place: &Place) -> Option<String> {
    let slug = TenantSlug::parse(place.slug.as_deref()?).ok()?;
    Some(state.settings.address_of(&slug))
}

/// A business to choose, with the query with which the person goes on there.
fn choice(state: &State, asked: &AuthorizationRequest, place: &Place) -> Option<Value> {
    let resource = resource_of(state, place)?;
    let query = asked.parameters.with("resource", Some(&resource)).to_query();
    Some(json!({"name": place.business, "query": query}))
}

/// What a program learns of the person, in words. Its access token alone says the first.
fn learns(asked: &AuthorizationRequest) -> Vec<&'static str> {
    let known = [
        (delegation::PROFILE, "See your name and your language"),
        (delegation::EMAIL, "See your email address"),
        (delegation::PHONE, "See your telephone number"),
    ];
    let asked = known.into_iter().filter(|(scope, _)| asked.scopes.has(scope)).map(|(_, words)| words);
    std::iter::once("Recognise your account, and see your roles").chain(asked).collect()
}
