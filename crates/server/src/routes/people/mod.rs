//! The team of a business: its roles and their permissions.

pub mod roles;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(roles::list)
        .service(roles::show)
        .service(roles::put)
        .service(roles::remove)
        .service(roles::list_permissions);
}
