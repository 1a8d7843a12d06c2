//! The till: registers and shifts.

pub mod cash_movements;
pub mod registers;
pub mod shifts;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(registers::list)
        .service(registers::create)
        .service(registers::show)
        .service(registers::edit)
        .service(shifts::list)
        .service(shifts::open)
        .service(shifts::show)
        .service(shifts::close)
        .service(shifts::approve)
        .service(shifts::report)
        .service(cash_movements::create)
        .service(cash_movements::list);
}
