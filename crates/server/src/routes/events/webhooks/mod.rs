//! Webhooks: endpoints of the business, and the log of deliveries.

pub mod deliveries;
pub mod endpoints;
pub mod progress;
mod views;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(endpoints::list)
        .service(endpoints::create)
        .service(endpoints::show)
        .service(endpoints::update)
        .service(endpoints::rotate)
        .service(endpoints::delete)
        .service(progress::pause)
        .service(progress::resume)
        .service(progress::skip)
        .service(progress::send_again)
        .service(progress::stop_sending_again)
        .service(deliveries::test)
        .service(deliveries::list);
}
