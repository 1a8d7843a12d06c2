//! One module per noun of the command line.

pub mod api_key;
pub mod app;
pub mod auth_event;
pub mod backup;
pub mod client;
pub mod config;
pub mod db;
pub mod dev;
pub mod doctor;
pub mod domain;
pub mod invitation;
pub mod job;
pub mod keys;
pub mod ledger;
pub mod licence;
pub mod mail;
pub mod manual;
pub mod member;
pub mod migrate;
pub mod mobile_money;
pub mod openapi;
mod people;
mod restore;
mod restore_fleet;
pub mod role;
pub mod seed;
pub mod serve;
pub mod stats;
pub mod tenant;
mod tenant_lists;
pub mod user;

use std::io::{IsTerminal, Read};
use std::num::NonZeroUsize;

use anyhow::Context as _;
use identity::Password;
use secrecy::SecretString;
use settings::Settings;

use crate::output::note;

/// Parses the number of jobs that run at the same time.
fn jobs_at_once(text: &str) -> Result<NonZeroUsize, String> {
    let accepted = "must be 1 to 64";
    text.parse().ok().filter(|jobs: &NonZeroUsize| jobs.get() <= 64).ok_or_else(|| accepted.to_owned())
}

/// Reads a password from standard input, without the line end. `names` are those of its user.
fn password_from_stdin(settings: &Settings, names: &[String]) -> anyhow::Result<Password> {
    if std::io::stdin().is_terminal() {
        note!("Type the password, press Enter, and then press Ctrl-D:");
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read the password from standard input")?;
    let text = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!text.is_empty(), "standard input contains no password");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(settings.password_policy()?.check(&SecretString::from(text), &names)?)
}
