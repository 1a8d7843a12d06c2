//! The routes of the API: one module for each part of the domain.
//!
//! The signature of a handler states the permission and the parameters that the handler needs. The body of a
//! handler only joins functions of the domain. Code that several handlers share is in `http`.

mod access;
mod business;
mod catalogue;
pub mod events;
pub mod insight;
mod orders;
mod people;
mod platform;
mod probes;
mod provider;
mod purchasing;
mod signing_in;
mod stock;
mod till;

use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

pub use provider::configure_pages;

/// Every route of the API. A route that is registered here is in the OpenAPI document.
pub fn configure(config: &mut ServiceConfig) {
    config
        .configure(probes::configure)
        .service(signing_in::well_known::jwks)
        .configure(provider::configure)
        .service(insight::dashboard::show_plain);
    config.service(
        scope("/api/v1")
            .configure(signing_in::configure)
            .configure(people::configure)
            .configure(access::configure)
            .configure(catalogue::configure)
            .configure(stock::configure)
            .configure(orders::configure)
            .configure(purchasing::configure)
            .configure(till::configure)
            .configure(insight::configure)
            .configure(business::configure)
            .configure(events::configure)
            .configure(platform::configure),
    );
}
