//! Customers and their orders.

pub mod customer_orders;
pub mod customers;
pub mod fulfilments;
pub mod order_changes;
pub mod payments;
pub mod refunds;
pub mod returns;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(customers::list)
        .service(customers::create)
        .service(customers::show)
        .service(customers::edit)
        .service(customers::archive)
        .service(customer_orders::list)
        .service(customer_orders::place)
        .service(customer_orders::show)
        .service(customer_orders::cancel)
        .service(order_changes::edit)
        .service(fulfilments::fulfil)
        .service(payments::pay)
        .service(payments::list)
        .service(returns::take_back)
        .service(returns::list)
        .service(refunds::give_back)
        .service(refunds::exchange);
}
