//! Proving who somebody is: passwords, login and access tokens. The `people` module stores what a person
//! may do.

pub mod login;
pub mod password;
pub mod token;
