//! `tenantry backup ...`

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use clap::{ArgGroup, Subcommand, ValueEnum};
use platform::Backup;
use platform::backup::{self, Retention};
use serde::Serialize;
use settings::Settings;
use tenancy::{DbError, OwnerDatabase, SharedScope, TenantSlug, chain, tenant};
use values::Email;

use crate::commands::{jobs_at_once, restore, restore_fleet};
use crate::confirm::Consent;
use crate::context;
use crate::failure::PARTIAL;
use crate::format::{self, Listing};
use crate::interrupt::unless_interrupted;
use crate::output::{self, note};
use crate::progress::Progress;

#[derive(Subcommand)]
pub enum Command {
    /// Back up one business, all businesses, or the shared schema. Each backup is a file of its own.
    ///
    /// Prints the path of each file. A backup does not block requests. The file holds the data of one moment.
    #[command(group(ArgGroup::new("what").required(true).args(["slug", "all", "installation"])),
        after_help = "Examples:\n  \
        tenantry backup create acme --verify\n  \
        tenantry backup create --all --jobs 4 --verify     exit code 5 if some businesses failed\n  \
        tenantry backup create --installation              \
        users, roles and the registry; keep it as safe as passwords")]
    Create {
        /// The slug of the business.
        slug: Option<TenantSlug>,
        /// Back up every business.
        #[arg(long)]
        all: bool,
        /// Back up the shared schema: the registry, users with their password hashes, roles and the audit
        /// log.
        #[arg(long)]
        installation: bool,
        /// The folder for the files. Defaults to the setting backup.folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Verify each backup immediately: restore it into a scratch schema and compare every table. A backup
        /// of the shared schema is only compared with its digests.
        #[arg(long)]
        verify: bool,
        /// Number of businesses to back up at the same time, 1 to 64.
        #[arg(long, default_value = "2", value_parser = jobs_at_once)]
        jobs: NonZeroUsize,
    },
    /// List backups, newest first.
    #[command(after_help = "Examples:\n  \
        tenantry backup list acme --state verified --limit 1 -o name     the newest verified file\n  \
        tenantry backup list --sort sizeBytes --desc --limit 10")]
    List {
        /// List only the backups of this business.
        slug: Option<TenantSlug>,
        /// List only backups in this state.
        #[arg(long)]
        state: Option<State>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Verify backups: restore each into a scratch schema, compare every table, and drop the scratch schema.
    ///
    /// A backup of the shared schema is not restored. Its data is compared with its digests. The exit code is
    /// 5 if some files failed, and 1 if all failed.
    Verify {
        /// The backup files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Restore a business from a backup, over the existing business or as a new business.
    ///
    /// Over the existing business: only this business is in maintenance during the restore. Its current data
    /// is set aside, and `backup swap` brings that data back. A dropped business comes back under its own
    /// slug. A file that is damaged, or newer than this program, is refused before anything is changed.
    #[command(after_help = "Examples:\n  \
        tenantry backup restore backups/acme-20260101T020000Z-1a2b3c.tenantry\n  \
        tenantry backup restore --newest acme --yes\n  \
        tenantry backup restore FILE --as acme-copy --owner-email ann@acme.example\n  \
        tenantry backup restore --all --dir backups        \
        after a total loss: the shared schema and every business\n  \
        tenantry backup restore FILE --installation        \
        only the shared schema, into a fresh installation")]
    Restore {
        /// The backup file.
        #[arg(required_unless_present_any = ["newest", "all"])]
        file: Option<PathBuf>,
        /// Restore all businesses that are lost, each from its newest backup in a folder; in a fresh
        /// installation, also the shared schema. Businesses that have their data stay as they are, so the
        /// command can be repeated. The exit code is 5 if some businesses failed.
        #[arg(long, conflicts_with_all = ["file", "newest", "installation", "slug"])]
        all: bool,
        /// The folder of the backups for --all. Defaults to the setting backup.folder.
        #[arg(long, requires = "all")]
        dir: Option<PathBuf>,
        /// With --all: use no backup of the shared schema. Businesses that the registry does not know come
        /// back with their members by email, who have no passwords.
        #[arg(long, requires = "all")]
        without_shared: bool,
        /// Number of businesses that --all restores at the same time, 1 to 64.
        #[arg(long, requires = "all", default_value = "2", value_parser = jobs_at_once)]
        jobs: NonZeroUsize,
        /// Restore the newest verified backup of this business, instead of a file.
        #[arg(long, value_name = "SLUG", conflicts_with_all = ["file", "installation"])]
        newest: Option<TenantSlug>,
        /// Restore the backup as a new business with this slug.
        #[arg(long = "as", value_name = "SLUG", conflicts_with = "installation")]
        slug: Option<TenantSlug>,
        /// The email of the owner, who is then the only member of the new business. Defaults to the members
        /// in the backup, matched by email; new users get no password.
        #[arg(long, requires = "slug")]
        owner_email: Option<Email>,
        /// Restore a backup of the shared schema.
        #[arg(long)]
        installation: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Exchange the data of a business with the data that was set aside last, by a restore or a swap. A
    /// second swap undoes the first.
    #[command(after_help = "Examples:\n  \
        tenantry backup swap acme --dry-run\n  \
        tenantry backup swap acme --yes")]
    Swap {
        /// The slug of the business.
        slug: TenantSlug,
        #[command(flatten)]
        consent: Consent,
    },
    /// Drop all data that restores and swaps set aside for a business.
    #[command(after_help = "Examples:\n  \
        tenantry backup discard acme --dry-run\n  \
        tenantry backup discard acme --yes")]
    Discard {
        /// The slug of the business.
        slug: TenantSlug,
        #[command(flatten)]
        consent: Consent,
    },
    /// Remove old backups, if a newer verified backup of the same business has an undamaged file.
    ///
    /// A backup stays if at least one rule keeps it.
    #[command(group(ArgGroup::new("rule").required(true).multiple(true).args(["keep_days", "keep_last"])),
        after_help = "Examples:\n  \
        tenantry backup prune --keep-days 30 --keep-last 7 --dry-run")]
    Prune {
        /// Keep backups that are younger than this number of days.
        #[arg(long)]
        keep_days: Option<u32>,
        /// Keep this number of the newest backups of each business and of the shared schema.
        #[arg(long)]
        keep_last: Option<usize>,
        #[command(flatten)]
        consent: Consent,
    },
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let settings = context::settings()?;
    match command {
        Command::Create { slug, all, installation, dir, verify, jobs } => {
            let folder = dir.unwrap_or_else(|| settings.backup.folder.clone());
            if installation {
                return create_installation(&settings, &folder, verify).await;
            }
            let tenants = match slug {
                Some(slug) => vec![context::find_tenant(&settings, &slug).await?],
                None => context::all_tenants(&context::database(&settings).await?).await?,
            };
            create(&settings, &tenants, &folder, verify, jobs, all).await
        }
        Command::List { slug, state, listing } => list(&settings, slug.as_ref(), state, &listing).await,
        Command::Verify { files } => verify(&settings, &files).await,
        Command::Restore { all: true, dir, jobs, without_shared, consent, .. } => {
            let folder = dir.unwrap_or_else(|| settings.backup.folder.clone());
            restore_fleet::restore(&settings, &folder, jobs, without_shared, consent).await
        }
        Command::Restore { file: Some(file), installation: true, consent, .. } => {
            restore::restore_installation(&settings, &file, consent).await
        }
        Command::Restore { file, newest, slug, owner_email, consent, .. } => {
            let file = match (file, newest) {
                (Some(file), _) => file,
                (None, Some(newest)) => restore::newest_verified(&settings, &newest).await?,
                (None, None) => anyhow::bail!("no file was given"),
            };
            restore::restore(&settings, &file, slug, owner_email, consent).await
        }
        Command::Swap { slug, consent } => restore::swap(&settings, &slug, consent).await,
        Command::Discard { slug, consent } => restore::discard(&settings, &slug, consent).await,
        Command::Prune { keep_days, keep_last, consent } => {
            prune(&settings, Retention { keep_days, keep_last }, consent).await
        }
    }
}

async fn owner_database(settings: &Settings, jobs: usize) -> anyhow::Result<OwnerDatabase> {
    // Each job reads the business on one connection and records the backup on another.
    context::owner_database(settings, 2 * jobs + 1).await
}

async fn create(
    settings: &Settings,
    tenants: &[Arc<tenancy::Tenant>],
    folder: &Path,
    verify: bool,
    jobs: NonZeroUsize,
    all: bool,
) -> anyhow::Result<ExitCode> {
    let owner_database = owner_database(settings, jobs.get()).await?;
    let started = Instant::now();
    let progress = Progress::new("backing up");
    let work = backup::create_all(&owner_database, tenants, folder, jobs, verify, |step| {
        let slug = &step.tenant.slug;
        match step.outcome {
            Ok(backup) => progress.above(|| output::line(&backup.file.display().to_string())),
            Err(error) => progress.failure(&format!("{slug}: FAILED: {}", chain(error))),
        }
        progress.advance(step.done, step.total, slug.as_str());
    });
    let Some(failed) = unless_interrupted(work).await? else {
        return Ok(
            progress.interrupted("the finished backups are complete; run the command again for the others")
        );
    };
    progress.finish();
    if all {
        let took = started.elapsed();
        note!("{} backed up, {failed} failed, in {took:.1?}", tenants.len() - failed);
    }
    Ok(match (failed, all) {
        (0, _) => ExitCode::SUCCESS,
        (_, true) => ExitCode::from(PARTIAL),
        (_, false) => ExitCode::FAILURE,
    })
}

async fn create_installation(settings: &Settings, folder: &Path, verify: bool) -> anyhow::Result<ExitCode> {
    let owner_database = owner_database(settings, 1).await?;
    let taken = backup::create_installation(&owner_database, folder).await?;
    output::line(&taken.file.display().to_string());
    if verify {
        backup::verify(&owner_database, &taken.file).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A backup in the form that the command line prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    backup: Backup,
    /// Whether the file still exists at its path.
    exists: bool,
    state: State,
}

/// The state of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Restored on trial and compared, without a difference.
    Verified,
    /// Not verified yet.
    Taken,
    /// The file does not hold what was written.
    Damaged,
    /// There is no file at its path.
    Missing,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Taken => "taken",
            Self::Damaged => "DAMAGED",
            Self::Missing => "MISSING",
        }
    }
}

impl From<Backup> for Shown {
    fn from(backup: Backup) -> Self {
        let exists = backup.file.exists();
        let state = match (exists, backup.is_verified(), &backup.failure) {
            (false, ..) => State::Missing,
            _ if !backup.has_its_size() => State::Damaged,
            (_, _, Some(_)) => State::Damaged,
            (_, true, _) => State::Verified,
            _ => State::Taken,
        };
        Self { exists, state, backup }
    }
}

async fn list(
    settings: &Settings,
    slug: Option<&TenantSlug>,
    state: Option<State>,
    listing: &Listing,
) -> anyhow::Result<ExitCode> {
    let (tenant, backups) = context::database(settings)
        .await?
        .read_shared(SharedScope::Platform, async |tx| {
            let tenant = match slug {
                Some(slug) => tenant::find(tx, slug).await?.map(|tenant| tenant.id),
                None => None,
            };
            Ok::<_, DbError>((tenant, backup::list(tx, None).await?))
        })
        .await?;
    // Backups remain after their business is dropped or renamed, so both the slug and the id are compared.
    let is_wanted = |backup: &Backup| match slug {
        None => true,
        Some(slug) => {
            backup.slug.as_deref() == Some(slug.as_str()) || (tenant.is_some() && backup.tenant_id == tenant)
        }
    };
    let shown: Vec<Shown> = backups
        .into_iter()
        .filter(is_wanted)
        .map(Shown::from)
        .filter(|shown| state.is_none_or(|state| state == shown.state))
        .collect();
    let shown = listing.arrange(shown)?;
    let name = |shown: &Shown| shown.backup.file.display().to_string();
    let columns = ["business", "taken", "size", "rows", "version", "took", "state", "file"];
    format::named_rows(listing.output, &shown, name, columns, |shown| {
        let backup = &shown.backup;
        [
            backup.label().to_owned(),
            backup.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            output::size(backup.size_bytes),
            backup.rows.to_string(),
            backup.schema_version.to_string(),
            format!("{:.1?}", Duration::from_millis(backup.duration_ms.unsigned_abs())),
            shown.state.text().to_owned(),
            backup.file.display().to_string(),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(settings: &Settings, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let owner_database = owner_database(settings, 1).await?;
    let progress = Progress::new("verifying");
    let work = async {
        let mut failed = 0;
        for (done, file) in files.iter().enumerate() {
            let name = file.display();
            match backup::verify(&owner_database, file).await {
                Ok(manifest) => progress.above(|| {
                    let tables = manifest.tables.len();
                    output::line(&format!("{name}: ok, {} rows in {tables} tables", manifest.rows()));
                }),
                Err(error) => {
                    failed += 1;
                    progress.failure(&format!("{name}: FAILED: {}", chain(&error)));
                }
            }
            progress.advance(done + 1, files.len(), "");
        }
        failed
    };
    let Some(failed) = unless_interrupted(work).await? else {
        return Ok(progress.interrupted("the other files were not verified"));
    };
    progress.finish();
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        some if some < files.len() => ExitCode::from(PARTIAL),
        _ => ExitCode::FAILURE,
    })
}

async fn prune(settings: &Settings, retention: Retention, consent: Consent) -> anyhow::Result<ExitCode> {
    let owner_database = owner_database(settings, 1).await?;
    let all = owner_database.write_shared(async |tx| backup::list(tx, None).await).await?;
    let count = all.len();
    let prunable = retention.prunable(all, Utc::now()).await;
    let kept = count - prunable.len();
    if prunable.is_empty() {
        note!("0 removed, {kept} kept");
        return Ok(ExitCode::SUCCESS);
    }
    if consent.dry_run {
        prunable.iter().for_each(|backup| output::line(&backup.file.display().to_string()));
        note!("{} would be removed, {kept} kept", prunable.len());
        return Ok(ExitCode::SUCCESS);
    }
    let plan = format!("This removes {} backups with their files, and keeps {kept}.", prunable.len());
    if !consent.is_given(&plan, "prune")? {
        return Ok(ExitCode::SUCCESS);
    }
    for backup in &prunable {
        backup::remove(&owner_database, backup).await?;
        output::line(&backup.file.display().to_string());
    }
    note!("{} removed, {kept} kept", prunable.len());
    Ok(ExitCode::SUCCESS)
}
