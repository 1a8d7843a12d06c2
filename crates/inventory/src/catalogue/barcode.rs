//! Barcodes: what a scanner reads. A variant may have many, and each belongs to one variant of the business.
//!
//! The forms of one GTIN (GTIN-8, UPC-A, EAN-13, GTIN-14) are one barcode: whichever is stored, all of them
//! find the variant. Other codes are a shop's own and stay as they are.

use std::collections::HashSet;

use tenancy::TenantTx;
use values::{Barcode, gtin};

use crate::catalogue::holder::{self, Holder};
use crate::catalogue::variant::VariantError;
use crate::ids::VariantId;

/// Stores barcodes of variants in the order of their numbers, so that two writers of the same codes cannot
/// deadlock.
///
/// # Errors
/// [`VariantError::DuplicateBarcode`] for the first one that is taken.
pub(crate) async fn insert_all(tx: &TenantTx, codes: &[(VariantId, Barcode)]) -> Result<(), VariantError> {
    const INSERT: &str = "
        INSERT INTO barcodes (code, number, variant_id, created_at)
        SELECT code, number, variant_id, $4
          FROM unnest($1::text[], $2::text[], $3::uuid[]) AS new (code, number, variant_id)
         ORDER BY coalesce(number, code)
            ON CONFLICT DO NOTHING
     RETURNING code";
    if codes.is_empty() {
        return Ok(());
    }
    let texts: Vec<&Barcode> = codes.iter().map(|(_, code)| code).collect();
    let numbers: Vec<Option<String>> = texts.iter().map(|code| gtin::number(code.as_str())).collect();
    let variants: Vec<VariantId> = codes.iter().map(|(variant, _)| *variant).collect();
    let inserted: Vec<Barcode> = tx.values(INSERT, &[&texts, &numbers, &variants, &tx.now()]).await?;
    let inserted: HashSet<&Barcode> = inserted.iter().collect();
    match texts.into_iter().find(|code| !inserted.contains(code)) {
        Some(taken) => {
            let holder = holder::of_barcode(tx, taken).await?.unwrap_or(Holder::IN_USE);
            Err(VariantError::DuplicateBarcode(taken.clone(), holder))
        }
        None => Ok(()),
    }
}

/// Gives `variant` these barcodes and no others. `stored` are those that it has; a code that stays is not
/// written again.
///
/// # Errors
/// [`VariantError::DuplicateBarcode`] when one belongs to another variant.
pub(crate) async fn replace(
    tx: &TenantTx,
    variant: VariantId,
    stored: &[Barcode],
    codes: &[Barcode],
) -> Result<(), VariantError> {
    const DELETE: &str = "
        DELETE FROM barcodes WHERE variant_id = $1 AND code <> ALL ($2) RETURNING coalesce(number, '')";
    // Another form of the number may be stored from the time before all forms were one number.
    const GIVE_NUMBER_ON: &str = "
        UPDATE barcodes SET number = $1
         WHERE code = (SELECT min(code) FROM barcodes WHERE code = ANY ($2) AND number IS NULL)";
    let mut numbers = HashSet::new();
    let wanted: Vec<&Barcode> = codes.iter().filter(|code| numbers.insert(identity(code))).collect();
    let free: Vec<String> = tx.values(DELETE, &[&variant, &wanted]).await?;
    for number in free.iter().filter(|number| !number.is_empty()) {
        tx.execute(GIVE_NUMBER_ON, &[number, &gtin::forms(number)]).await?;
    }
    let new = wanted.into_iter().filter(|code| !stored.contains(code));
    let new: Vec<(VariantId, Barcode)> = new.map(|code| (variant, code.clone())).collect();
    insert_all(tx, &new).await
}

/// The identity of a code: the number of a GTIN, whose forms are all one, or the code itself.
pub(crate) fn identity(code: &Barcode) -> String {
    gtin::number(code.as_str()).unwrap_or_else(|| code.as_str().to_owned())
}
