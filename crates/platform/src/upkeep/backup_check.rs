//! The doctor's checks of backups, and of the disk that holds them.

use std::path::PathBuf;

use chrono::{TimeDelta, Utc};
use tenancy::{DbError, TenantStatus, tenant};

use crate::backup::{self, Backup};
use crate::upkeep::doctor::{Patient, Report};

const LEAST_DISK_BYTES: u64 = 1 << 30;
const OLDEST_BACKUP_HOURS: i64 = 26;

pub(super) async fn backups(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let (tenants, backups) = patient
        .owner_database
        .write_shared(async |tx| Ok::<_, DbError>((tenant::all(tx).await?, backup::list(tx, None).await?)))
        .await?;
    // A backup without its file is useless, even if the registry lists it as verified.
    let (backups, missing): (Vec<_>, Vec<_>) = backups.into_iter().partition(Backup::has_its_size);
    if !missing.is_empty() {
        let named = missing.iter().take(3).map(|backup| backup.file.display().to_string());
        let told = format!(
            "{} of {} backup files are missing or have the wrong size: {}",
            missing.len(),
            missing.len() + backups.len(),
            named.collect::<Vec<_>>().join(", ")
        );
        report.warn(
            "backup files",
            told,
            "put the files back at the paths that `tenantry backup list` prints, or create new backups",
        );
    }
    let recent = Utc::now() - TimeDelta::hours(OLDEST_BACKUP_HOURS);
    let open: Vec<_> = tenants.iter().filter(|tenant| tenant.status != TenantStatus::Archived).collect();
    let without: Vec<&str> = open
        .iter()
        .filter(|tenant| {
            tenant.created_at < recent
                && !backups.iter().any(|backup| {
                    backup.tenant_id == Some(tenant.id) && backup.is_verified() && backup.taken_at > recent
                })
        })
        .map(|tenant| tenant.slug.as_str())
        .collect();
    let cure = "run `scripts/backup` every night; scripts/systemd contains a systemd timer for it";
    if without.is_empty() {
        report.ok(
            "backups",
            format!(
                "every business has a verified backup of the last {OLDEST_BACKUP_HOURS} hours, \
                 unless the business is new or archived"
            ),
        );
    } else {
        let named = without.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let told = format!(
            "{} of {} businesses have no verified backup of the last {OLDEST_BACKUP_HOURS} hours: {named}",
            without.len(),
            open.len()
        );
        report.warn("backups", told, cure);
    }
    // As long as no business is old enough to need a backup, the shared schema needs none.
    let needs_one = open.iter().any(|tenant| tenant.created_at < recent);
    if needs_one && !backups.iter().any(|backup| backup.tenant_id.is_none() && backup.taken_at > recent) {
        report.warn(
            "installation backup",
            format!("the shared schema has no backup of the last {OLDEST_BACKUP_HOURS} hours"),
            "run `tenantry backup create --installation`",
        );
    }
    Ok(())
}

pub(super) fn disk(patient: &Patient, report: &mut Report) {
    // The first backup creates the folder. Before that, an existing parent folder is checked.
    let folder = patient.backup_folder.ancestors().find(|folder| folder.exists());
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).map_or(".".into(), PathBuf::from);
    match rustix::fs::statvfs(&folder) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let told = format!("{} MiB are free for backups in {}", free >> 20, folder.display());
            if free < LEAST_DISK_BYTES {
                report.warn(
                    "disk",
                    told,
                    "free disk space, remove old backups with `tenantry backup prune --keep-days 30`, \
                     or set backup.folder to a folder on another disk",
                );
            } else {
                report.ok("disk", told);
            }
        }
        Err(error) => report.warn(
            "disk",
            format!("could not read the free space of {}: {error}", folder.display()),
            "check that this account may read the folder",
        ),
    }
}
