//! Restores the `shared` schema of an installation.

use archive::contents::{self, Tables};
use archive::{Checked, Subject};
use serde_json::json;
use tenancy::{DbError, OwnerDatabase, SharedTx};

use crate::backup::error::BackupError;
use crate::records::platform_audit::{self, Actor};

/// Restores the `shared` schema into a fresh installation. Each business stays in maintenance until it is
/// restored from its own backup. Returns the number of businesses.
///
/// # Errors
/// [`BackupError`]; nothing has changed, except that spare schemas may have been dropped.
pub async fn restore_installation(
    owner_database: &OwnerDatabase,
    backup: &Checked,
    actor: &Actor,
) -> Result<usize, BackupError> {
    let header = &backup.manifest.header;
    if header.subject != Subject::Installation {
        return Err(BackupError::OfATenant);
    }
    let last_number = backup.shared["lastBusinessNumber"].as_i64().unwrap_or(1);
    let Some(loading) = owner_database.begin_loading_shared().await? else {
        return Err(BackupError::NotFresh);
    };
    // A file of an older release may contain fewer tables.
    contents::load(&backup.path, &loading, Tables::Some).await?;
    let register = async |tx: &SharedTx| {
        const CLOSE: &str = "
            UPDATE shared.tenants SET status_before = coalesce(status_before, status), status = 'restoring'";
        // Spare schemas and schemas that were set aside are not part of the backup.
        const FORGET: &str = "DELETE FROM shared.schemas WHERE state <> 'live'";
        // The built-in apps may have changed since the release that created the backup.
        const BUILT_IN_APPS: &str = "SELECT shared.ensure_built_in_apps()";
        // An older release had no plans.
        const PLANS: &str = "
            INSERT INTO shared.plans (key, name, is_default)
            SELECT 'unlimited', 'Unlimited', true WHERE NOT EXISTS (SELECT FROM shared.plans)";
        const NUMBERS: &str = "SELECT setval('shared.business_numbers', $1)";
        let closed = tx.execute(CLOSE, &[]).await?;
        tx.execute(FORGET, &[]).await?;
        tx.execute(NUMBERS, &[&last_number]).await?;
        tx.execute(BUILT_IN_APPS, &[]).await?;
        tx.execute(PLANS, &[]).await?;
        let details = json!({"from": backup.path.display().to_string(), "takenAt": header.taken_at});
        platform_audit::record(tx, actor, "installation.restored", None, &details).await?;
        Ok::<_, DbError>(usize::try_from(closed).unwrap_or_default())
    };
    Ok(owner_database.keep_loaded(loading, register).await?)
}
