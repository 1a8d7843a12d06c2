//! The parts of a program, put together from the settings; the server and the command line share them.

use std::sync::Arc;

use identity::{Hasher, KeyError, PasswordKey};
use platform::Onboarding;
use platform::migrations;
use tenancy::Provisioner;
use tenancy::bootstrap::Installed;
use tenancy::connect::TlsError;
use tenancy::migrations::FileError;
use tenancy::provisioning::owner_database;

use crate::settings::{Settings, SettingsError};

/// The settings do not make a server; the text names the key.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("database.url: {0}")]
    Tls(#[from] TlsError),
    #[error("identity.signing_key_file: {0}")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Migrations(#[from] FileError),
}

/// The password hasher of these settings.
///
/// # Errors
/// [`SettingsError`] when the key is missing or weak.
pub fn hasher(settings: &Settings) -> Result<Hasher, SettingsError> {
    let identity = &settings.identity;
    let secret = identity.password_key.as_ref().ok_or(SettingsError::Missing {
        key: "identity.password_key",
        cure: "make one with `openssl rand -base64 48`, set TENANTRY__IDENTITY__PASSWORD_KEY, and keep it for good: \
               without it no password matches any more",
    })?;
    let key = PasswordKey::new(secret).map_err(|least| SettingsError::Value {
        key: "identity.password_key".to_owned(),
        problem: format!("it is too short; {least} characters or more are accepted"),
    })?;
    Ok(Hasher::new(key, identity.bcrypt_cost, identity.concurrent_hashes))
}

/// Onboarding as these settings allow it: with the owner's login.
///
/// # Errors
/// [`WiringError`] when the owner's login is not configured.
pub fn onboarding(settings: &Settings) -> Result<Onboarding, WiringError> {
    Ok(Onboarding::new(Arc::new(provisioner(settings, OWNER_CONNECTIONS)?), hasher(settings)?))
}

/// What onboarding and background work need at once, at most.
const OWNER_CONNECTIONS: usize = 16;

/// The provisioner of these settings, with so many connections at most.
///
/// # Errors
/// [`WiringError`] when the owner's login is not configured.
pub fn provisioner(settings: &Settings, connections: usize) -> Result<Provisioner, WiringError> {
    let installed = Installed {
        installation: settings.installation()?,
        server_login: settings.database_url()?.user().to_owned(),
    };
    let owner = owner_database(&settings.owner_url()?, connections)?;
    Ok(Provisioner::new(owner, installed, migrations::of_tenant()?, migrations::of_shared()?))
}
