//! Access tokens for programs (OAuth 2.0), on the host `id.<base domain>`.

pub mod metadata;
pub mod token;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config.service(metadata::show).service(token::issue);
}
