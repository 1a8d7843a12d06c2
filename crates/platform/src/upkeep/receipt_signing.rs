//! Asks fiscal devices to sign the receipts that still wait, in every business.

use std::collections::HashSet;
use std::sync::Arc;

use tenancy::{DbError, OwnerDatabase, Tenant, TenantTx, chain, tenant};
use till::fiscal_device::{FiscalDevices, FiscalError};
use till::fiscal_signature::{self, Waiting};

/// The number of receipts that were signed, and of those that were not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signing {
    /// The receipts that were signed.
    pub signed: usize,
    /// The receipts that a device refused, or did not answer for.
    pub failed: usize,
}

/// Asks for the signatures of all receipts that wait, oldest first. A receipt waits if its device failed,
/// or if the server stopped before it asked the device. A device that does not answer is asked once.
///
/// # Errors
/// [`DbError`] when the businesses cannot be read. A business whose receipts cannot be read is skipped.
pub async fn sign_all(owner_database: &OwnerDatabase, devices: &FiscalDevices) -> Result<Signing, DbError> {
    let tenants = owner_database.write_shared(async |tx| tenant::all(tx).await).await?;
    let (mut signing, mut silent) = (Signing::default(), HashSet::new());
    for tenant in &tenants {
        if let Err(error) = sign_of(owner_database, tenant, devices, &mut silent, &mut signing).await {
            tracing::debug!(tenant.slug = %tenant.slug, error = %chain(&error), "receipts were not signed");
        }
    }
    Ok(signing)
}

async fn sign_of(
    owner_database: &OwnerDatabase,
    tenant: &Arc<Tenant>,
    devices: &FiscalDevices,
    silent: &mut HashSet<String>,
    signing: &mut Signing,
) -> Result<(), DbError> {
    let read = async |tx: &TenantTx| fiscal_signature::waiting(tx, devices).await;
    let waiting: Vec<Waiting> = owner_database.write_tenant(tenant, read).await?;
    for waiting in &waiting {
        if silent.contains(waiting.device()) {
            continue;
        }
        let attempt = waiting.ask(devices).await;
        match &attempt.outcome {
            Ok(_) => signing.signed += 1,
            Err(error) => {
                signing.failed += 1;
                if matches!(error, FiscalError::NoAnswer(_)) {
                    silent.insert(waiting.device().to_owned());
                }
            }
        }
        owner_database.write_tenant(tenant, async |tx: &TenantTx| attempt.store(tx).await).await?;
    }
    Ok(())
}
