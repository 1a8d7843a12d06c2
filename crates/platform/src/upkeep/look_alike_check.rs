//! The doctor's check for names that are equal, from the time before equal names were refused.

use inventory::look_alike;
use serde::Serialize;
use tenancy::{DbError, TenantSlug, TenantStatus, TenantTx, tenant};

use crate::migrations::Served;
use crate::upkeep::doctor::{Patient, Report};

/// A text of a business that is equal to another one of its kind.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LookAlike {
    /// The slug of the business.
    pub business: TenantSlug,
    /// The kind of the text, such as `SKU` or `supplier`.
    pub kind: String,
    /// The text.
    pub text: String,
}

/// The largest number of listed texts of one business.
const MOST: i64 = 100;

pub(super) async fn check(patient: &Patient, report: &mut Report) -> Result<(), DbError> {
    if patient.skip_drift {
        return Ok(());
    }
    let Ok(served) = Served::by_this_code() else { return Ok(()) };
    let tenants = patient.owner_database.write_shared(async |tx| tenant::all(tx).await).await?;
    let list = async |tx: &TenantTx| look_alike::list(tx, MOST).await;
    // An older schema has no keys yet, and the check of the migrations reports it.
    for tenant in
        tenants.iter().filter(|tenant| tenant.status == TenantStatus::Active && served.includes(tenant))
    {
        for found in patient.server.read(&tenant.scope(), list).await? {
            let business = tenant.slug.clone();
            report.look_alikes.push(LookAlike { business, kind: found.kind, text: found.text });
        }
    }
    match report.look_alikes.len() {
        0 => report.ok("equal names", "no business has two equal names of one kind"),
        count => report.warn(
            "equal names",
            format!("{count} names are equal to others of their kind; the list is below"),
            "rename one of each two, or archive it; new equal names are refused",
        ),
    }
    Ok(())
}
