//! Posting: the one function through which every change of stock goes.

use std::collections::{BTreeMap, BTreeSet};

use tenancy::{DbError, TenantTx};
use uuid::Uuid;
use values::{Name, Quantity, QuantityDecimals, Reason, Sku, StockValue};

use crate::ids::{LocationId, VariantId};
use crate::stock::alert_review::{self, Watched};
use crate::stock::decided::{Decided, Movements};
use crate::stock::level::Key;
pub use crate::stock::level_value::Cost;
use crate::stock::locked_level::{self, LockedLevel};
use crate::stock::movement::Kind;
use crate::stock::unstocked;

/// One change of stock that a document wants.
#[derive(Debug, Clone)]
pub struct Posting {
    /// What moves the stock; the ledger stores it.
    pub kind: Kind,
    /// The variant that moves.
    pub variant_id: VariantId,
    /// Whether the variant has stock. Only orders post services and fees, which have none.
    pub has_stock: bool,
    /// The location that the stock leaves or reaches.
    pub location_id: LocationId,
    /// The change of on hand, in sale units. Negative takes stock out; zero makes no movement.
    pub quantity: Quantity,
    /// The change of the reserved quantity, in sale units. Negative releases stock.
    pub reserved: Quantity,
    /// The cost of the goods.
    pub cost: Cost,
    /// Why the stock moves, for adjustments and returns; the ledger stores it.
    pub reason: Option<Reason>,
    /// The document's line, or the document itself when it has no lines.
    pub line_id: Uuid,
}

/// A posting that was carried out.
#[derive(Debug, Clone, Copy)]
pub struct Posted {
    /// On hand at the location after the posting, in sale units.
    pub balance_after: Quantity,
    /// The cost of all the goods that moved, not negative; `None` if it is not known.
    pub cost: Option<StockValue>,
}

/// A variant that has less stock available at a location than a document takes or reserves.
#[derive(Debug, Clone)]
pub struct Shortage {
    /// The variant that is short.
    pub variant_id: VariantId,
    /// The location where the variant is short.
    pub location_id: LocationId,
    /// The quantity to be taken or reserved, in sale units.
    pub requested: Quantity,
    /// On hand less reserved before the change, in sale units.
    pub available: Quantity,
    /// The business's own code of the variant, and the name of its product.
    pub article: Option<(Sku, Name)>,
}

/// Stock was not changed.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    /// Less stock is available than is to be taken or reserved. Holds every variant that is short in the sum
    /// of the postings. If the sums suffice, holds the first posting that takes goods before they are there.
    #[error("there is not enough stock")]
    Insufficient(Vec<Shortage>),
    /// A posting names a variant, or a location, that does not exist.
    #[error("there is no such variant")]
    UnknownVariant,
    /// Stock would be put or reserved in a location that is archived, perhaps since a moment ago.
    #[error(
        "the location is archived, so no stock can be put or reserved there; restore it, or name another one"
    )]
    ClosedLocation,
    /// The document would move stock of a service, a fee or a bundle.
    #[error("services, fees and bundles have no stock; remove the variant")]
    NotStocked {
        /// The variant without stock.
        variant_id: VariantId,
    },
    /// Stock of a variant would be reserved that was archived a moment ago.
    #[error("the variant or its product is archived and cannot be sold; restore it, or remove the line")]
    ArchivedVariant(VariantId),
    /// On hand at a location would exceed [`Quantity::MAX`].
    #[error("the stock would exceed the largest quantity, 99999999999.999")]
    TooMuch {
        /// The variant that moves.
        variant_id: VariantId,
    },
    /// The quantity has more decimals than the product.
    #[error("the quantity has too many decimals; the product is sold {decimals}")]
    TooFine {
        /// The variant that moves.
        variant_id: VariantId,
        /// The number of decimals of the product's quantities.
        decimals: QuantityDecimals,
    },
    /// The value at a location would exceed [`StockValue::MAX`].
    #[error(
        "the value of the stock would exceed the largest amount, 99999999999999; check quantity and cost"
    )]
    TooValuable,
    /// A query failed.
    #[error("a stock query failed")]
    Db(#[from] DbError),
}

/// Makes the levels that are missing, locks the levels in key order, and decides from the locked rows.
/// Articles without stock have no level. Everything that changes stock goes
/// through here, and then through [`Decided::write`], which may share a flight with the rows of its document.
///
/// The rows stay locked until `tx` ends (PostgreSQL manual, 13.3.2 Row-Level Locks). All transactions lock
/// them in one order, so they never deadlock.
///
/// # Errors
/// [`StockError`]; the caller rolls back.
pub async fn decide(tx: &TenantTx, postings: &[Posting]) -> Result<Decided, StockError> {
    if postings.is_empty() {
        return Ok(Decided::default());
    }
    let stocked = postings.iter().filter(|posting| posting.has_stock);
    let keys: BTreeSet<Key> = stocked.map(Posting::key).collect();
    // A BTreeSet iterates in key order.
    let keys: Vec<Key> = keys.into_iter().collect();
    let levels = match keys.is_empty() {
        true => BTreeMap::new(),
        false => locked_level::make_and_lock(tx, &keys).await?,
    };
    decide_among(tx, levels, postings).await
}

/// As [`decide`], among levels that the transaction has locked already. Levels without a posting stay as they
/// are.
///
/// # Errors
/// [`StockError`]; the caller rolls back.
pub(crate) async fn decide_among(
    tx: &TenantTx,
    levels: BTreeMap<Key, LockedLevel>,
    postings: &[Posting],
) -> Result<Decided, StockError> {
    match decide_from(tx, levels, postings).await {
        Err(StockError::Insufficient(shortages)) => {
            Err(StockError::Insufficient(named(tx, shortages).await?))
        }
        decided => decided,
    }
}

/// Gives shortages the names of their variants. Only an error needs the names.
async fn named(tx: &TenantTx, mut shortages: Vec<Shortage>) -> Result<Vec<Shortage>, DbError> {
    struct Named {
        id: VariantId,
        sku: Sku,
        name: Name,
    }
    tenancy::from_row!(Named { id, sku, name });
    const NAMES: &str = "
        SELECT v.id, v.sku, p.name FROM variants v JOIN products p ON p.id = v.product_id
         WHERE v.id = ANY ($1)";
    let ids: Vec<VariantId> = shortages.iter().map(|shortage| shortage.variant_id).collect();
    let names = tx.rows::<Named>(NAMES, &[&ids]).await?;
    for shortage in &mut shortages {
        let named = names.iter().find(|named| named.id == shortage.variant_id);
        shortage.article = named.map(|named| (named.sku.clone(), named.name.clone()));
    }
    Ok(shortages)
}

async fn decide_from(
    tx: &TenantTx,
    mut levels: BTreeMap<Key, LockedLevel>,
    postings: &[Posting],
) -> Result<Decided, StockError> {
    let wanted = Wanted::of(postings.iter().filter(|posting| posting.has_stock));
    levels.retain(|key, _| wanted.contains_key(key));
    let unstocked = Wanted::of(postings.iter().filter(|posting| !posting.has_stock));
    let unstocked = unstocked::lock(tx, &unstocked).await?;
    if let Some(((variant_id, _), _)) = levels.iter().find(|(_, level)| !level.has_stock) {
        return Err(StockError::NotStocked { variant_id: *variant_id });
    }
    refuse_shortages(&levels, &wanted)?;
    refuse_closed_locations(&levels, &wanted)?;
    refuse_archived_variants(&levels, &wanted)?;

    // A level that was low or will be low has an alert to be opened, changed or closed.
    let is_low = |(key, level): (&Key, &LockedLevel)| level.is_low().then_some(*key);
    let mut low: BTreeSet<Key> = levels.iter().filter_map(is_low).collect();
    for level in levels.values_mut() {
        level.updated_at = level.moment(tx.now());
    }
    let mut posted = Vec::with_capacity(postings.len());
    let (mut movements, mut sales) = (Movements::default(), Vec::new());
    for posting in postings {
        posted.push(match (levels.get_mut(&posting.key()), unstocked.get(&posting.variant_id)) {
            (Some(level), _) if posting.has_stock => post(level, posting, &mut movements),
            (_, Some(article)) => article.post(posting, &mut sales),
            _ => return Err(StockError::UnknownVariant),
        }?);
    }
    low.extend(levels.iter().filter_map(is_low));

    let watched: Vec<Watched> =
        low.iter().filter_map(|key| Some(Watched::of(*key, levels.get(key)?))).collect();
    let alerts = alert_review::review(tx, &watched).await?;
    Ok(Decided { posted, levels, movements, sales, alerts, moved_at: None })
}

/// Applies one posting to its level.
fn post(level: &mut LockedLevel, posting: &Posting, movements: &mut Movements) -> Result<Posted, StockError> {
    let available_before = level.available();
    let moved = level.apply(posting);
    if level.goods.on_hand > Quantity::MAX {
        return Err(StockError::TooMuch { variant_id: posting.variant_id });
    }
    if level.goods.value > Some(StockValue::MAX) || moved.cost > Some(StockValue::MAX) {
        return Err(StockError::TooValuable);
    }
    // There may be enough stock for the sum of a document and not for one step of it: goods must be there
    // before they leave. Only a count may find fewer goods than are reserved. Goods that arrive and leave in
    // one step take nothing.
    let takes_reserved = level.available().is_negative()
        && level.available() < available_before
        && posting.kind != Kind::Count
        && !matches!(posting.cost, Cost::Passing(_));
    if takes_reserved || level.goods.on_hand.is_negative() || level.reserved.is_negative() {
        return Err(StockError::Insufficient(vec![Shortage {
            variant_id: posting.variant_id,
            location_id: posting.location_id,
            requested: -posting.quantity.min(-posting.reserved),
            available: available_before,
            article: None,
        }]));
    }
    // Goods that were sold with more decimals may come back, and what they leave may be taken away.
    let decimals = level.quantity_decimals;
    let is_finer = |change: Quantity, after: Quantity| !decimals.allows(change) && !decimals.allows(after);
    let is_refused = posting.kind != Kind::Return
        && (is_finer(posting.quantity, level.goods.on_hand) || is_finer(posting.reserved, level.reserved));
    if is_refused {
        return Err(StockError::TooFine { variant_id: posting.variant_id, decimals });
    }
    let balance_after = level.goods.on_hand;
    if !posting.quantity.is_zero() {
        movements.push(level, posting, &moved);
    }
    movements.push_revaluation(level, posting, &moved);
    Ok(Posted { balance_after, cost: moved.cost })
}

impl Posting {
    fn key(&self) -> Key {
        (self.variant_id, self.location_id)
    }
}

/// The changes that a document wants of one level, added up.
#[derive(Default)]
pub(super) struct Wanted {
    on_hand: Quantity,
    pub(super) reserved: Quantity,
}

impl Wanted {
    /// Whether something is ordered or comes in.
    pub(super) fn puts(&self) -> bool {
        self.on_hand.is_positive() || self.reserved.is_positive()
    }

    fn of<'a>(postings: impl Iterator<Item = &'a Posting>) -> BTreeMap<Key, Self> {
        let mut wanted: BTreeMap<Key, Self> = BTreeMap::new();
        for posting in postings {
            let sum = wanted.entry(posting.key()).or_default();
            // A count books what is there, whatever is reserved.
            if posting.kind == Kind::Count && posting.quantity.is_negative() {
                continue;
            }
            sum.on_hand += posting.quantity;
            sum.reserved += posting.reserved;
        }
        wanted
    }
}

fn refuse_shortages(
    levels: &BTreeMap<Key, LockedLevel>,
    wanted: &BTreeMap<Key, Wanted>,
) -> Result<(), StockError> {
    let mut shortages = Vec::new();
    for ((variant_id, location_id), change) in wanted {
        let level = levels.get(&(*variant_id, *location_id)).ok_or(StockError::UnknownVariant)?;
        let available = level.available();
        let requested = change.reserved - change.on_hand;
        // If a count has found fewer goods than are reserved, not everything that is reserved is there.
        let (requested, available) = match requested.is_positive() {
            true => (requested, available),
            false => (-change.on_hand, level.goods.on_hand),
        };
        if requested.is_positive() && requested > available {
            shortages.push(Shortage {
                variant_id: *variant_id,
                location_id: *location_id,
                requested,
                available,
                article: None,
            });
        }
    }
    if shortages.is_empty() { Ok(()) } else { Err(StockError::Insufficient(shortages)) }
}

fn refuse_closed_locations(
    levels: &BTreeMap<Key, LockedLevel>,
    wanted: &BTreeMap<Key, Wanted>,
) -> Result<(), StockError> {
    let is_closed = |key: &Key| levels.get(key).is_some_and(|level| level.is_closed);
    let is_refused = wanted.iter().any(|(key, change)| change.puts() && is_closed(key));
    if is_refused { Err(StockError::ClosedLocation) } else { Ok(()) }
}

/// Refuses to reserve variants that were archived since the document looked them up.
fn refuse_archived_variants(
    levels: &BTreeMap<Key, LockedLevel>,
    wanted: &BTreeMap<Key, Wanted>,
) -> Result<(), StockError> {
    let is_archived = |key: &Key| levels.get(key).is_some_and(|level| level.is_archived);
    match wanted.iter().find(|(key, change)| change.reserved.is_positive() && is_archived(key)) {
        Some(((variant_id, _), _)) => Err(StockError::ArchivedVariant(*variant_id)),
        None => Ok(()),
    }
}
