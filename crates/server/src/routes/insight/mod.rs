//! The dashboard and the reports.

pub mod dashboard;
pub mod reports;
pub mod today;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(dashboard::show)
        .service(today::show)
        .service(reports::sales::show)
        .service(reports::documents::list)
        .service(reports::payments::show)
        .service(reports::taxes::show)
        .service(reports::adjustments::show)
        .service(reports::stock::show)
        .service(reports::stock::show_dead)
        .service(reports::saved::list)
        .service(reports::saved::create)
        .service(reports::saved::show)
        .service(reports::saved::replace)
        .service(reports::saved::remove)
        .service(reports::saved::read);
}
