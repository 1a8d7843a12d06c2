//! Proving who somebody is: passwords, login and access tokens.
//! What a signed-in person may do is decided by the people room.

pub mod login;
pub mod password;
pub mod token;
