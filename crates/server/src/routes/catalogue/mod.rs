//! Categories, products, variants, barcodes, scans and tax classes.

pub mod barcodes;
pub mod categories;
pub mod products;
pub mod scans;
pub mod tax_classes;
pub mod variants;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(categories::list)
        .service(categories::create)
        .service(categories::show)
        .service(categories::edit)
        .service(categories::archive)
        .service(products::list)
        .service(products::create)
        .service(products::show)
        .service(products::edit)
        .service(products::archive)
        .service(products::create_variant)
        .service(variants::list)
        .service(variants::show)
        .service(variants::edit)
        .service(variants::list_prices)
        .service(barcodes::show)
        .service(scans::show)
        .service(tax_classes::list)
        .service(tax_classes::create)
        .service(tax_classes::show)
        .service(tax_classes::edit);
}
