//! What cannot be undone is told first, and confirmed by typing a name.

use std::io::{BufRead as _, IsTerminal as _};

/// Tells `plan` and asks for `name` to be typed. `--yes` answers for scripts; without a terminal it has to.
pub fn confirm(plan: &str, name: &str, yes: bool) -> anyhow::Result<()> {
    eprintln!("{plan}");
    if yes {
        return Ok(());
    }
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "this needs to be confirmed, and there is no terminal to ask on; say --yes if it is meant"
    );
    eprint!("Type {name} to go on: ");
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    anyhow::ensure!(typed.trim() == name, "{:?} is not {name:?}; nothing was done", typed.trim());
    Ok(())
}
