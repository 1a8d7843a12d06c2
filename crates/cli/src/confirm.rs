//! Confirmation of destructive commands: the command prints its plan, and the user types a name.

use std::io::{BufRead as _, IsTerminal as _};

use crate::output::{complain, note};

/// The options of a destructive command.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Consent {
    /// Do not ask for confirmation.
    #[arg(long)]
    pub yes: bool,
    /// Print what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

impl Consent {
    /// Prints `plan` and asks the user to type `name`, unless the options answer the question. Returns
    /// whether the command goes on.
    pub fn is_given(self, plan: &str, name: &str) -> anyhow::Result<bool> {
        if self.dry_run {
            complain!("{plan}\nDry run: nothing was changed.");
            return Ok(false);
        }
        confirm(plan, name, self.yes)?;
        Ok(true)
    }
}

/// Prints `plan` and asks the user to type `name`. `--yes` skips the question, and is required where there is
/// no terminal.
pub fn confirm(plan: &str, name: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        note!("{plan}");
        return Ok(());
    }
    complain!("{plan}");
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "this command needs a confirmation, and standard input is not a terminal; pass --yes to confirm"
    );
    eprint!("Type {name} to continue: ");
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    anyhow::ensure!(typed.trim() == name, "{:?} is not {name:?}; nothing was changed", typed.trim());
    Ok(())
}
