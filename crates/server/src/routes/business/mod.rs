//! Data of a business about itself: settings, audit log, jobs.

pub mod audit;
pub mod jobs;
pub mod settings;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(settings::show)
        .service(settings::edit)
        .service(audit::list)
        .service(jobs::list)
        .service(jobs::show)
        .service(jobs::cancel)
        .service(jobs::retry)
        .service(jobs::show_own);
}
