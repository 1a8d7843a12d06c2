//! Pages for people, which the server writes from templates. They work without scripts. A page shows what its
//! handler gives it, and decides nothing.

pub mod error;
pub mod page;
