//! Linking an identity elsewhere, with which somebody came, to the account whose password they have given
//! since.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use identity::identity_link::LinkError;
use serde_json::json;
use tenancy::DbError;
use values::Email;

use crate::http::client;
use crate::http::extract::Body;
use crate::http::flow_cookie::{FlowCookie, Unlinked};
use crate::http::host_owner::AtIdentity;
use crate::http::problem::{Problem, sentence};
use crate::http::sign_on_cookie::SignOnCookie;
use crate::http::state::State;
use crate::pages::error::PageError;
use crate::pages::page;
use crate::routes::provider::authorization_request::AuthorizationRequest;
use crate::routes::provider::authorize::{go_on, person};
use crate::routes::provider::page_form::{self, PageForm};

/// The page that asks whether to link the identity. `None` if there is none to link, or nobody who may.
pub async fn page(
    state: &State,
    asked: &AuthorizationRequest,
    cookie: &SignOnCookie,
    flow_cookie: &FlowCookie,
) -> Result<Option<HttpResponse>, DbError> {
    let Some(unlinked) = flow_cookie.unlinked().filter(|_| !asked.prompt.none) else { return Ok(None) };
    let sign_on = page_form::sign_on_of(state, cookie).await?;
    let sign_on = sign_on.filter(|sign_on| sign_on.may_link_since(unlinked.at));
    let values = sign_on.map(|sign_on| {
        json!({
            "issuer": unlinked.vouched.label,
            "identity": unlinked.vouched.email.as_ref().map_or(&*unlinked.vouched.subject, Email::as_str),
            "person": person(&sign_on),
            "query": asked.parameters.to_query(),
        })
    });
    Ok(values.map(|values| page::render(StatusCode::OK, "linking.html", &values)))
}

/// Takes the decision. The query is that of the authorization endpoint.
pub async fn submit(
    _at: AtIdentity,
    state: web::Data<State>,
    request: HttpRequest,
    cookie: Result<SignOnCookie, Problem>,
    flow_cookie: Result<FlowCookie, Problem>,
    client::From(origin): client::From,
    body: Result<Body, Problem>,
) -> Result<HttpResponse, PageError> {
    let form = match PageForm::read(&state, &request, cookie, body).await {
        Ok(form) => form,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let flow_cookie = flow_cookie?;
    let query = form.asked.parameters.to_query();
    let wants_it = form.fields.get("decision") == Some("link");
    let sign_on = form.sign_on(&state).await?;
    let mut response = match (flow_cookie.unlinked().filter(|_| wants_it), sign_on) {
        (Some(unlinked), Some(sign_on)) => {
            let Unlinked { vouched, at } = unlinked;
            match state.sign_in.link_identity_in_browser(&sign_on, *at, vouched, &origin).await {
                // A person who may not link it here any more may still go on.
                Ok(_) | Err(LinkError::NotProved) => go_on(&query),
                Err(LinkError::Db(error)) => return Err(error.into()),
                Err(error) => {
                    let (title, text) = ("This does not work", sentence(&error));
                    let values = json!({"title": title, "text": text, "continue_query": query});
                    page::render(StatusCode::CONFLICT, "error.html", &values)
                }
            }
        }
        _ => go_on(&query),
    };
    flow_cookie.forget(&mut response)?;
    Ok(response)
}
