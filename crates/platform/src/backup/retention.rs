//! Decides which backups are pruned, and removes them.

use std::collections::HashMap;

use archive::FileError;
use chrono::{DateTime, TimeDelta, Utc};
use tenancy::{OwnerDatabase, TenantId};

use crate::backup::error::BackupError;
use crate::backup::registry::Backup;

/// The retention of backups. A backup stays if one of the rules keeps it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// The number of days for which to keep a backup.
    pub keep_days: Option<u32>,
    /// The number of newest backups of each business to keep.
    pub keep_last: Option<usize>,
}

impl Retention {
    /// The backups that may be pruned: neither rule keeps them, and a newer verified backup of the same
    /// business has an undamaged file. Reads whole files, on a thread that may block.
    pub async fn prunable(self, backups: Vec<Backup>, now: DateTime<Utc>) -> Vec<Backup> {
        tokio::task::spawn_blocking(move || self.choose(&backups, now)).await.unwrap_or_default()
    }

    fn choose(self, backups: &[Backup], now: DateTime<Utc>) -> Vec<Backup> {
        let mut sorted: Vec<&Backup> = backups.iter().collect();
        sorted.sort_by_key(|backup| std::cmp::Reverse(backup.taken_at));
        let mut newer: HashMap<Option<TenantId>, (usize, bool)> = HashMap::new();
        let mut prunable = Vec::new();
        for backup in sorted {
            let (count, verified) = newer.entry(backup.tenant_id).or_default();
            let is_young = |days: u32| now - backup.taken_at < TimeDelta::days(days.into());
            let is_kept =
                self.keep_days.is_some_and(is_young) || self.keep_last.is_some_and(|last| *count < last);
            if !is_kept && *verified {
                prunable.push(backup.clone());
            }
            *count += 1;
            *verified = *verified || (backup.is_verified() && backup.is_whole());
        }
        prunable
    }
}

/// Removes a backup: first its file, then its row in the registry.
///
/// # Errors
/// [`BackupError`].
pub async fn remove(owner_database: &OwnerDatabase, backup: &Backup) -> Result<(), BackupError> {
    const DELETE: &str = "DELETE FROM shared.backups WHERE id = $1";
    match std::fs::remove_file(&backup.file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(FileError::from(error).into());
        }
        _ => {}
    }
    owner_database.write_shared(async |tx| tx.execute(DELETE, &[&backup.id]).await).await?;
    Ok(())
}
