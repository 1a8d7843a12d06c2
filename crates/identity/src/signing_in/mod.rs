//! Proving who somebody is: passwords, login and access tokens.
//! The people room decides about permissions.

pub mod login;
pub mod password;
pub mod token;
