//! People and what they may do: users, apps, roles, memberships, permissions. The `signing_in` module proves
//! who somebody is.

pub mod app;
pub mod member_backup;
pub mod membership;
pub mod permission;
pub mod role;
pub mod role_backup;
pub mod user;
