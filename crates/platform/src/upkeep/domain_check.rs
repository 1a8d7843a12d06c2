//! The doctor's check of custom domains.

use tenancy::{DbError, domain};

use crate::upkeep::doctor::{Patient, Report};

pub(super) async fn check(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    let missing = patient.owner_database.write_shared(async |tx| domain::missing(tx).await).await?;
    if missing.is_empty() {
        report.ok("domains", "no verified custom domain lacks its TXT record");
        return Ok(());
    }
    let hosts: Vec<String> = missing.iter().map(|domain| domain.host.to_string()).collect();
    report.warn(
        "domains",
        format!("the TXT records of these custom domains are missing: {}", hosts.join(", ")),
        "ask their businesses to publish the records again, which `tenantry domain list` shows; a domain \
         whose record stays missing is no longer served",
    );
    Ok(())
}
