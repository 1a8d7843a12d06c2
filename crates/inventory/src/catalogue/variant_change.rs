//! Changing a variant: its SKU, barcodes, prices and reorder level, and archiving it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use tenancy::{TenantTx, all};
use tokio_postgres::types::Json;
use values::{ActorId, Barcode, IfVersion, Money, NonNegative, Quantity, Sku};

use crate::business::settings;
use crate::catalogue::bundle::{self, NewComponent};
use crate::catalogue::holder::{self, Holder};
use crate::catalogue::options::{self, Options, Stored};
use crate::catalogue::product::LockedProduct;
use crate::catalogue::variant::{MAX_BARCODES, VariantError, check_cost, check_price, check_reordering};
use crate::catalogue::{barcode, price_history, product, product_search};
use crate::ids::{ProductId, VariantId};
use crate::records::audit::{Action, Subject};
use crate::records::edit::Edit;
use crate::records::look_alike;
use crate::records::own_keys::{self, OwnKeys, OwnKeysChange};
use crate::stock::alert_review;

/// What to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct VariantChange {
    /// The new SKU.
    pub sku: Option<Sku>,
    /// All barcodes that the variant has from now on. A repeated barcode counts once.
    pub barcodes: Option<Vec<Barcode>>,
    /// The new list price of one unit.
    pub price: Option<NonNegative<Money>>,
    /// The new price for comparison; `Some(None)` removes it.
    pub compare_at_price: Option<Option<NonNegative<Money>>>,
    /// The new unit cost in the catalogue; `Some(None)` removes it.
    pub cost: Option<Option<NonNegative<Money>>>,
    /// The new reorder level; `Some(None)` turns the low-stock alerts off.
    pub reorder_level: Option<Option<NonNegative<Quantity>>>,
    /// The stock that a reorder restores, in sale units; `Some(None)` removes it.
    pub target_quantity: Option<Option<NonNegative<Quantity>>>,
    /// The new value of each option of the product.
    pub options: Option<Options>,
    /// Changes of the key and the notes of a program elsewhere.
    pub own_keys: OwnKeysChange,
    /// All components that the bundle has from now on.
    pub components: Option<Vec<NewComponent>>,
    /// `true` archives the variant, and `false` restores it.
    pub is_archived: Option<bool>,
    /// Change the row only if it has this version.
    pub if_version: IfVersion,
}

/// A variant whose row is locked.
struct Locked {
    sku: Sku,
    barcodes: Vec<Barcode>,
    price: Money,
    compare_at_price: Option<Money>,
    cost: Option<Money>,
    reorder_level: Option<Quantity>,
    target_quantity: Option<Quantity>,
    options: Json<Stored>,
    own_keys: OwnKeys,
    archived_at: Option<DateTime<Utc>>,
    version: i32,
}

tenancy::from_row!(Locked {
    sku,
    barcodes,
    price,
    compare_at_price,
    cost,
    reorder_level,
    target_quantity,
    options,
    own_keys,
    archived_at,
    version,
});

/// Changes a variant, with the row and its product locked. A change that changes nothing leaves the versions
/// as they are; any other change counts up the version of the product, too.
///
/// # Errors
/// [`VariantError`].
pub async fn update(
    tx: &TenantTx,
    id: VariantId,
    change: &VariantChange,
    actor: ActorId,
) -> Result<(), VariantError> {
    const UPDATE: &str = "
        UPDATE variants
           SET sku = $2, price = $3, compare_at_price = $4, cost = $5, reorder_level = $6, archived_at = $7,
               target_quantity = $8, version = version + 1, updated_at = $9, sku_key = coalesce($10, sku_key),
               options = $11, options_key = coalesce($12, options_key), own_keys = $13
         WHERE id = $1";
    const GIVE_KEY_ON: &str = look_alike::give_key_on!("variants", "sku_key", "true");
    const GIVE_OPTIONS_KEY_ON: &str =
        look_alike::give_key_on!("variants", "options_key", "product_id = $2 AND archived_at IS NULL");
    if change.barcodes.as_ref().is_some_and(|codes| codes.len() > MAX_BARCODES) {
        return Err(VariantError::TooManyBarcodes { index: 0 });
    }
    let (product, LockedProduct { kind, option_names, .. }, stored) = lock(tx, id).await?;
    check_reordering(kind, 0, change.reorder_level.flatten(), change.target_quantity.flatten())?;
    check_cost(kind, 0, change.cost.flatten())?;
    let components = match &change.components {
        Some(components) => {
            bundle::check_count(kind, 0, components.len())?;
            let difference = bundle::difference(tx, id, components).await?;
            Some(components).zip(Some(difference))
        }
        None => None,
    };
    let options = match &change.options {
        Some(options) => {
            let named = options::named(options, &option_names);
            Some(options::stored(&named.ok_or(VariantError::OptionsMismatch { index: 0 })?))
        }
        None => None,
    };
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    let amount = |new: Option<Option<NonNegative<Money>>>| new.map(|new| new.map(NonNegative::get));
    let reorder_level = change.reorder_level.map(|new| new.map(NonNegative::get));
    let target = change.target_quantity.map(|new| new.map(NonNegative::get));
    let sku = edit.field("sku", &stored.sku, change.sku.as_ref());
    let price = edit.amount("price", Some(stored.price), amount(change.price.map(Some)));
    let compare_at = edit.amount("compareAtPrice", stored.compare_at_price, amount(change.compare_at_price));
    let cost = edit.amount("cost", stored.cost, amount(change.cost));
    let reorder_level = edit.field("reorderLevel", &stored.reorder_level, reorder_level.as_ref());
    let target = edit.field("targetQuantity", &stored.target_quantity, target.as_ref());
    let options = edit.field("options", &stored.options.0, options.as_ref());
    let own_keys = stored.own_keys.edited(&mut edit, &change.own_keys)?;
    let archived_at = edit.archiving(stored.archived_at, change.is_archived);
    if let Some(codes) = &change.barcodes {
        edit.note("barcodes", stored.barcodes.iter().collect::<BTreeSet<_>>(), codes.iter().collect());
    }
    if let Some((_, bundle::Difference { stored, wanted })) = &components {
        edit.note("components", stored, wanted);
    }
    if edit.is_empty() {
        return Ok(());
    }
    // A price of an earlier release may be finer than the currency. It may stay, and be sent back unchanged.
    let new_price = price.filter(|price| *price != stored.price);
    let new_compare_at = compare_at.filter(|price| Some(*price) != stored.compare_at_price);
    if new_price.or(new_compare_at).is_some() {
        let currency = settings::currency(tx).await?;
        check_price(&currency, 0, "price", new_price)?;
        check_price(&currency, 0, "compareAtPrice", new_compare_at)?;
    }
    let sku_key = look_alike::new_key(stored.sku.as_str(), sku.as_str());
    if sku_key.is_some()
        && let Some(holder) = holder::of_sku(tx, sku).await?
    {
        return Err(VariantError::DuplicateSku { index: 0, sku: sku.clone(), holder });
    }
    // The levels are locked before the row. A document that holds the levels and refers to the variant waits
    // for a change of its SKU; locking the levels after the row could therefore be a deadlock.
    let is_watched_otherwise =
        *reorder_level != stored.reorder_level || archived_at.is_some() != stored.archived_at.is_some();
    let levels = match is_watched_otherwise {
        true => alert_review::lock_variants(tx, &[id]).await?,
        false => Vec::new(),
    };
    // Equal options keep their key, so that a look-alike may stay what it is.
    let options_key = Some(options::key(options)).filter(|key| *key != options::key(&stored.options.0));
    let params: tenancy::Params<'_> = &[
        &id,
        sku,
        &price,
        &compare_at,
        &cost,
        reorder_level,
        &archived_at,
        target,
        &tx.now(),
        &sku_key,
        &Json(options),
        &options_key,
        &own_keys,
    ];
    tx.execute(UPDATE, params).await.map_err(|error| match error.constraint() {
        Some("variants_sku_key") => {
            let holder = Holder::IN_USE;
            VariantError::DuplicateSku { index: 0, sku: sku.clone(), holder }
        }
        // Another variant has replaced the archived one.
        Some("variants_product_id_options_key") => VariantError::DuplicateOptions,
        _ => own_keys::on_write(error),
    })?;
    if sku_key.is_some() {
        tx.execute(GIVE_KEY_ON, &[&stored.sku.key()]).await?;
    }
    let key_is_free = options_key.is_some() || (archived_at.is_some() && stored.archived_at.is_none());
    if key_is_free {
        tx.execute(GIVE_OPTIONS_KEY_ON, &[&options::key(&stored.options.0), &product]).await?;
    }
    if let Some(codes) = &change.barcodes {
        barcode::replace(tx, id, &stored.barcodes, codes).await?;
    }
    if let Some((components, _)) = components.filter(|(_, of)| of.stored != of.wanted) {
        bundle::replace(tx, id, components).await?;
    }
    if *sku != stored.sku || *options != stored.options.0 || change.barcodes.is_some() {
        product_search::refresh(tx, product).await?;
    }
    if (price, compare_at, cost) != (Some(stored.price), stored.compare_at_price, stored.cost) {
        price_history::record(tx, &[id], actor).await?;
    }
    alert_review::reconsider(tx, &levels).await?;
    let record = edit.record(Action::VariantChanged, Subject::Variant(id));
    all((product::touch(tx, product), record)).await?;
    Ok(())
}

/// Locks the product, and then the variant. All writers lock in this order, so that they never deadlock.
async fn lock(tx: &TenantTx, id: VariantId) -> Result<(ProductId, LockedProduct, Locked), VariantError> {
    const PRODUCT_OF: &str = "SELECT product_id FROM variants WHERE id = $1";
    const LOCK: &str = "
        SELECT sku,
               ARRAY(SELECT b.code FROM barcodes b WHERE b.variant_id = v.id ORDER BY b.code) AS barcodes,
               price, compare_at_price, cost, reorder_level, target_quantity, options, own_keys, archived_at,
               version
          FROM variants v WHERE id = $1 FOR NO KEY UPDATE";
    let product: ProductId = tx.value_opt(PRODUCT_OF, &[&id]).await?.ok_or(VariantError::NotFound)?;
    let lock = async { tx.row::<Locked>(LOCK, &[&id]).await };
    let (of, locked) = all((product::lock(tx, product), lock)).await?;
    Ok((product, of.ok_or(VariantError::UnknownProduct)?, locked))
}
