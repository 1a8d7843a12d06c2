//! Barcodes: what a scanner reads. A variant may have many, and each belongs to one variant of the business.

use std::collections::HashSet;

use tenancy::TenantTx;
use values::Barcode;

use crate::catalogue::variant::VariantError;
use crate::ids::VariantId;

/// Stores barcodes of variants in the order of the codes, so that two writers of the same codes cannot
/// deadlock.
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
    let texts: Vec<&Barcode> = codes.iter().map(|(_, code)| code).collect();
    let variants: Vec<VariantId> = codes.iter().map(|(variant, _)| *variant).collect();
    let inserted: Vec<Barcode> = tx.values(INSERT, &[&texts, &variants, &tx.now()]).await?;
    let inserted: HashSet<&Barcode> = inserted.iter().collect();
    match texts.into_iter().find(|code| !inserted.contains(code)) {
        Some(taken) => Err(VariantError::DuplicateBarcode(taken.clone())),
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
    tx.execute(DELETE, &[&variant]).await?;
    let wanted: HashSet<&Barcode> = codes.iter().collect();
    let codes: Vec<(VariantId, Barcode)> = wanted.into_iter().map(|code| (variant, code.clone())).collect();
    insert_all(tx, &codes).await
}
