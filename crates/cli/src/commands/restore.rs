//! `tenantry backup restore`, `swap` and `discard`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use archive::{Checked, Subject};
use chrono::{SecondsFormat, Utc};
use indicatif::HumanDuration;
use platform::backup::{self, Target};
use platform::{Actor, Added, Backup, BackupError, NewMember, NotShown};
use secrecy::ExposeSecret;
use settings::Settings;
use tenancy::fleet::RunOptions;
use tenancy::{DbError, OwnerDatabase, ProvisionError, SharedScope, SharedTx, Tenant, TenantSlug, tenant};
use values::Email;

use crate::commands::migrate;
use crate::confirm::Consent;
use crate::context;
use crate::failure::{INTERRUPTED, NotFound};
use crate::interrupt::unless_interrupted;
use crate::output::{self, note};

pub(super) async fn restore(
    settings: &Settings,
    file: &Path,
    new_slug: Option<TenantSlug>,
    owner_email: Option<Email>,
    consent: Consent,
) -> anyhow::Result<ExitCode> {
    let onboarding = context::onboarding(settings).await?;
    // All checks run before the question, so that nobody confirms a restore that is then refused.
    let backup = inspect(onboarding.owner_database(), file).await?;
    let described = describe(&backup);
    let subject = &backup.manifest.header.subject;
    let Subject::Business { slug: own_slug, .. } = subject else {
        return Err(BackupError::OfTheInstallation.into());
    };
    let existing = match &new_slug {
        Some(_) => None,
        None => {
            let find = async |tx: &SharedTx| backup::find_subject(tx, subject).await;
            onboarding.owner_database().write_shared(find).await?
        }
    };
    let (target, plan, name) = match (new_slug, existing) {
        (Some(slug), _) => {
            let owner = owner_email.clone().map(|email| NewMember::owner(email, None, None));
            let mut plan = format!("This creates the business {slug} from {described}.");
            if owner.is_none() {
                plan.push_str(" The members in the backup are added too; --owner-email adds only an owner.");
            }
            (Target::New { slug: slug.clone(), owner }, plan, slug)
        }
        (None, Some(tenant)) => {
            let slug = tenant.slug.clone();
            let plan = format!(
                "This replaces the data of {slug} with {described}. {slug} is in maintenance during the \
                 restore. Its current data is set aside; `tenantry backup swap {slug}` brings it back."
            );
            (Target::Over(tenant), plan, slug)
        }
        (None, None) => {
            let slug = TenantSlug::parse(own_slug)?;
            let plan = format!("This creates the business {slug} again from {described}.");
            (Target::New { slug: slug.clone(), owner: None }, plan, slug)
        }
    };
    if let Target::New { slug, .. } = &target {
        let taken = onboarding
            .owner_database()
            .write_shared(async |tx| tenant::find(tx, slug).await)
            .await?
            .is_some();
        if taken {
            return Err(ProvisionError::SlugTaken(slug.clone()).into());
        }
    }
    // A new business overwrites nothing, so it needs no confirmation.
    let asks = matches!(target, Target::Over(_));
    let consent = Consent { yes: consent.yes || !asks, ..consent };
    if !consent.is_given(&plan, name.as_str())? {
        return Ok(ExitCode::SUCCESS);
    }
    let actor = Actor::command_line();
    let show = |tenant: &Tenant, owner: &Added| {
        let Some(email) = &owner_email else { return Ok(()) };
        output::line(&settings.address_of(&tenant.slug));
        match &owner.made_password {
            Some(made) => output::secret(&format!(
                "owner {email}, password {}   (shown once; must be changed at the first sign-in)",
                made.secret().expose_secret()
            ))
            .map_err(NotShown),
            None => {
                output::line(&format!("owner {email}, password unchanged"));
                Ok(())
            }
        }
    };
    let work = backup::restore(&onboarding, &backup, &target, &actor, &show);
    let Some(restored) = unless_interrupted(work).await? else {
        return interrupted(onboarding.owner_database(), &target).await;
    };
    let restored = restored?;
    note!("restored {} rows in {:.1?}", backup.manifest.rows(), restored.duration);
    if restored.owner.is_none() {
        output::line(&settings.address_of(&restored.slug));
    }
    if restored.new_users > 0 {
        note!(
            "new users without a password: {}. Set a password with `tenantry user reset-password EMAIL`",
            restored.new_users
        );
    }
    if asks {
        note!("`tenantry backup swap {name}` brings the previous data back");
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what an interrupted restore has changed: nothing, unless it was already complete.
async fn interrupted(owner_database: &OwnerDatabase, target: &Target) -> anyhow::Result<ExitCode> {
    // The loaded data was rolled back with its transaction. Only the maintenance of the business must be
    // ended.
    owner_database.end_abandoned_maintenance().await?;
    let find = async |tx: &SharedTx| match target {
        Target::Over(before) => tenant::find_by_id(tx, before.id).await,
        Target::New { slug, .. } => tenant::find(tx, slug).await,
    };
    let now = owner_database.write_shared(find).await?;
    let is_restored = match (target, &now) {
        (Target::Over(before), Some(now)) => before.number != now.number,
        (Target::New { .. }, now) => now.is_some(),
        (Target::Over(_), None) => false,
    };
    match is_restored {
        true => note!("interrupted, after the restore had succeeded"),
        false => note!("interrupted; nothing was changed"),
    }
    Ok(ExitCode::from(INTERRUPTED))
}

/// Reads and checks the whole file. An error names the file.
async fn inspect(owner_database: &OwnerDatabase, file: &Path) -> anyhow::Result<Checked> {
    if !file.exists() {
        let text =
            format!("{}: no such file; `tenantry backup list` shows the paths of backups", file.display());
        return Err(NotFound(text).into());
    }
    backup::inspect(owner_database, file).await.with_context(|| file.display().to_string())
}

/// Describes a backup for a question: its time, the slug at that time, its age, its rows and its path.
fn describe(backup: &Checked) -> String {
    let header = &backup.manifest.header;
    let of = match &header.subject {
        Subject::Business { slug, .. } => format!("slug {slug} at that time, "),
        Subject::Installation => String::new(),
    };
    let age = (Utc::now() - header.taken_at).to_std().unwrap_or_default();
    let age = HumanDuration(age);
    format!(
        "the backup of {} ({of}{age} ago, {} rows) in {}",
        header.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        backup.manifest.rows(),
        backup.path.display()
    )
}

/// The newest verified backup of the business that has this slug now, whatever its slug was then. The backups
/// of a dropped business are found by the slug in the backup.
pub(super) async fn newest_verified(settings: &Settings, slug: &TenantSlug) -> anyhow::Result<PathBuf> {
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
        // For the former slug of a renamed business, this error names the new slug.
        if tenant.is_none() && !backups.iter().any(is_of_it) {
            context::find_tenant(settings, slug).await?;
        }
        let text =
            format!("{slug} has no verified backup on this machine; `tenantry backup list` lists backups");
        return Err(NotFound(text).into());
    };
    if let Some(passed_over @ 1..) = newest {
        note!(
            "newer backups that were skipped: {passed_over}. They are not verified, or their files are not \
             on this machine"
        );
    }
    Ok(found.file.clone())
}

pub(super) async fn restore_installation(
    settings: &Settings,
    file: &Path,
    consent: Consent,
) -> anyhow::Result<ExitCode> {
    let owner_database = context::owner_database(settings, 3).await?;
    let backup = inspect(&owner_database, file).await?;
    let plan = format!(
        "This restores the shared schema of a fresh installation from {}: users, roles and the registry.",
        describe(&backup)
    );
    if !owner_database.is_fresh().await? {
        return Err(BackupError::NotFresh.into());
    }
    if !consent.is_given(&plan, "installation")? {
        return Ok(ExitCode::SUCCESS);
    }
    let businesses = backup::restore_installation(&owner_database, &backup, &Actor::command_line()).await?;
    note!(
        "restored; {businesses} businesses are in maintenance. Restore each: `tenantry backup restore FILE`, \
         or all: `tenantry backup restore --all --dir FOLDER`"
    );
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn swap(
    settings: &Settings,
    slug: &TenantSlug,
    consent: Consent,
) -> anyhow::Result<ExitCode> {
    let tenant = context::find_tenant(settings, slug).await?;
    let plan = format!("This exchanges the data of {slug} with the data that the last restore set aside.");
    if !consent.is_given(&plan, slug.as_str())? {
        return Ok(ExitCode::SUCCESS);
    }
    let operator = context::operator(settings).await?;
    let aside = operator.swap(&tenant).await?;
    note!("{slug} now uses the schema {}; `tenantry backup swap {slug}` undoes this", aside.schema);
    if aside.version == operator.owner_database.latest_version() {
        return Ok(ExitCode::SUCCESS);
    }
    // The data that was set aside has the schema version of an older release.
    migrate::migrate(settings, &RunOptions { tenants: vec![slug.clone()], ..RunOptions::default() }).await
}

pub(super) async fn discard(
    settings: &Settings,
    slug: &TenantSlug,
    consent: Consent,
) -> anyhow::Result<ExitCode> {
    let tenant = context::find_tenant(settings, slug).await?;
    let plan = format!("This drops all data that restores set aside for {slug}.");
    if !consent.is_given(&plan, slug.as_str())? {
        return Ok(ExitCode::SUCCESS);
    }
    match context::operator(settings).await?.discard(&tenant).await?.as_slice() {
        [] => note!("nothing to do: no data is set aside for {slug}"),
        some => output::line(&format!("dropped {}", some.join(", "))),
    }
    Ok(ExitCode::SUCCESS)
}
