//! The till of a business, inside its own schema: registers.
//!
//! As in `inventory`, every function that runs a query takes a [`tenancy::TenantTx`], and one file is one
//! noun.

mod ids;
mod registers;

pub use ids::RegisterId;
pub use registers::register;
