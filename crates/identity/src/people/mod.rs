//! People and their permissions: users, emails, memberships, permissions.
//! Proving who somebody is belongs to the signing-in room.

pub mod email;
pub mod membership;
pub mod permission;
pub mod user;
