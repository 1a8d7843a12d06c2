//! Customers and their orders: priced, placed, fulfilled, cancelled and returned.
//! Money that customers owe is decided here and nowhere else.

pub mod basket;
pub mod customer;
pub mod exchange;
pub mod fulfilment;
pub mod order;
pub mod order_change;
mod order_line;
mod order_list;
pub mod order_return;
pub mod payment;
mod placing;
pub mod pricing;
pub mod refund;
pub mod short_order;
mod sold_article;
pub mod sold_bundle;
pub mod sold_part;
