//! `tenantry openapi`.

use std::process::ExitCode;

/// Prints the document; needs no database and no configuration.
pub fn run() -> anyhow::Result<ExitCode> {
    println!("{}", server::openapi::document().to_pretty_json()?);
    Ok(ExitCode::SUCCESS)
}
