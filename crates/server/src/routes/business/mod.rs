//! Data of a business about itself: profile, licence, settings, audit log, jobs.

pub mod audit;
pub mod jobs;
pub mod licence;
pub mod profile;
pub mod settings;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(profile::show)
        .service(profile::edit)
        .service(profile::set_till_number)
        .service(profile::remove_till_number)
        .service(licence::show)
        .service(settings::show)
        .service(settings::edit)
        .service(audit::list)
        .service(jobs::list)
        .service(jobs::show)
        .service(jobs::cancel)
        .service(jobs::retry)
        .service(jobs::show_own);
}
