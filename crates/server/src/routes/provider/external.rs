//! Signing in at an issuer elsewhere, such as Google, on the way to a program.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::TimeDelta;
use identity::auth_event::Origin;
use identity::external_sign_in::ExternalSignInError;
use identity::login::LoginError;
use identity::membership::MemberOf;
use identity::{Answer, Flow, IdTokenError, IssuerName, Vouched};
use serde_json::{Value, json};

use crate::http::client;
use crate::http::flow_cookie::{Begun, FlowCookie, Note, Unlinked};
use crate::http::host_owner::AtIdentity;
use crate::http::problem::Problem;
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::pages::page;
use crate::routes::provider::authorization_request::AuthorizationRequest;
use crate::routes::provider::parameters::Parameters;
use crate::routes::provider::sign_in::{go_on, refuse_other_pages, too_many_attempts};
use crate::routes::provider::{authorize, page_form};

/// The issuers at which the page for signing in offers to sign in.
pub fn buttons(state: &State) -> Vec<Value> {
    let offered = state.external_issuers.list().filter(|issuer| issuer.client.is_some());
    offered.map(|issuer| json!({"name": issuer.name, "label": issuer.label})).collect()
}

fn redirect_uri(state: &State, issuer: &IssuerName) -> String {
    format!("{}/external/{issuer}/callback", state.tokens.issuer().trim_end_matches('/'))
}

/// The name of the issuer in the path.
fn named(state: &State, name: &str) -> Result<(IssuerName, String), PageError> {
    let known = state.external_issuers.list().find(|issuer| issuer.name.as_str() == name);
    let known = known.filter(|issuer| issuer.client.is_some());
    known.map(|issuer| (issuer.name.clone(), issuer.label.clone())).ok_or_else(|| Problem::not_found().into())
}

/// Sends the browser to the issuer. The query is that of the authorization endpoint.
pub async fn begin(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    path: web::Path<String>,
    cookie: Result<SignOnCookie, Problem>,
    flow_cookie: Result<FlowCookie, Problem>,
) -> Result<HttpResponse, PageError> {
    let (cookie, flow_cookie) = (cookie?, flow_cookie?);
    refuse_other_pages(&cookie)?;
    let (issuer, label) = named(&state, &path)?;
    let asked = match AuthorizationRequest::read(&state, request.query_string()).await {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    // A browser that is signed on came here because that is not enough.
    let is_signed_on = page_form::sign_on_of(&state, &cookie).await?.is_some();
    let again = is_signed_on || asked.prompt.login || asked.max_age.is_some();
    let (flow, back) = (Flow::begin(), redirect_uri(&state, &issuer));
    let address = match state.external_issuers.address(&issuer, &flow, &back, again).await {
        Ok(address) => address,
        Err(error) => return Ok(refused(&state, &asked, &label, Fault::Token(error))),
    };
    let begun = Begun::new(issuer, &flow, again, asked.parameters.to_query());
    let mut response =
        HttpResponse::SeeOther().insert_header((header::LOCATION, String::from(address))).finish();
    if !flow_cookie.keep(&mut response, &Note::Begun(begun))? {
        return Ok(refused(&state, &asked, &label, Fault::TooLong));
    }
    Ok(response)
}

/// Takes the answer with which the issuer sends the browser back.
pub async fn finish(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    path: web::Path<String>,
    cookie: Result<SignOnCookie, Problem>,
    flow_cookie: Result<FlowCookie, Problem>,
    client::From(origin): client::From,
) -> Result<HttpResponse, PageError> {
    let (cookie, flow_cookie) = (cookie?, flow_cookie?);
    let (issuer, label) = named(&state, &path)?;
    let parameters = Parameters::read(request.query_string().as_bytes()).map_err(PageError::bad_request)?;
    let sent = parameters.get("state").unwrap_or_default();
    let begun = flow_cookie.begun().filter(|begun| begun.issuer == issuer);
    let begun = begun.filter(|begun| begun.flow().has_state(sent)).ok_or_else(|| {
        let text = format!(
            "This browser did not begin to sign in with {label}, or did so more than ten minutes ago. Go \
             back to the app, and sign in from there."
        );
        PageError::new(StatusCode::BAD_REQUEST, "This does not work", text)
    })?;
    let asked = match AuthorizationRequest::read(&state, &begun.query).await {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let vouched = match vouched(&state, begun, &parameters, &origin).await {
        Ok(vouched) => vouched,
        Err(fault) => {
            let mut page = refused(&state, &asked, &label, fault);
            flow_cookie.forget(&mut page)?;
            return Ok(page);
        }
    };
    let tenant = asked.business.as_ref().map(|tenant| tenant.id);
    let member_of = MemberOf::app_of(asked.client.app.clone(), tenant);
    let (former, program) = (cookie.secret(), &asked.client.id);
    let signed_on = state.sign_in.sign_on_with_identity(&vouched, &member_of, former, program, &origin).await;
    let mut response = match signed_on {
        Ok((secret, user)) => go_on(&state, &asked, &cookie, &secret, user),
        Err(ExternalSignInError::Unknown) => {
            let mut page = refused(&state, &asked, &label, Fault::SignIn(ExternalSignInError::Unknown));
            // The person links it after the password.
            flow_cookie.keep(&mut page, &Note::Unlinked(Unlinked::new(vouched)))?;
            return Ok(page);
        }
        Err(error) => refused(&state, &asked, &label, Fault::SignIn(error)),
    };
    flow_cookie.forget(&mut response)?;
    Ok(response)
}

/// Why nobody was signed on.
enum Fault {
    /// The request of the program fits into no cookie.
    TooLong,
    /// The issuer did not sign the person in.
    Denied,
    /// The issuer did not ask the person again, or does not say when it did.
    NotAgain,
    Token(IdTokenError),
    SignIn(ExternalSignInError),
}

impl From<LoginError> for Fault {
    fn from(error: LoginError) -> Self {
        Self::SignIn(error.into())
    }
}

async fn vouched(
    state: &State,
    begun: &Begun,
    parameters: &Parameters,
    origin: &Origin,
) -> Result<Vouched, Fault> {
    let code = parameters.get("code").filter(|_| parameters.get("error").is_none()).ok_or(Fault::Denied)?;
    let back = redirect_uri(state, &begun.issuer);
    let answer = Answer { code, issuer: parameters.get("iss"), redirect_uri: &back };
    let counted = state.sign_in.count_answer(origin).await?;
    let redeemed = state.external_issuers.redeem(&begun.issuer, &begun.flow(), &answer).await;
    // An issuer that does not answer is nobody's failed attempt.
    if matches!(redeemed, Ok(_) | Err(IdTokenError::Unavailable)) {
        state.sign_in.forget_answer(&counted).await.map_err(LoginError::from)?;
    }
    let vouched = redeemed.map_err(Fault::Token)?;
    // The clocks may differ.
    let oldest = begun.at - TimeDelta::seconds(60);
    if begun.again && vouched.authenticated_at.is_none_or(|moment| moment < oldest) {
        return Err(Fault::NotAgain);
    }
    Ok(vouched)
}

/// The page for signing in once more, with what was wrong.
fn refused(state: &State, asked: &AuthorizationRequest, label: &str, fault: Fault) -> HttpResponse {
    let (status, text, wait) = match fault {
        Fault::TooLong => {
            let text = format!("This app cannot sign you in with {label}. Use the password.");
            (StatusCode::BAD_REQUEST, text, None)
        }
        Fault::Denied => (StatusCode::UNAUTHORIZED, format!("{label} did not sign you in."), None),
        Fault::NotAgain => {
            let text = format!("{label} did not ask you to sign in again. Use the password.");
            (StatusCode::UNAUTHORIZED, text, None)
        }
        Fault::Token(IdTokenError::Unavailable) => {
            let text = format!("{label} does not answer at the moment. Try again, or use the password.");
            (StatusCode::SERVICE_UNAVAILABLE, text, None)
        }
        Fault::Token(_) | Fault::SignIn(ExternalSignInError::Used) => {
            let text = format!("The answer of {label} was not accepted. Try again, or use the password.");
            (StatusCode::UNAUTHORIZED, text, None)
        }
        Fault::SignIn(ExternalSignInError::Login(LoginError::TooManyAttempts(wait))) => {
            (StatusCode::TOO_MANY_REQUESTS, too_many_attempts(wait), Some(wait))
        }
        Fault::SignIn(ExternalSignInError::Login(LoginError::Db(error))) => {
            return HttpResponse::from_error(PageError::from(error));
        }
        Fault::SignIn(ExternalSignInError::Again) => {
            let text = format!("Sign in at {label} once more, or use the password.");
            (StatusCode::UNAUTHORIZED, text, None)
        }
        Fault::SignIn(ExternalSignInError::Unknown | ExternalSignInError::Login(_)) => {
            let text = format!(
                "Your account at {label} is not linked to an account here. Sign in with the password to link \
                 it."
            );
            (StatusCode::UNAUTHORIZED, text, None)
        }
    };
    page::retry_after(authorize::ask_for_password(state, asked, "", Some(&text), status), wait)
}
