//! `tenantry openapi`.

use std::process::ExitCode;

use crate::output;

/// Prints the OpenAPI document, or the table of error codes. Needs no database and no configuration.
pub fn run(errors: bool) -> anyhow::Result<ExitCode> {
    if errors {
        output::line(server::error_codes().trim_end());
    } else {
        output::line(&server::openapi_document::document().to_pretty_json()?);
    }
    Ok(ExitCode::SUCCESS)
}
