//! Builds the parts of a program from the settings. The server and the command line share these parts.

use std::sync::Arc;

use identity::{ExternalIssuers, Hasher, IssuerError, KeyError};
use platform::Onboarding;
use platform::migrations;
use tenancy::connect::TlsError;
use tenancy::migrations::FileError;
use tenancy::{Installed, OwnerDatabase};

use crate::settings::{Settings, SettingsError};

/// A part cannot be built from the settings. Except for [`WiringError::Migrations`], the text names the key.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// A key is missing, or its value is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// TLS to the database cannot be set up, for example without a root certificate. The text always names
    /// `database.url`, also when the URL of `database.owner_url` is the cause.
    #[error("database.url: {0}")]
    Tls(#[from] TlsError),
    /// The file with the signing key cannot be read or does not contain an Ed25519 key.
    #[error("identity.signing_key_file: {0}")]
    Key(#[from] KeyError),
    /// No request can be sent to issuers elsewhere, for example without a root certificate.
    #[error("identity.external_issuers: {0}")]
    Issuers(#[from] IssuerError),
    /// A migration file of this program is invalid.
    #[error(transparent)]
    Migrations(#[from] FileError),
}

/// Builds the password hasher.
///
/// # Errors
/// [`SettingsError`] when `identity.password_key` is missing or too short.
pub fn hasher(settings: &Settings) -> Result<Hasher, SettingsError> {
    let identity = &settings.identity;
    Ok(Hasher::new(settings.password_keys()?, identity.bcrypt_cost, identity.concurrent_hashes))
}

/// Builds the issuers elsewhere whose ID tokens sign people in.
///
/// # Errors
/// [`WiringError`] when a section is invalid, or the system has no root certificates.
pub fn external_issuers(settings: &Settings) -> Result<ExternalIssuers, WiringError> {
    Ok(ExternalIssuers::new(settings.external_issuers()?)?)
}

/// Builds onboarding with the owner's login.
///
/// # Errors
/// [`WiringError`], such as when `database.owner_url`, `database.url` or `identity.password_key` is missing.
pub fn onboarding(settings: &Settings) -> Result<Onboarding, WiringError> {
    Ok(Onboarding::new(Arc::new(owner_database(settings, OWNER_CONNECTIONS)?), hasher(settings)?))
}

/// The maximum number of connections that onboarding and background jobs use at the same time.
const OWNER_CONNECTIONS: usize = 16;

/// Prepares the database with the owner's login and at most `connections` connections. Does not connect yet.
///
/// # Errors
/// [`WiringError`], such as when `database.owner_url` or `database.url` is missing.
pub fn owner_database(settings: &Settings, connections: usize) -> Result<OwnerDatabase, WiringError> {
    let installed = Installed {
        installation: settings.installation()?,
        server_login: settings.database_url()?.user().to_owned(),
    };
    let (tenant, shared) = (migrations::of_tenant()?, migrations::of_shared()?);
    Ok(OwnerDatabase::new(&settings.owner_url()?, connections, installed, tenant, shared)?)
}
