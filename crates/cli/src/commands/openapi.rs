//! `tenantry openapi`.

use std::process::ExitCode;

use crate::output;

/// Prints the OpenAPI document, or the table of error codes. Needs no database and no configuration.
pub fn run(errors: bool) -> anyhow::Result<ExitCode> {
    if errors {
        output::line(server::error_codes().trim_end());
    } else {
        output::line(&serde_json::to_string_pretty(&server::openapi_document::document())?);
    }
    Ok(ExitCode::SUCCESS)
}
