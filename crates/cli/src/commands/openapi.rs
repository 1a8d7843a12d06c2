//! `tenantry openapi`.

use std::process::ExitCode;

use crate::output;

/// Prints the document; needs no database and no configuration.
pub fn run() -> anyhow::Result<ExitCode> {
    output::line(&server::openapi_document::document().to_pretty_json()?);
    Ok(ExitCode::SUCCESS)
}
