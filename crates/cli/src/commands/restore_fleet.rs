//! `tenantry backup restore --all`: restores a lost installation.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use chrono::SecondsFormat;
use platform::backup::{self, Collection, FleetPlan, Newest};
use platform::{Actor, BackupError, Onboarding};
use settings::{Settings, wiring};
use tenancy::chain;

use crate::confirm::Consent;
use crate::context;
use crate::failure::PARTIAL;
use crate::interrupt::unless_interrupted;
use crate::output::{self, complain, note};
use crate::progress::Progress;

/// Restores every lost business from its newest backup in `folder`, and before that, in a fresh installation,
/// the shared schema.
pub(super) async fn restore(
    settings: &Settings,
    folder: &Path,
    jobs: NonZeroUsize,
    without_shared: bool,
    consent: Consent,
) -> anyhow::Result<ExitCode> {
    // A restore uses one connection for the lock of the business, one for its data and one for the registry.
    let owner_database = Arc::new(context::owner_database(settings, 3 * jobs.get() + 2).await?);
    let onboarding = Onboarding::new(owner_database.clone(), wiring::hasher(settings)?);
    let collection = backup::collect(folder).await?;
    let is_fresh = owner_database.is_fresh().await?;
    let installation = collection.installation.as_ref().filter(|_| is_fresh && !without_shared);
    let plan = backup::plan(&owner_database, &collection).await?;
    if collection.installation.is_some()
        && !is_fresh
        && !without_shared
        && plan.unknown().next().is_some()
        && !backup::has_restored_registry(&owner_database).await?
    {
        return Err(anyhow::Error::from(BackupError::NotFresh).context(
            "the folder has a backup of the shared schema; without it, the businesses that are missing here \
             come back without passwords, which --without-shared accepts",
        ));
    }
    let mut told = match installation {
        Some(newest) => format!(
            "This restores users, roles and the registry {}, and then each business from its newest backup \
             in {}. Businesses that were dropped stay dropped.",
            of(newest),
            folder.display()
        ),
        None => format!(
            "This restores {} businesses from their newest backups in {}. {} businesses have their data and \
             stay as they are.",
            plan.restores.len(),
            folder.display(),
            plan.present.len()
        ),
    };
    if installation.is_none() && plan.unknown().next().is_some() {
        let slugs: Vec<&str> = plan.unknown().map(|business| business.slug.as_str()).collect();
        told.push_str(&format!("\nThe registry does not know {}.", slugs.join(", ")));
        told.push_str(
            " Their members are restored by email and have no passwords, because no backup of the shared \
             schema is used (`tenantry backup create --installation`).",
        );
    }
    tell_problems(&collection, &plan);
    for business in plan.restores.iter().filter(|_| consent.dry_run) {
        output::line(&format!("{}: {}", business.slug, of(&business.newest)));
    }
    let is_any = installation.is_some() || !plan.restores.is_empty();
    let consent = Consent { yes: consent.yes || !is_any, ..consent };
    if !consent.is_given(&told, "all")? {
        return Ok(ExitCode::SUCCESS);
    }
    let plan = match installation {
        None => plan,
        Some(newest) => {
            let checked = backup::inspect(&owner_database, &newest.file).await?;
            backup::restore_installation(&owner_database, &checked, &Actor::command_line()).await?;
            note!("restored users, roles and the registry");
            let plan = backup::plan(&owner_database, &collection).await?;
            tell_problems(&Collection::default(), &plan);
            plan
        }
    };
    let unusable = collection.unreadable.len() + plan.without_backup.len();
    run(&onboarding, &plan, jobs, unusable).await
}

/// Restores the businesses of the plan. `unusable` files and businesses have failed before.
async fn run(
    onboarding: &Onboarding,
    plan: &FleetPlan,
    jobs: NonZeroUsize,
    unusable: usize,
) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let progress = Progress::new("restoring");
    let total = plan.restores.len();
    let actor = Actor::command_line();
    let work = backup::restore_all(onboarding, plan, jobs, &actor, |step| {
        let slug = &step.business.slug;
        match &step.outcome {
            Ok(restored) => progress.above(|| {
                output::line(&format!(
                    "{}: restored {} in {:.1?}",
                    restored.slug,
                    of(&step.business.newest),
                    restored.duration
                ));
            }),
            Err(error) => {
                let file = step.business.newest.file.display();
                progress.failure(&format!("{slug}: FAILED: {file}: {}", chain(error)));
            }
        }
        progress.advance(step.done, total, slug);
    });
    let Some(failed) = unless_interrupted(work).await? else {
        onboarding.owner_database().end_abandoned_maintenance().await?;
        return Ok(progress.interrupted("run the command again to restore the others"));
    };
    progress.finish();
    let took = started.elapsed();
    let failures = failed + unusable;
    note!("{} restored, {failures} failed, in {took:.1?}", total - failed);
    if failures == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    note!("fix the causes, then run the command again; it leaves businesses alone that have their data");
    Ok(ExitCode::from(PARTIAL))
}

fn tell_problems(collection: &Collection, plan: &FleetPlan) {
    for (file, error) in &collection.unreadable {
        complain!("{}: FAILED: {}", file.display(), chain(error));
    }
    for (slug, file) in &plan.dropped {
        note!("{slug} was dropped, and stays so; `tenantry backup restore {}` restores it", file.display());
    }
    for slug in &plan.without_backup {
        complain!("{slug}: FAILED: the folder has no backup of this business");
    }
}

fn of(newest: &Newest) -> String {
    let taken_at = newest.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("from the backup of {taken_at} in {}", newest.file.display())
}
