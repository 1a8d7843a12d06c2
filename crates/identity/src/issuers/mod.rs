//! Issuers elsewhere, such as Google, that vouch for people: their keys and their ID tokens (OpenID Connect).
//! What an identity there is worth here belongs to `signing_in`.

pub mod flow;
pub mod id_token;
pub mod issuer;
mod published;
mod web;
