//! Issuers elsewhere, such as Google, that vouch for people: their keys and their ID tokens (OpenID Connect).
//! The worth of such an identity here belongs to `signing_in`.

pub mod flow;
pub mod id_token;
pub mod issuer;
mod published;
mod web;
