//! Proving who somebody is: passwords, login, sessions, access tokens.

pub mod login;
pub mod password;
pub mod refresh;
pub mod refresh_token;
pub mod revocations;
pub mod session;
pub mod token;
