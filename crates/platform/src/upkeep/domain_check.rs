//! The doctor's check of custom domains.

use tenancy::{DbError, TenantId, domain, tenant};

use crate::upkeep::doctor::{Patient, Report};

pub(super) async fn check(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let missing = patient.owner_database.write_shared(async |tx| domain::missing(tx).await).await?;
    if missing.is_empty() {
        report.ok("domains", "no verified custom domain lacks its TXT record");
        return Ok(());
    }
    let tenants = patient.owner_database.write_shared(async |tx| tenant::all(tx).await).await?;
    let slug = |id: TenantId| {
        tenants.iter().find(|tenant| tenant.id == id).map_or("?", |tenant| tenant.slug.as_str())
    };
    let hosts: Vec<String> =
        missing.iter().map(|domain| format!("{} of {}", domain.host, slug(domain.tenant_id))).collect();
    report.warn(
        "domains",
        format!("the TXT records of these custom domains are missing: {}", hosts.join(", ")),
        "ask their businesses to publish the records again, which `tenantry domain list SLUG -o yaml` \
         shows; a domain whose record stays missing is no longer served",
    );
    Ok(())
}
