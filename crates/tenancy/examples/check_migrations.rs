//! Fails when a file in `migrations_shared/` or `migrations_tenant/` breaks a rule of [`tenancy::guard`].
//! `scripts/check` in the root of the checkout runs this program.

#![expect(clippy::print_stderr, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use tenancy::guard::{For, check};

fn main() -> std::io::Result<ExitCode> {
    let mut broken = 0;
    for (folder, file_is_for) in [("migrations_shared", For::Shared), ("migrations_tenant", For::Tenant)] {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        for file in files {
            match check(&std::fs::read_to_string(&file)?, file_is_for) {
                Ok(findings) => {
                    broken += findings.len();
                    for finding in findings {
                        eprintln!("{}, {finding}", file.display());
                    }
                }
                Err(error) => {
                    broken += 1;
                    eprintln!("{}: {error}", file.display());
                }
            }
        }
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
