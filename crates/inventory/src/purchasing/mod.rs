//! Suppliers, purchase orders, goods receipts, and suggestions of what to reorder.
//! A purchase order changes no stock; its receipts do, through the stock room.

pub mod goods_receipt;
pub mod purchase_order;
mod purchase_order_line;
pub mod purchase_order_list;
mod purchase_order_moves;
mod receipt_content;
pub mod reorder;
pub mod reorder_draft;
pub mod supplier;
pub mod supplier_price;
pub mod supplier_return;
mod surplus;
