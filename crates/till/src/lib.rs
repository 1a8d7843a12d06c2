//! The till of a business, inside its own schema: registers and shifts.
//!
//! As in `inventory`, every function that runs a query takes a [`tenancy::TenantTx`], and one file is one
//! noun. A room imports only from rooms that stand before it: records, registers, shifts.

mod ids;
mod records;
mod registers;
mod shifts;

pub use ids::{CashMovementId, RegisterId, ShiftId};
pub use records::event;
pub use registers::register;
pub use shifts::{cash_movement, overdue, shift, shift_close, shift_report};
