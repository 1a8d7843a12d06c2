//! The dashboard and the reports.

pub mod dashboard;
pub mod reports;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(dashboard::show)
        .service(reports::show_sales)
        .service(reports::show_adjustments)
        .service(reports::show_stock);
}
