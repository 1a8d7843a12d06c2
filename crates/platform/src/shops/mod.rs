//! The facts that the platform keeps about a business as a shop: a number that no two businesses have, and
//! its licence. Everything else about a shop is in the schema of the business.

pub mod licence;
pub mod plan;
pub mod till_number;
