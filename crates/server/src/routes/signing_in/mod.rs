//! Signing in, sessions, and the keys that verify tokens.

pub mod account;
pub mod auth;
pub mod consents;
pub mod emails;
pub mod events;
pub mod external_identities;
pub mod passwords;
pub mod pins;
pub mod second_factor;
pub mod sessions;
pub mod well_known;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(auth::login)
        .service(external_identities::issuers)
        .service(external_identities::sign_in)
        .service(external_identities::list)
        .service(external_identities::link)
        .service(external_identities::unlink)
        .service(auth::refresh)
        .service(auth::logout)
        .service(auth::me)
        .service(emails::accept)
        .service(emails::verify)
        .service(emails::change)
        .service(emails::confirm)
        .service(account::show)
        .service(account::edit)
        .service(account::events)
        .service(account::export)
        .service(account::delete)
        .service(passwords::change_password)
        .service(passwords::forgot)
        .service(passwords::reset)
        .service(pins::set)
        .service(pins::remove)
        .service(pins::members)
        .service(pins::sign_in)
        .service(second_factor::show)
        .service(second_factor::begin)
        .service(second_factor::confirm)
        .service(second_factor::renew_codes)
        .service(second_factor::disable)
        .service(second_factor::step_up)
        .service(sessions::list)
        .service(sessions::end_all)
        .service(sessions::end)
        .service(consents::list)
        .service(consents::withdraw);
}
