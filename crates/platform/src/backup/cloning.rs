//! Copies a business into a new one.

use std::sync::Arc;

use archive::contents;
use identity::Applicant;
use identity::membership::MemberOf;
use serde_json::json;
use tenancy::{NewTenant, SharedTx, Tenant, TenantSlug};

use crate::backup::error::BackupError;
use crate::backup::new_schema;
use crate::onboarding::Onboarding;
use crate::onboarding::member::{Added, NewMember, Show};
use crate::records::platform_audit::{self, Actor};

/// Copies the current data of a business into a new business, which has its own owner. `show` tells the owner
/// before the new business is kept.
///
/// # Errors
/// [`BackupError`]; no part of the new business remains.
pub async fn clone_tenant(
    onboarding: &Onboarding,
    from: &Tenant,
    slug: &TenantSlug,
    name: &str,
    owner: &NewMember,
    actor: &Actor,
    show: Show<'_>,
) -> Result<(Arc<Tenant>, Added), BackupError> {
    let owner_database = onboarding.owner_database();
    let owner = onboarding.prepare(owner, None, &Applicant::operator()).await?;
    let (snapshot, from) = owner_database.snapshot(from.id).await?.ok_or(BackupError::Gone)?;
    let new = NewTenant { slug: slug.clone(), name: name.to_owned(), id: None };
    let (loading, tenant) = owner_database.begin_loading_for(snapshot.version(), &new).await?;
    contents::pipe(&snapshot, &loading).await?;
    drop(snapshot);
    owner_database.finish_loading(&loading).await?;
    let note = async |tx: &SharedTx| {
        let details = json!({"from": from.slug.to_string()});
        platform_audit::record(tx, actor, "tenant.cloned", Some(&tenant), &details).await?;
        let added = owner.add(tx, &MemberOf::business(tenant.id), actor.by()).await?;
        show(&tenant, &added)?;
        Ok::<_, BackupError>(added)
    };
    let added = owner_database.keep_loaded(loading, note).await?;
    new_schema::part(owner_database, &tenant).await?;
    Ok((tenant, added))
}
