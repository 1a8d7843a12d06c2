//! `tenantry config ...`

use std::process::ExitCode;

use clap::Subcommand;

use crate::context;
use crate::format::{self, Output};
use crate::output::complain;

#[derive(Subcommand)]
pub enum Command {
    /// Show every value with its source. Secrets are masked.
    Show(Output),
}

pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let Command::Show(output) = command;
    let sources = context::sources();
    format::rows(*output, &sources.show()?, ["key", "value", "source"], |shown| {
        [shown.key.clone(), shown.value.clone(), shown.source.clone()]
    })?;
    // The shown values may be invalid. A warning here helps the user to correct them.
    if let Err(error) = sources.load() {
        complain!("warning: the configuration is invalid, and the server would not start: {error}");
    }
    Ok(ExitCode::SUCCESS)
}
