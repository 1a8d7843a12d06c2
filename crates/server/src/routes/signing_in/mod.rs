//! Signing in, sessions, and the keys that verify tokens.

pub mod auth;
pub mod sessions;
pub mod well_known;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(auth::login)
        .service(auth::refresh)
        .service(auth::logout)
        .service(auth::me)
        .service(auth::change_password)
        .service(sessions::list)
        .service(sessions::end_all)
        .service(sessions::end);
}
