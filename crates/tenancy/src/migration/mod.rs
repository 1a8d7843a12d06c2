//! Migration files: reads them, splits them into statements, and refuses dangerous statements. The `owner`
//! module runs the migrations of all tenants.

pub mod files;
pub mod guard;
mod rules;
pub mod script;
mod statement;
