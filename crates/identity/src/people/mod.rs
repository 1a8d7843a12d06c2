//! People and what they may do: users, apps, roles, memberships, permissions. The `signing_in` module proves
//! who somebody is.

pub mod account;
pub mod app;
pub mod authority;
pub mod invitation;
pub mod member_backup;
pub mod membership;
pub mod membership_change;
pub mod permission;
pub mod person;
pub mod personal_data;
pub mod profile;
pub mod role;
pub mod role_backup;
pub mod role_requirement;
pub mod staff_account;
pub mod user;
