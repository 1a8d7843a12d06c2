//! Proving who somebody is: passwords, login, sessions, access tokens.

pub mod accepting;
pub mod account_deletion;
pub mod delegation;
pub mod email_change;
pub mod enrolment;
pub mod hash_turns;
pub mod hasher;
pub mod impersonation;
pub mod key_ring;
pub mod login;
pub mod password;
pub mod password_change;
pub mod password_reset;
pub mod pin;
pub mod principal;
mod recovery_code;
pub mod refresh;
pub mod refresh_token;
pub mod revocations;
pub mod second_factor;
pub mod session;
pub mod sign_on;
pub mod signing_key;
pub mod staff_password;
pub mod throttle;
pub mod token;
