//! The team of a business: its members, its roles and their permissions, and what happened to accounts.

pub mod auth_events;
pub mod invitations;
pub mod memberships;
pub mod roles;
pub mod second_factor_roles;
pub mod users;

use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes of this module.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(users::list)
        .service(users::create)
        .service(users::show)
        .service(users::reset_password)
        .service(users::end_sessions)
        .service(memberships::create)
        .service(memberships::show)
        .service(memberships::put)
        .service(memberships::suspend)
        .service(memberships::resume)
        .service(memberships::remove)
        .service(invitations::list)
        .service(invitations::create)
        .service(invitations::show)
        .service(invitations::resend)
        .service(invitations::revoke)
        .service(second_factor_roles::show)
        .service(second_factor_roles::put)
        .service(roles::list)
        .service(roles::show)
        .service(roles::put)
        .service(roles::remove)
        .service(roles::list_permissions)
        .service(auth_events::list);
}
