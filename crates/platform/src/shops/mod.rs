//! Facts about a business as a shop that the platform keeps, because they must be unique across businesses.
//! Everything else about a shop is in the schema of the business.

pub mod till_number;
