//! The routes of the platform, on the host `admin.<base domain>`.

pub mod apps;
pub mod auth_events;
pub mod clients;
pub mod domains;
pub mod fleet;
pub mod impersonations;
pub mod invitations;
pub mod licences;
pub mod lifecycle;
pub mod mails;
pub mod memberships;
pub mod payments;
pub mod sign_ups;
pub mod tenants;
pub mod users;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(sign_ups::create)
        .service(sign_ups::confirm)
        .service(tenants::list)
        .service(tenants::create)
        .service(tenants::show)
        .service(lifecycle::suspend)
        .service(lifecycle::resume)
        .service(lifecycle::archive)
        .service(lifecycle::unarchive)
        .service(lifecycle::rename)
        .service(lifecycle::limit)
        .service(lifecycle::clone_tenant)
        .service(lifecycle::drop_tenant)
        .service(licences::show)
        .service(licences::grant)
        .service(licences::revoke)
        .service(licences::list_plans)
        .service(licences::save_plan)
        .service(licences::remove_plan)
        .service(domains::list)
        .service(domains::add)
        .service(domains::verify)
        .service(domains::remove)
        .service(domains::set_primary)
        .service(users::list)
        .service(users::create)
        .service(users::show)
        .service(users::edit)
        .service(users::remove)
        .service(users::disable)
        .service(users::enable)
        .service(users::reset_password)
        .service(users::reset_second_factor)
        .service(users::identities)
        .service(users::unlink_identity)
        .service(users::sessions)
        .service(users::end_sessions)
        .service(users::export)
        .service(invitations::list)
        .service(invitations::create)
        .service(invitations::resend)
        .service(invitations::revoke)
        .service(impersonations::start)
        .service(impersonations::list)
        .service(impersonations::end)
        .service(mails::list)
        .service(mails::retry)
        .service(payments::list)
        .service(payments::assign)
        .service(memberships::show)
        .service(memberships::put)
        .service(memberships::suspend)
        .service(memberships::resume)
        .service(memberships::remove)
        .service(auth_events::list)
        .service(apps::list)
        .service(apps::show)
        .service(apps::put)
        .service(apps::remove)
        .service(clients::list)
        .service(clients::create)
        .service(clients::edit)
        .service(clients::rotate)
        .service(clients::remove)
        .service(fleet::migrations)
        .service(fleet::migrate)
        .service(fleet::verify_ledgers)
        .service(fleet::verify_ledger)
        .service(fleet::backups)
        .service(fleet::back_up)
        .service(fleet::list_audit);
}
