//! The events of a business: live, from the past, and posted to webhooks.

pub mod history;
pub mod live;
mod position;
pub mod topics;
pub mod webhooks;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config.service(live::listen).service(history::list).configure(webhooks::configure);
}
