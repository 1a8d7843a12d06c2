//! The OpenID Connect provider: what programs and browsers agree on while a person signs in to an app, and
//! what programs are told about the person afterwards. Protocol and HTTP are the server's.

pub mod code;
pub mod consent;
pub mod logout_notice;
pub mod person_claims;
pub mod place;
pub mod registration;
pub mod token_claims;
