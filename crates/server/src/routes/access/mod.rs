//! API keys and service accounts, with which programs work in a business.

pub mod api_keys;
pub mod service_accounts;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(api_keys::list)
        .service(api_keys::create)
        .service(api_keys::show)
        .service(api_keys::rotate)
        .service(api_keys::revoke)
        .service(service_accounts::list)
        .service(service_accounts::put)
        .service(service_accounts::remove);
}
