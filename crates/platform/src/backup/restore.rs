//! Restores a business from a backup, over its data or as a new business.

use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::contents::{self, Tables};
use archive::{Checked, Subject};
use identity::membership::MemberOf;
use identity::{Applicant, member_backup, role_backup};
use serde::Deserialize;
use serde_json::json;
use tenancy::copy::Loading;
use tenancy::domain::{self, DomainError};
use tenancy::lifecycle::{self, LifecycleError, StatusChange};
use tenancy::{HostName, NewTenant, OwnerDatabase, SharedTx, Tenant, TenantId, TenantSlug, tenant};
use values::Name;

use crate::backup::create::SharedRows;
use crate::backup::error::BackupError;
use crate::backup::new_schema;
use crate::onboarding::Onboarding;
use crate::onboarding::member::{Added, NewMember, Prepared, Show};
use crate::records::platform_audit::{self, Actor};

/// The target of a restore.
#[derive(Debug, Clone)]
pub enum Target {
    /// An existing business, whose data is replaced.
    Over(Arc<Tenant>),
    /// A new business.
    New {
        /// The slug of the new business, which may differ from the slug in the backup.
        slug: TenantSlug,
        /// The only member. Without an owner, the members in the backup are restored and matched by email.
        owner: Option<NewMember>,
    },
}

/// The result of a restore.
#[derive(Debug)]
pub struct Restored {
    /// The slug of the restored business.
    pub slug: TenantSlug,
    /// The owner of a new business, if one was given.
    pub owner: Option<Added>,
    /// The number of members for whom a new user was created. A new user has no password yet.
    pub new_users: usize,
    /// The time that the whole restore took, including migrations.
    pub duration: Duration,
}

/// Restores one business from a file that [`inspect`](crate::backup::inspect) has read.
///
/// An existing business is in maintenance during the restore; other businesses are not affected. Its current
/// schema is set aside. Its members and custom domains stay unchanged.
///
/// A new business gets the schema of the backup. If an owner is given, the owner is the only member.
/// Otherwise, the business also gets the members of the backup. Members are matched by email, and a new user
/// has no password. A dropped business that is restored under its own slug keeps its id, and gets back its
/// status and its custom domains, which must be verified again.
///
/// `show` tells the given owner of a new business before the business is kept.
///
/// # Errors
/// [`BackupError`]; the business is unchanged.
pub async fn restore(
    onboarding: &Onboarding,
    backup: &Checked,
    target: &Target,
    actor: &Actor,
    show: Show<'_>,
) -> Result<Restored, BackupError> {
    let started = Instant::now();
    let owner_database = onboarding.owner_database();
    let header = &backup.manifest.header;
    let Subject::Business { id, slug, name } = &header.subject else {
        return Err(BackupError::OfTheInstallation);
    };
    let details = json!({"from": backup.path.display().to_string(), "takenAt": header.taken_at, "of": slug});
    let (slug, owner, new_users) = match target {
        Target::Over(tenant) => {
            (restore_over(owner_database, backup, tenant.id, actor, &details).await?, None, 0)
        }
        Target::New { slug: wanted, owner } => {
            let owner = match owner {
                Some(owner) => Some(onboarding.prepare(owner, None, &Applicant::operator()).await?),
                None => None,
            };
            // A dropped business that is restored under its own slug keeps its id.
            let id = (wanted.as_str() == slug).then_some(*id);
            // The file may come from any source, so the name is validated.
            let name = Name::parse(name).map_err(|error| BackupError::Name(error.to_string()))?.to_string();
            let new = NewTenant { slug: wanted.clone(), name, id };
            let (owner, new_users) =
                restore_new(owner_database, backup, &new, owner.as_ref(), actor, &details, show).await?;
            (wanted.clone(), owner, new_users)
        }
    };
    Ok(Restored { slug, owner, new_users, duration: started.elapsed() })
}

async fn restore_over(
    owner_database: &OwnerDatabase,
    backup: &Checked,
    id: TenantId,
    actor: &Actor,
    details: &serde_json::Value,
) -> Result<TenantSlug, BackupError> {
    let maintenance = owner_database.begin_maintenance(id).await?;
    let work = async {
        let loading = owner_database.begin_loading(backup.manifest.header.schema_version).await?;
        load(owner_database, backup, &loading).await?;
        let tenant = maintenance.tenant();
        let record = async |tx: &SharedTx| {
            new_schema::follow(tx, id).await?;
            platform_audit::record(tx, actor, "tenant.restored", Some(tenant), details).await
        };
        owner_database.replace_by_loaded(loading, &maintenance, record).await?;
        new_schema::schedule_reports(owner_database, id).await;
        Ok(tenant.slug.clone())
    };
    let outcome = work.await;
    // A success has ended the maintenance already.
    let Err(error) = outcome else { return outcome };
    match maintenance.end().await {
        Ok(_) => Err(error),
        Err(_) => Err(BackupError::StillClosed(Box::new(error))),
    }
}

async fn restore_new(
    owner_database: &OwnerDatabase,
    backup: &Checked,
    new: &NewTenant,
    owner: Option<&Prepared<'_>>,
    actor: &Actor,
    details: &serde_json::Value,
    show: Show<'_>,
) -> Result<(Option<Added>, usize), BackupError> {
    let rows = SharedRows::deserialize(&backup.shared)?;
    let version = backup.manifest.header.schema_version;
    let (loading, tenant) = owner_database.begin_loading_for(version, new).await?;
    load(owner_database, backup, &loading).await?;
    let register = async |tx: &SharedTx| {
        platform_audit::record(tx, actor, "tenant.restored", Some(&tenant), details).await?;
        if new.id.is_some() {
            come_back(tx, &tenant, &rows).await?;
        }
        for role in &rows.roles {
            role_backup::restore(tx, tenant.id, role).await?;
        }
        if let Some(owner) = owner {
            let added = owner.add(tx, &MemberOf::business(tenant.id), actor.by()).await?;
            show(&tenant, &added)?;
            return Ok((Some(added), 0));
        }
        let mut new_users = 0;
        for member in &rows.members {
            new_users += usize::from(member_backup::restore(tx, tenant.id, member).await?);
        }
        Ok::<_, BackupError>((None, new_users))
    };
    let restored = owner_database.keep_loaded(loading, register).await?;
    match new.id {
        Some(id) => new_schema::schedule_reports(owner_database, id).await,
        None => new_schema::part(owner_database, &tenant).await?,
    }
    Ok(restored)
}

/// The days in which the custom domains of a restored business must be verified again.
const CLAIM_DAYS: u32 = 30;

/// Restores the custom domains, as claims, and the status of a dropped business, because the restored
/// business has the same id. A copy of a business gets neither.
async fn come_back(tx: &SharedTx, tenant: &Tenant, rows: &SharedRows) -> Result<(), BackupError> {
    for saved in &rows.domains {
        let Ok(host) = HostName::parse(&saved.host) else { continue };
        match domain::claim(tx, tenant.id, &host, CLAIM_DAYS).await {
            Ok(_) | Err(DomainError::Present(_)) => {}
            Err(DomainError::Db(error)) => return Err(error.into()),
            Err(error) => tracing::warn!(error = %tenancy::chain(&error), "a custom domain was not restored"),
        }
    }
    let change = match rows.status.as_deref() {
        Some("suspended") => StatusChange::Suspend,
        Some("archived") => StatusChange::Archive,
        _ => return Ok(()),
    };
    match lifecycle::change_status(tx, tenant.id, change).await {
        Err(LifecycleError::Db(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Fills a new schema with the rows of the file, and migrates it to the newest version.
async fn load(
    owner_database: &OwnerDatabase,
    backup: &Checked,
    loading: &Loading,
) -> Result<(), BackupError> {
    contents::load(&backup.path, loading, Tables::All).await?;
    Ok(owner_database.finish_loading(loading).await?)
}

/// The business that a backup belongs to, if the business still exists.
///
/// # Errors
/// [`BackupError`], such as [`BackupError::AnotherTenant`] when another business now has the slug.
pub async fn find_subject(tx: &SharedTx, subject: &Subject) -> Result<Option<Arc<Tenant>>, BackupError> {
    let Subject::Business { id, slug, .. } = subject else { return Err(BackupError::OfTheInstallation) };
    if let Some(tenant) = tenant::find_by_id(tx, *id).await? {
        return Ok(Some(Arc::new(tenant)));
    }
    let Ok(slug) = TenantSlug::parse(slug) else { return Ok(None) };
    match tenant::find(tx, &slug).await? {
        // Another business has the slug now, and must not get the data of this backup.
        Some(other) => Err(BackupError::AnotherTenant(other.slug)),
        None => Ok(None),
    }
}
