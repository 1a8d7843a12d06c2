//! `tenantry backup ...`

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use archive::{Checked, Subject};
use chrono::{SecondsFormat, Utc};
use clap::{ArgGroup, Subcommand};
use identity::Email;
use platform::backup::{self, Retention, Target};
use platform::onboarding::OWNER_ROLE;
use platform::{Actor, Backup, BackupError, NewMember};
use secrecy::ExposeSecret;
use serde::Serialize;
use settings::Settings;
use tenancy::fleet::RunOptions;
use tenancy::{DbError, ProvisionError, Provisioner, SharedScope, SharedTx, TenantSlug, chain, tenant};
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::{jobs_at_once, migrate};
use crate::confirm::confirm;
use crate::context;
use crate::failure::{INTERRUPTED, NotFound, PARTIAL};
use crate::output::{self, Output};
use crate::progress::{Progress, told};

#[derive(Subcommand)]
pub enum Command {
    /// Back up one business, all of them, or the shared schema, each into a file of its own.
    ///
    /// Prints each file. Nobody waits for a backup, and it shows one moment of the business.
    #[command(group(ArgGroup::new("what").required(true).args(["slug", "all", "installation"])), after_help = "Examples:\n  \
        tenantry backup create acme --verify\n  \
        tenantry backup create --all --jobs 4 --verify     exit code 5 when some failed\n  \
        tenantry backup create --installation              users, roles, the registry: keep it as safe as passwords")]
    Create {
        /// The business.
        slug: Option<TenantSlug>,
        /// Every business.
        #[arg(long)]
        all: bool,
        /// The shared schema: the registry, users with their passwords' hashes, roles, the audit log.
        #[arg(long)]
        installation: bool,
        /// Where to put the files; by default the folder of backup.folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Restore each into a scratch schema and compare, right after it was taken.
        #[arg(long)]
        verify: bool,
        /// Businesses at the same time.
        #[arg(long, default_value = "2", value_parser = jobs_at_once)]
        jobs: NonZeroUsize,
    },
    /// List the backups that were taken, the newest first.
    List {
        /// Those of this business alone.
        slug: Option<TenantSlug>,
        #[command(flatten)]
        output: Output,
    },
    /// Restore backups into a scratch schema, compare every table, and throw the schema away.
    Verify {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Restore a business from a file: over itself, or as a new one.
    ///
    /// Over itself: only this business is in maintenance meanwhile, and what was there is set aside; `backup swap` goes
    /// back to it. A file that is damaged, or newer than this program, is refused before anything is touched.
    #[command(after_help = "Examples:\n  \
        tenantry backup restore backups/acme-20260101T020000Z-1a2b3c.tenantry\n  \
        tenantry backup restore --newest acme --yes\n  \
        tenantry backup restore FILE --as acme-copy --owner-email ann@acme.example\n  \
        tenantry backup restore FILE --installation        into a fresh installation; then each business from its own file")]
    Restore {
        /// The file.
        #[arg(required_unless_present = "newest")]
        file: Option<PathBuf>,
        /// The newest verified backup of this business, in place of a file.
        #[arg(long, value_name = "SLUG", conflicts_with_all = ["file", "installation"])]
        newest: Option<TenantSlug>,
        /// Make a new business with this slug instead.
        #[arg(long = "as", value_name = "SLUG", conflicts_with = "installation")]
        slug: Option<TenantSlug>,
        /// The only member of the new business. Without it the backup's members come too, matched by email; whoever is
        /// new here has no password.
        #[arg(long, requires = "slug")]
        owner_email: Option<Email>,
        /// The file is a backup of the shared schema.
        #[arg(long)]
        installation: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Change a business over to what the last restore set aside. Again, and all is as before.
    Swap {
        slug: TenantSlug,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Drop what restores set aside for a business.
    Discard {
        slug: TenantSlug,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Remove backups that are old and that a newer verified one of the same business supersedes.
    #[command(group(ArgGroup::new("rule").required(true).multiple(true).args(["keep_days", "keep_last"])), after_help = "Examples:\n  \
        tenantry backup prune --keep-days 30 --keep-last 7 --dry-run")]
    Prune {
        /// Keep those of the last so many days.
        #[arg(long)]
        keep_days: Option<u32>,
        /// Keep the last so many of each business.
        #[arg(long)]
        keep_last: Option<usize>,
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
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
        Command::List { slug, output } => list(&settings, slug.as_ref(), output).await,
        Command::Verify { files } => verify(&settings, &files).await,
        Command::Restore { file: Some(file), installation: true, yes, dry_run, .. } => {
            restore_installation(&settings, &file, yes, dry_run).await
        }
        Command::Restore { file, newest, slug, owner_email, yes, dry_run, .. } => {
            let file = match (file, newest) {
                (Some(file), _) => file,
                (None, Some(newest)) => newest_verified(&settings, &newest).await?,
                (None, None) => anyhow::bail!("no file was given"),
            };
            restore(&settings, &file, slug, owner_email, yes, dry_run).await
        }
        Command::Swap { slug, yes } => swap(&settings, &slug, yes).await,
        Command::Discard { slug, yes } => discard(&settings, &slug, yes).await,
        Command::Prune { keep_days, keep_last, dry_run } => {
            prune(&settings, Retention { keep_days, keep_last }, dry_run).await
        }
    }
}

async fn provisioner(settings: &Settings, jobs: usize) -> anyhow::Result<Provisioner> {
    // Each job reads on one connection and records on another.
    context::provisioner(settings, 2 * jobs + 1).await
}

async fn create(
    settings: &Settings,
    tenants: &[Arc<tenancy::Tenant>],
    folder: &Path,
    verify: bool,
    jobs: NonZeroUsize,
    all: bool,
) -> anyhow::Result<ExitCode> {
    let provisioner = provisioner(settings, jobs.get()).await?;
    let started = Instant::now();
    let progress = Progress::new("backing up");
    let failed = backup::create_all(&provisioner, tenants, folder, jobs, verify, |step| {
        let slug = &step.tenant.slug;
        match step.outcome {
            Ok(backup) => progress.above(|| output::line(&backup.file.display().to_string())),
            Err(error) => progress.line(&format!("{slug}: FAILED: {}", chain(error))),
        }
        progress.advance(step.done, step.total, slug.as_str());
    })
    .await;
    progress.finish();
    if all {
        let took = told(started.elapsed());
        eprintln!("{} backed up, {failed} failed, in {took}", tenants.len() - failed);
    }
    Ok(match (failed, all) {
        (0, _) => ExitCode::SUCCESS,
        (_, true) => ExitCode::from(PARTIAL),
        (_, false) => ExitCode::FAILURE,
    })
}

async fn create_installation(settings: &Settings, folder: &Path, verify: bool) -> anyhow::Result<ExitCode> {
    let provisioner = provisioner(settings, 1).await?;
    let taken = backup::create_installation(&provisioner, folder).await?;
    output::line(&taken.file.display().to_string());
    if verify {
        backup::verify(&provisioner, &taken.file).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A backup as the command line shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    backup: Backup,
    /// Whether the file is where it was put.
    exists: bool,
}

impl Shown {
    fn state(&self) -> &'static str {
        match (self.exists, self.backup.is_verified(), &self.backup.failure) {
            (false, ..) => "MISSING",
            _ if !self.backup.has_its_size() => "DAMAGED",
            (_, _, Some(_)) => "DAMAGED",
            (_, true, _) => "verified",
            _ => "taken",
        }
    }
}

async fn list(settings: &Settings, slug: Option<&TenantSlug>, output: Output) -> anyhow::Result<ExitCode> {
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
    // A business's backups outlive it, and its former slugs.
    let is_wanted = |backup: &Backup| match slug {
        None => true,
        Some(slug) => {
            backup.slug.as_deref() == Some(slug.as_str()) || (tenant.is_some() && backup.tenant_id == tenant)
        }
    };
    let shown: Vec<Shown> = backups
        .into_iter()
        .filter(is_wanted)
        .map(|backup| Shown { exists: backup.file.exists(), backup })
        .collect();
    let columns = ["business", "taken", "size", "rows", "version", "took", "state", "file"];
    output::rows(output, &shown, columns, |shown| {
        let backup = &shown.backup;
        [
            backup.label().to_owned(),
            backup.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            output::size(backup.size_bytes),
            backup.rows.to_string(),
            backup.schema_version.to_string(),
            told(Duration::from_millis(backup.duration_ms.unsigned_abs())),
            shown.state().to_owned(),
            backup.file.display().to_string(),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(settings: &Settings, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let provisioner = provisioner(settings, 1).await?;
    let mut failed = 0;
    for file in files {
        match backup::verify(&provisioner, file).await {
            Ok(manifest) => output::line(&format!(
                "{}: ok, {} rows in {} tables",
                file.display(),
                manifest.rows(),
                manifest.tables.len()
            )),
            Err(error) => {
                failed += 1;
                eprintln!("{}: FAILED: {}", file.display(), chain(&error));
            }
        }
    }
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        some if some < files.len() => ExitCode::from(PARTIAL),
        _ => ExitCode::FAILURE,
    })
}

async fn restore(
    settings: &Settings,
    file: &Path,
    new_slug: Option<TenantSlug>,
    owner_email: Option<Email>,
    yes: bool,
    dry_run: bool,
) -> anyhow::Result<ExitCode> {
    let onboarding = context::onboarding(settings).await?;
    // What would be refused later is refused now, before anybody is asked.
    let backup = inspect(onboarding.provisioner(), file).await?;
    let described = describe(&backup);
    let subject = &backup.manifest.header.subject;
    let Subject::Business { slug: own_slug, .. } = subject else {
        return Err(BackupError::OfTheInstallation.into());
    };
    let existing = match &new_slug {
        Some(_) => None,
        None => {
            let find = async |tx: &SharedTx| backup::find_subject(tx, subject).await;
            onboarding.provisioner().write_shared(find).await?
        }
    };
    let (target, plan, name) = match (new_slug, existing) {
        (Some(slug), _) => {
            let owner = owner_email.clone().map(|email| NewMember {
                email,
                full_name: None,
                password: None,
                role: OWNER_ROLE.to_owned(),
            });
            let mut plan = format!("This makes the business {slug} from {described}.");
            if owner.is_none() {
                plan.push_str(" Its members come too; --owner-email makes one person the only member.");
            }
            (Target::New { slug: slug.clone(), owner }, plan, slug)
        }
        (None, Some(tenant)) => {
            let slug = tenant.slug.clone();
            let plan = format!(
                "This replaces the data of {slug} by {described}. Meanwhile {slug} is in maintenance; what it has now is set \
                 aside, and `tenantry backup swap {slug}` goes back to it."
            );
            (Target::Over(tenant), plan, slug)
        }
        (None, None) => {
            let slug = TenantSlug::parse(own_slug)?;
            let plan = format!("This makes the business {slug} again from {described}.");
            (Target::New { slug: slug.clone(), owner: None }, plan, slug)
        }
    };
    if let Target::New { slug, .. } = &target {
        let taken =
            onboarding.provisioner().write_shared(async |tx| tenant::find(tx, slug).await).await?.is_some();
        if taken {
            return Err(ProvisionError::SlugTaken(slug.clone()).into());
        }
    }
    if dry_run {
        eprintln!("{plan}\nNothing was done.");
        return Ok(ExitCode::SUCCESS);
    }
    // Making a new business overwrites nothing, so nobody is asked.
    let asks = matches!(target, Target::Over(_));
    if !asks {
        eprintln!("{plan}");
    }
    confirm(&plan, name.as_str(), yes || !asks)?;
    let actor = Actor::command_line();
    let mut terminate = signal(SignalKind::terminate())?;
    let restored = tokio::select! {
        restored = backup::restore(&onboarding, &backup, &target, &actor) => restored?,
        () = async { tokio::select! { _ = tokio::signal::ctrl_c() => {} _ = terminate.recv() => {} } } => {
            // What was loaded is gone with its transaction; the business only has to be opened again.
            tokio::time::sleep(Duration::from_millis(200)).await;
            onboarding.provisioner().end_abandoned_maintenance().await?;
            eprintln!("interrupted; the business is as it was");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    eprintln!("restored {} rows in {}", backup.manifest.rows(), told(restored.duration));
    output::line(&settings.address_of(&restored.slug));
    if let (Some(owner), Some(email)) = (&restored.owner, &owner_email) {
        match &owner.made_password {
            Some(made) => output::line(&format!(
                "owner {email}, password {}   (shown once)",
                made.secret().expose_secret()
            )),
            None => output::line(&format!("owner {email}, who keeps the password")),
        }
    }
    if restored.new_users > 0 {
        eprintln!(
            "{} members are new here and have no password yet; `tenantry user reset-password EMAIL` gives one",
            restored.new_users
        );
    }
    if asks {
        eprintln!("`tenantry backup swap {name}` goes back to what was there before");
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a file whole; one that is not there is named.
async fn inspect(provisioner: &Provisioner, file: &Path) -> anyhow::Result<Checked> {
    if !file.exists() {
        let text =
            format!("{}: no such file; `tenantry backup list` shows where backups lie", file.display());
        return Err(NotFound(text).into());
    }
    backup::inspect(provisioner, file).await.with_context(|| file.display().to_string())
}

/// A backup as a question names it: when it was taken, of whom, how much.
fn describe(backup: &Checked) -> String {
    let header = &backup.manifest.header;
    let of = match &header.subject {
        Subject::Business { slug, .. } => format!("when it was {slug}, "),
        Subject::Installation => String::new(),
    };
    let age = (Utc::now() - header.taken_at).to_std().unwrap_or_default();
    let age = match age.as_secs() / 3600 {
        0 => told(age),
        hours @ 1..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    };
    format!(
        "the backup of {} ({of}{age} ago, {} rows) in {}",
        header.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        backup.manifest.rows(),
        backup.path.display()
    )
}

/// Of the business that has the slug now, whatever it was called; of one that is gone, by the slug that it had.
async fn newest_verified(settings: &Settings, slug: &TenantSlug) -> anyhow::Result<PathBuf> {
    let (ids, tenant, backups) = context::database(settings)
        .await?
        .read_shared(SharedScope::Platform, async |tx| {
            let ids: Vec<_> = tenant::all(tx).await?.iter().map(|tenant| tenant.id).collect();
            Ok::<_, DbError>((ids, tenant::find(tx, slug).await?, backup::list(tx, None).await?))
        })
        .await?;
    let is_of_it = |backup: &Backup| match &tenant {
        Some(tenant) => backup.tenant_id == Some(tenant.id),
        None => {
            let is_gone = backup.tenant_id.is_some_and(|id| !ids.contains(&id));
            is_gone && backup.slug.as_deref() == Some(slug.as_str())
        }
    };
    let is_wanted = |backup: &Backup| is_of_it(backup) && backup.is_verified() && backup.file.exists();
    let newest = backups.iter().filter(|backup| is_of_it(backup)).position(is_wanted);
    let found = backups.iter().find(|backup| is_wanted(backup));
    let Some(found) = found else {
        // A slug that a business had before leads to what it is called now.
        if tenant.is_none() && !backups.iter().any(is_of_it) {
            context::find_tenant(settings, slug).await?;
        }
        let text = format!("{slug} has no verified backup here; `tenantry backup list` shows all");
        return Err(NotFound(text).into());
    };
    if let Some(passed_over @ 1..) = newest {
        eprintln!("{passed_over} newer ones are passed over: not verified, or not here");
    }
    Ok(found.file.clone())
}

async fn restore_installation(
    settings: &Settings,
    file: &Path,
    yes: bool,
    dry_run: bool,
) -> anyhow::Result<ExitCode> {
    let provisioner = provisioner(settings, 1).await?;
    let backup = inspect(&provisioner, file).await?;
    let plan = format!(
        "This fills the shared schema of a fresh installation from {}: users, roles, the registry.",
        describe(&backup)
    );
    if !provisioner.is_fresh().await? {
        return Err(BackupError::NotFresh.into());
    }
    if dry_run {
        eprintln!("{plan}\nNothing was done.");
        return Ok(ExitCode::SUCCESS);
    }
    confirm(&plan, "installation", yes)?;
    let businesses = backup::restore_installation(&provisioner, &backup, &Actor::command_line()).await?;
    eprintln!(
        "restored; {businesses} businesses wait in maintenance, each for `tenantry backup restore` of its own file"
    );
    Ok(ExitCode::SUCCESS)
}

async fn swap(settings: &Settings, slug: &TenantSlug, yes: bool) -> anyhow::Result<ExitCode> {
    let tenant = context::find_tenant(settings, slug).await?;
    let plan = format!(
        "This changes {slug} over to what the last restore set aside, and sets aside what it has now."
    );
    confirm(&plan, slug.as_str(), yes)?;
    let operator = context::operator(settings).await?;
    let aside = operator.swap(&tenant).await?;
    eprintln!("{slug} uses {} again; `tenantry backup swap {slug}` goes back", aside.schema);
    if aside.version == operator.provisioner.latest_version() {
        return Ok(ExitCode::SUCCESS);
    }
    // What was set aside is of an older release.
    migrate::migrate(settings, &RunOptions { tenants: vec![slug.clone()], ..RunOptions::default() }).await
}

async fn discard(settings: &Settings, slug: &TenantSlug, yes: bool) -> anyhow::Result<ExitCode> {
    let tenant = context::find_tenant(settings, slug).await?;
    confirm(&format!("This drops what restores set aside for {slug}."), slug.as_str(), yes)?;
    match context::operator(settings).await?.discard(&tenant).await?.as_slice() {
        [] => eprintln!("nothing to do: nothing was set aside for {slug}"),
        some => output::line(&format!("dropped {}", some.join(", "))),
    }
    Ok(ExitCode::SUCCESS)
}

async fn prune(settings: &Settings, retention: Retention, dry_run: bool) -> anyhow::Result<ExitCode> {
    let provisioner = provisioner(settings, 1).await?;
    let all = provisioner.write_shared(async |tx| backup::list(tx, None).await).await?;
    let superseded = retention.superseded(&all, Utc::now());
    for backup in &superseded {
        if !dry_run {
            backup::remove(&provisioner, backup).await?;
        }
        output::line(&backup.file.display().to_string());
    }
    let verb = if dry_run { "would be removed" } else { "removed" };
    eprintln!("{} {verb}, {} kept", superseded.len(), all.len() - superseded.len());
    Ok(ExitCode::SUCCESS)
}
