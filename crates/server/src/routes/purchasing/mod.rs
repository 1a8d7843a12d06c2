//! Suppliers, purchase orders, their receipts, and reorder suggestions.

pub mod purchase_orders;
pub mod receipts;
pub mod reorder;
pub mod supplier_returns;
pub mod suppliers;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(suppliers::list)
        .service(suppliers::create)
        .service(suppliers::show)
        .service(suppliers::edit)
        .service(suppliers::archive)
        .service(suppliers::list_prices)
        .service(suppliers::set_price)
        .service(purchase_orders::list)
        .service(purchase_orders::draft)
        .service(purchase_orders::show)
        .service(purchase_orders::edit)
        .service(purchase_orders::send)
        .service(purchase_orders::confirm)
        .service(purchase_orders::cancel)
        .service(purchase_orders::close)
        .service(receipts::receive)
        .service(receipts::list)
        .service(reorder::suggest)
        .service(reorder::draft)
        .service(supplier_returns::give_back)
        .service(supplier_returns::list);
}
