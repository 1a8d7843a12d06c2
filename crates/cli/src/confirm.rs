//! Confirmation of destructive commands: the command prints its plan, and the user types a name.

use std::io::{BufRead as _, IsTerminal as _};

use crate::output::note;

/// Prints `plan` and asks the user to type `name`. `--yes` skips the question, and is required where there is
/// no terminal.
pub fn confirm(plan: &str, name: &str, yes: bool) -> anyhow::Result<()> {
    note!("{plan}");
    if yes {
        return Ok(());
    }
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
