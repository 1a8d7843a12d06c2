//! `tenantry tenant list` and `history`.

use chrono::SecondsFormat;
use platform::platform_audit;
use settings::Settings;
use tenancy::{SharedScope, Tenant, TenantSlug, TenantStatus, tenant};

use crate::commands::tenant::Shown;
use crate::context;
use crate::failure::NotFound;
use crate::format::{self, Listing};

pub(super) async fn list(
    settings: &Settings,
    status: Option<TenantStatus>,
    search: Option<&str>,
    behind: bool,
    listing: &Listing,
) -> anyhow::Result<()> {
    let newest = platform::migrations::of_tenant()?.latest();
    let tenants = context::all_tenants(&context::database(settings).await?).await?;
    let is_wanted = |tenant: &Tenant| {
        let is_found =
            |text: &str| tenant.slug.as_str().contains(text) || tenant.name.to_lowercase().contains(text);
        status.is_none_or(|status| tenant.status == status)
            && search.is_none_or(is_found)
            && (!behind || tenant.schema_version < newest)
    };
    let wanted = tenants.iter().filter(|tenant| is_wanted(tenant));
    let shown = listing.arrange(wanted.map(|tenant| Shown::of(settings, tenant)).collect())?;
    format::rows(listing.output, &shown, ["slug", "name", "status", "version", "address"], |shown| {
        [
            shown.tenant.slug.to_string(),
            shown.tenant.name.clone(),
            shown.tenant.status.to_string(),
            shown.tenant.schema_version.to_string(),
            shown.address.clone(),
        ]
    })
}

pub(super) async fn history(
    settings: &Settings,
    slug: &TenantSlug,
    action: Option<&str>,
    listing: &Listing,
) -> anyhow::Result<()> {
    // A dropped business has no row any more. The audit log finds it by its last slug.
    let entries = context::database(settings)
        .await?
        .read_shared(SharedScope::Platform, async |tx| {
            let id = match tenant::find(tx, slug).await? {
                Some(tenant) => Some(tenant.id),
                None => platform_audit::last_with_slug(tx, slug).await?,
            };
            match id {
                Some(id) => platform_audit::list(tx, Some(id), false, None, 1000).await,
                None => Ok(Vec::new()),
            }
        })
        .await?;
    if entries.is_empty() {
        return Err(NotFound(format!("the audit log has no entry for a business {slug}")).into());
    }
    let is_wanted = |entry: &platform_audit::Entry| action.is_none_or(|action| entry.action == action);
    let entries = listing.arrange(entries.into_iter().filter(is_wanted).collect())?;
    format::rows(listing.output, &entries, ["at", "action", "by", "details"], |entry| {
        [
            entry.occurred_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            entry.action.clone(),
            entry.actor.clone(),
            entry.details.to_string(),
        ]
    })
}
