//! Customers and their orders.

pub mod customers;
pub mod orders;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this room.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(customers::list)
        .service(customers::create)
        .service(customers::show)
        .service(customers::edit)
        .service(customers::archive)
        .service(orders::list)
        .service(orders::place)
        .service(orders::show)
        .service(orders::cancel)
        .service(orders::fulfil)
        .service(orders::take_back)
        .service(orders::list_returns);
}
