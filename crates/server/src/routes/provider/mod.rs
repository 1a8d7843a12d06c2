//! The OpenID Connect provider, on the host `id.<base domain>`: people sign in once and open every app, and
//! programs get access tokens (OAuth 2.0).

pub mod authorization_request;
pub mod authorize;
pub mod client_authentication;
pub mod confirmation;
pub mod consent;
pub mod enrolment;
pub mod external;
pub mod introspection;
pub mod linking;
pub mod metadata;
pub mod page_form;
pub mod parameters;
pub mod resource;
pub mod revocation;
pub mod second_factor;
pub mod sign_in;
pub mod sign_out;
pub mod token;
pub mod user_info;

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::host_owner::AtIdentity;
use crate::pages::page::STYLES;

/// Registers the routes of this module that programs use.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(metadata::show)
        .service(metadata::show_server)
        .service(authorize::authorize)
        .service(authorize::authorize_by_form)
        .service(token::issue)
        .service(user_info::show)
        .service(user_info::show_by_post)
        .service(introspection::introspect)
        .service(revocation::revoke)
        .service(sign_out::end_session)
        .service(sign_out::end_session_by_form);
}

/// Registers the forms of the pages, which are no part of the API.
pub fn configure_pages(config: &mut web::ServiceConfig) {
    config
        .route("/style.css", web::get().to(styles))
        .route("/sign-in", web::post().to(sign_in::submit))
        .route("/confirm", web::post().to(confirmation::submit))
        .route("/second-factor", web::post().to(second_factor::submit))
        .route("/enrolment", web::post().to(enrolment::submit))
        .route("/consent", web::post().to(consent::submit))
        .route("/external/{issuer}", web::post().to(external::begin))
        .route("/external/{issuer}", web::get().to(begin_again))
        .route("/external/{issuer}/callback", web::get().to(external::finish))
        .route("/link", web::post().to(linking::submit))
        .route("/sign-out", web::post().to(sign_out::submit));
    // Whoever loads the page again after a mistake begins again.
    for form in ["/sign-in", "/confirm", "/second-factor", "/enrolment", "/consent", "/link"] {
        config.route(form, web::get().to(begin_again));
    }
    config.route("/sign-out", web::get().to(ask_again));
}

async fn begin_again(_at: AtIdentity, request: HttpRequest) -> HttpResponse {
    authorize::go_on(request.query_string())
}

async fn ask_again(_at: AtIdentity, request: HttpRequest) -> HttpResponse {
    sign_out::go_on(request.query_string())
}

async fn styles(_at: AtIdentity) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header(("cache-control", "public, max-age=3600"))
        .body(STYLES)
}
