//! Probes for load balancers and orchestrators.

pub mod health;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config.service(health::livez).service(health::readyz);
}
