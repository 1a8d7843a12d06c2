//! Log lines: JSON for machines or pretty for people, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, LogSettings, SettingsError};

/// Starts logging for the whole process; a second call changes nothing.
///
/// # Errors
/// [`SettingsError`] when `log.filter` cannot be read.
pub fn start(settings: &LogSettings) -> Result<(), SettingsError> {
    // At finer levels the driver writes the values of every statement, password hashes among them.
    let filter = EnvFilter::try_new(format!("{},tokio_postgres=warn", settings.filter))
        .map_err(|error| SettingsError::Value { key: "log.filter".to_owned(), problem: error.to_string() })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only the second start of a process, in tests, finds one installed.
    let _ = match settings.format {
        LogFormat::Json => {
            subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Pretty => {
            subscriber.compact().with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
        }
    };
    Ok(())
}
