//! What a business sells: categories, products, variants, barcodes, prices and tax classes.
//! The catalogue makes the first stock levels of a variant and asks for alerts to be reviewed; it moves no
//! stock.

pub mod barcode;
pub mod bundle;
pub mod category;
mod holder;
mod option_rename;
pub mod options;
pub mod price_history;
pub mod product;
pub mod product_kind;
mod product_list;
mod product_search;
pub mod scan;
pub mod tax_class;
pub mod variant;
mod variant_change;
mod variant_find;
