//! Receipts as customers get them: on paper, on a screen, by mail.

pub mod escpos;
pub mod fiscal_device;
pub mod fiscal_signature;
pub mod html;
pub mod issue;
mod paper;
pub mod pdf;
pub mod receipt;
pub mod rows;
mod simulator;
pub mod text;
