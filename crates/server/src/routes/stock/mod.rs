//! Stock levels and movements, adjustments, locations, transfers, counts and alerts.

pub mod adjustments;
pub mod alerts;
pub mod counts;
pub mod levels;
pub mod locations;
pub mod reordering;
pub mod revaluations;
pub mod transfers;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(locations::list)
        .service(locations::create)
        .service(locations::show)
        .service(locations::edit)
        .service(levels::list_levels)
        .service(levels::list_movements)
        .service(adjustments::adjust)
        .service(adjustments::show)
        .service(revaluations::revalue)
        .service(revaluations::show)
        .service(levels::verify_ledger)
        .service(reordering::show)
        .service(reordering::edit)
        .service(transfers::list)
        .service(transfers::send)
        .service(transfers::show)
        .service(transfers::receive)
        .service(transfers::send_back)
        .service(transfers::write_off)
        .service(counts::list)
        .service(counts::open)
        .service(counts::show)
        .service(counts::enter)
        .service(counts::remove)
        .service(counts::post_count)
        .service(counts::cancel)
        .service(alerts::list);
}
