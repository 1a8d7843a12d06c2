//! Renaming the options of a product, in the product and in all its variants.

use std::collections::BTreeMap;

use tenancy::TenantTx;
use tokio_postgres::types::Json;
use values::OptionText;

use crate::are_distinct;
use crate::catalogue::options::{self, Stored};
use crate::catalogue::product::ProductError;
use crate::column;
use crate::ids::{ProductId, VariantId};

struct Row {
    id: VariantId,
    options: Json<Stored>,
}

tenancy::from_row!(Row { id, options });

/// Renames the options of all variants of a product that the transaction has locked.
///
/// # Errors
/// [`ProductError::OptionCount`], [`ProductError::Options`], [`ProductError::Db`].
pub(crate) async fn rename(
    tx: &TenantTx,
    product: ProductId,
    from: &[OptionText],
    to: &[OptionText],
) -> Result<(), ProductError> {
    const LOCK: &str = "SELECT id, options FROM variants WHERE product_id = $1 ORDER BY id FOR NO KEY UPDATE";
    // Look-alikes from before options had keys stay look-alikes: what follows their key is kept.
    const RENAME: &str = "
        UPDATE variants v
           SET options = new.options, version = version + 1, updated_at = $4,
               options_key = new.key
                   || coalesce(chr(29) || nullif(split_part(v.options_key, chr(29), 2), ''), '')
          FROM unnest($1::uuid[], $2::jsonb[], $3::text[]) AS new (id, options, key)
         WHERE v.id = new.id";
    let names = new_names(from, to)?;
    let mut variants: Vec<Row> = tx.rows(LOCK, &[&product]).await?;
    for variant in &mut variants {
        let renamed = std::mem::take(&mut variant.options.0).into_iter();
        let renamed =
            renamed.map(|(name, value)| (names.get(&name).map_or(name, ToString::to_string), value));
        variant.options = Json(renamed.collect());
    }
    let ids = column(&variants, |variant| variant.id);
    let keys = column(&variants, |variant| options::key(&variant.options.0));
    let options = column(&variants, |variant| &variant.options);
    tx.execute(RENAME, &[&ids, &options, &keys, &tx.now()]).await?;
    Ok(())
}

/// The new name of each option. A name that stays keeps its values, wherever it stands. Each new name takes
/// the place of a name that is gone, in their order.
fn new_names(from: &[OptionText], to: &[OptionText]) -> Result<BTreeMap<String, OptionText>, ProductError> {
    let keys = |names: &[OptionText]| -> Vec<String> { names.iter().map(OptionText::key).collect() };
    let (old, new) = (keys(from), keys(to));
    if from.len() != to.len() {
        return Err(ProductError::OptionCount(from.len()));
    }
    if !are_distinct(&new) {
        return Err(ProductError::Options);
    }
    let mut added = to.iter().zip(&new).filter(|(_, key)| !old.contains(key)).map(|(name, _)| name);
    let renamed = from.iter().zip(&old).filter_map(|(name, key)| {
        let stays = new.iter().position(|other| other == key).map(|at| &to[at]);
        Some((name.to_string(), stays.or_else(|| added.next())?.clone()))
    });
    Ok(renamed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(from: &[&str], to: &[&str]) -> Result<String, ProductError> {
        let texts = |texts: &[&str]| -> Vec<OptionText> {
            texts.iter().map(|text| OptionText::parse(text).unwrap()).collect()
        };
        let names = new_names(&texts(from), &texts(to))?;
        Ok(names.iter().map(|(from, to)| format!("{from}>{to}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_name_that_stays_keeps_its_values_and_a_new_one_takes_a_free_place() {
        assert_eq!(renamed(&["Colour", "Size"], &["Color", "Size"]).unwrap(), "Colour>Color Size>Size");
        assert_eq!(renamed(&["Colour", "Size"], &["Size", "Colour"]).unwrap(), "Colour>Colour Size>Size");
        assert_eq!(renamed(&["Colour", "Size"], &["SIZE", "Shade"]).unwrap(), "Colour>Shade Size>SIZE");
        assert_eq!(renamed(&["A", "B"], &["C", "D"]).unwrap(), "A>C B>D");
        assert!(matches!(renamed(&["A"], &["A", "B"]), Err(ProductError::OptionCount(1))));
        assert!(matches!(renamed(&["A", "B"], &["C", "c"]), Err(ProductError::Options)));
    }
}
