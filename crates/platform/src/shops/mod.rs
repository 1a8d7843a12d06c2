//! The facts that the platform keeps about a business as a shop: a number that no two businesses have, its
//! licence, payments and requests on their way, and the times of mailed reports. Everything else about a
//! shop is in the schema of the business.

pub mod licence;
pub mod open_request;
pub mod plan;
pub mod received_payment;
pub mod report_schedule;
pub mod till_number;
