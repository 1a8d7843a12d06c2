//! The till: registers.

pub mod registers;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(registers::list)
        .service(registers::create)
        .service(registers::show)
        .service(registers::edit);
}
