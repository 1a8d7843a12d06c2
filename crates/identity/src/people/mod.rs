//! People and their permissions: users, emails, memberships, permissions. The `signing_in` module proves who
//! somebody is.

pub mod membership;
pub mod permission;
pub mod user;
