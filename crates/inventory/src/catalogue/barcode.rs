//! Barcodes: what a scanner reads. A variant has many, and within a business each belongs to one variant.

use std::collections::HashSet;

use tenancy::{DbError, TenantTx};
use uuid::Uuid;

use crate::catalogue::variant::VariantError;
use crate::ids::VariantId;
use values::Barcode;

/// Stores barcodes of variants, in their order: two writers of the same codes wait for each other in one direction only.
///
/// # Errors
/// [`VariantError::DuplicateBarcode`] for the first one that is taken.
pub(crate) async fn insert_all(tx: &TenantTx, codes: &[(VariantId, Barcode)]) -> Result<(), VariantError> {
    const INSERT: &str = "
        INSERT INTO barcodes (code, variant_id, created_at)
        SELECT code, variant_id, $3 FROM unnest($1::text[], $2::uuid[]) AS new (code, variant_id)
         ORDER BY code
            ON CONFLICT (code) DO NOTHING
     RETURNING code";
    if codes.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = codes.iter().map(|(_, code)| code.as_str()).collect();
    let variants: Vec<Uuid> = codes.iter().map(|(variant, _)| variant.as_uuid()).collect();
    let rows = tx.query(INSERT, &[&texts, &variants, &tx.now()]).await?;
    let inserted: HashSet<&str> =
        rows.iter().map(|row| row.try_get("code")).collect::<Result<_, _>>().map_err(DbError::from)?;
    match codes.iter().find(|(_, code)| !inserted.contains(code.as_str())) {
        Some((_, taken)) => Err(VariantError::DuplicateBarcode(taken.clone())),
        None => Ok(()),
    }
}

/// Gives `variant` these barcodes and no others.
///
/// # Errors
/// [`VariantError::DuplicateBarcode`] when one belongs to another variant.
pub(crate) async fn replace(
    tx: &TenantTx,
    variant: VariantId,
    codes: &[Barcode],
) -> Result<(), VariantError> {
    const DELETE: &str = "DELETE FROM barcodes WHERE variant_id = $1";
    tx.execute(DELETE, &[&variant.as_uuid()]).await?;
    let wanted: HashSet<&Barcode> = codes.iter().collect();
    let codes: Vec<(VariantId, Barcode)> = wanted.into_iter().map(|code| (variant, code.clone())).collect();
    insert_all(tx, &codes).await
}
