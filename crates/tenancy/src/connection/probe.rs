//! Tests a database URL: whether it works, and which version the server has.

use crate::connection::connect::{ConnectError, DatabaseUrl, TlsError};
use crate::connection::connector::Connector;
use crate::connection::error::DbError;

/// Opens one connection to `url`, reads the version of the server, and closes the connection.
///
/// # Errors
/// [`ProbeError`]. The text of a [`ConnectError`] says what to do.
pub async fn probe(url: &DatabaseUrl) -> Result<ServerVersion, ProbeError> {
    let client = Connector::new(url, &[])?.connect().await?;
    let row = client
        .query_one("SELECT current_setting('server_version_num')::integer AS number", &[])
        .await
        .map_err(DbError::from)?;
    Ok(ServerVersion(row.try_get("number").map_err(DbError::from)?))
}

/// PostgreSQL's `server_version_num`: 150018 means version 15.18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion(i32);

impl ServerVersion {
    /// The oldest server version that has every feature in use, such as UNIQUE NULLS NOT DISTINCT.
    pub const OLDEST: Self = Self(150_000);
}

impl std::fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// A database URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The TLS that the URL requires cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The connection could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The version of the server could not be read.
    #[error(transparent)]
    Query(#[from] DbError),
}
