//! `tenantry config ...`

use std::process::ExitCode;

use clap::Subcommand;

use crate::context;
use crate::output::{self, Output};

#[derive(Subcommand)]
pub enum Command {
    /// Show every value and where it came from; secrets are masked.
    Show(Output),
}

pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let Command::Show(output) = command;
    let sources = context::sources();
    output::rows(*output, &sources.show()?, ["key", "value", "source"], |shown| {
        [shown.key.clone(), shown.value.clone(), shown.source.clone()]
    })?;
    // What is shown may still be refused; say so where it can be mended.
    if let Err(error) = sources.load() {
        eprintln!("warning: the server would refuse this: {error}");
    }
    Ok(ExitCode::SUCCESS)
}
