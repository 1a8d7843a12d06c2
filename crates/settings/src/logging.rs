//! Logging to standard error: JSON lines for machines, or a pretty format for people.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, LogSettings, SettingsError};

/// Starts logging for the whole process. A second call changes nothing.
///
/// # Errors
/// [`SettingsError`] when `log.filter` is not a valid filter.
pub fn start(settings: &LogSettings) -> Result<(), SettingsError> {
    // At levels finer than warn, the driver logs the values of every statement, including password hashes.
    let filter = EnvFilter::try_new(format!("{},tokio_postgres=warn", settings.filter))
        .map_err(|error| SettingsError::Value { key: "log.filter".to_owned(), problem: error.to_string() })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // This fails only if logging has already started, which happens in tests.
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
