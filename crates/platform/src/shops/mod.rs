//! What the platform keeps of a business as a shop, because it must be unique or known across businesses.
//! Everything else about a shop is in the schema of the business.

pub mod till_number;
