//! Mobile money: requests to pay, the payments that the provider reports, and the provider itself. This room
//! knows no sale; [`crate::payment_matching`] joins payments and sales.

pub mod callbacks;
pub mod mobile_payment;
pub mod mobile_use;
pub mod mpesa;
mod mpesa_messages;
pub mod payment_request;
pub mod phone;
pub mod provider;
