//! Receipts as customers get them: on paper, on a screen, by mail.

pub mod escpos;
pub mod html;
pub mod issue;
mod paper;
pub mod pdf;
pub mod receipt;
pub mod rows;
pub mod text;
