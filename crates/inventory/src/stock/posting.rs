//! Stock: levels per variant and location, and the one function through which every change of them goes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use tenancy::{DbError, TenantTx, both};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::ids::{LocationId, MovementId, VariantId};
use crate::stock::alert::{self, Watched};
use crate::stock::movement::Kind;
use values::Reason;
use values::{Money, Quantity};
use values::{Page, PageRequest};

/// How much of a variant is at a location.
#[derive(Debug, Clone)]
pub struct StockLevel {
    pub variant_id: VariantId,
    pub location_id: LocationId,
    pub on_hand: Quantity,
    pub reserved: Quantity,
    pub updated_at: DateTime<Utc>,
}

impl StockLevel {
    /// On hand and not promised to anyone.
    pub fn available(&self) -> Quantity {
        Quantity::from_decimal(self.on_hand.as_decimal() - self.reserved.as_decimal())
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            location_id: LocationId::from_uuid(row.try_get("location_id")?),
            on_hand: Quantity::from_decimal(row.try_get("on_hand")?),
            reserved: Quantity::from_decimal(row.try_get("reserved")?),
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Which levels a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct LevelFilter {
    pub variant_id: Option<VariantId>,
    pub location_id: Option<LocationId>,
}

/// A page of stock levels, by variant and location.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &LevelFilter,
    page: &PageRequest<2>,
) -> Result<Page<StockLevel, 2>, DbError> {
    // A text for each way in, because a statement has one plan.
    const ALL: &str = "
        SELECT variant_id, location_id, on_hand, reserved, updated_at
          FROM stock_levels
         WHERE (variant_id, location_id) > ($1, $2)
         ORDER BY variant_id, location_id
         LIMIT $3";
    const OF_LOCATION: &str = "
        SELECT variant_id, location_id, on_hand, reserved, updated_at
          FROM stock_levels
         WHERE variant_id > $1 AND location_id = $3
         ORDER BY variant_id
         LIMIT $2";
    const OF_VARIANT: &str = "
        SELECT variant_id, location_id, on_hand, reserved, updated_at
          FROM stock_levels
         WHERE (variant_id, location_id) > ($1, $2) AND ($3::uuid IS NULL OR location_id = $3) AND variant_id = $5
         ORDER BY variant_id, location_id
         LIMIT $4";
    let location = filter.location_id.map(LocationId::as_uuid);
    let (variant, after, limit) = (page.after(0), page.after(1), page.limit.and_one());
    let rows = match (filter.variant_id, location) {
        (None, None) => tx.query(ALL, &[&variant, &after, &limit]).await?,
        (None, Some(location)) => tx.query(OF_LOCATION, &[&variant, &limit, &location]).await?,
        (Some(only), location) => {
            tx.query(OF_VARIANT, &[&variant, &after, &location, &limit, &only.as_uuid()]).await?
        }
    };
    let rows = rows.iter().map(StockLevel::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(rows, |level| [level.variant_id.as_uuid(), level.location_id.as_uuid()]))
}

/// The document that causes a movement.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    pub kind: &'static str,
    pub id: Uuid,
}

/// One change of stock that a document asks for.
#[derive(Debug, Clone)]
pub struct Posting {
    pub kind: Kind,
    pub variant_id: VariantId,
    pub location_id: LocationId,
    /// The change of what is on hand, in sale units; negative takes out, zero leaves no movement.
    pub quantity: Quantity,
    /// The change of what of it is promised to somebody.
    pub reserved: Quantity,
    pub unit_cost: UnitCost,
    pub reason: Option<Reason>,
    /// The document's line, or the document itself when it has no lines.
    pub line_id: Uuid,
}

/// What one unit of a posting costs.
#[derive(Debug, Clone, Copy)]
pub enum UnitCost {
    /// The moving average of that moment.
    Average,
    Known(Money),
    /// So much, if it is known, of what comes in and goes out again at once: the average stays as it is.
    Passing(Option<Money>),
    /// So much if this place in the level's ledger is the last one still; the average otherwise, for since then something may
    /// have gone at it.
    KnownSince(Money, i64),
}

impl From<Option<Money>> for UnitCost {
    fn from(cost: Option<Money>) -> Self {
        cost.map_or(Self::Average, Self::Known)
    }
}

/// A posting that was carried out.
#[derive(Debug, Clone, Copy)]
pub struct Posted {
    pub balance_after: Quantity,
    /// What one unit cost, where anything is known of that.
    pub unit_cost: Option<Money>,
}

/// A variant of which there is less than asked for.
#[derive(Debug, Clone)]
pub struct Shortage {
    pub variant_id: VariantId,
    pub location_id: LocationId,
    pub requested: Quantity,
    pub available: Quantity,
}

/// Stock was not changed.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    /// Every variant that is short, not only the first.
    #[error("there is not enough stock")]
    Insufficient(Vec<Shortage>),
    #[error("there is no such variant")]
    UnknownVariant,
    /// It was archived, perhaps a moment ago.
    #[error("the location is archived, so nothing can be put there; bring it back first")]
    ClosedLocation,
    #[error("the stock would be more than can be counted")]
    TooMuch,
    #[error("a stock query failed")]
    Db(#[from] DbError),
}

/// A level's key: variant and location.
pub(crate) type Key = (Uuid, Uuid);

/// The largest quantity that numeric(14, 3) holds, plus one step.
const LIMIT: Decimal = Decimal::from_parts(1_215_752_192, 23, 0, false, 0);

/// Changes of stock that were decided on under locks, and are still to be written.
pub struct Decided {
    /// In the order of the postings.
    pub posted: Vec<Posted>,
    levels: BTreeMap<Key, LockedLevel>,
    movements: Movements,
    alerts: alert::Changes,
}

/// Locks the levels in key order and decides from the locked rows: everything that changes stock goes through here, and
/// then through [`Decided::write`], which may share a flight with the rows of its document.
///
/// The rows stay locked until `tx` ends (PostgreSQL manual, 13.3.2 Row-Level Locks); since all take them in one order,
/// nobody waits in a circle.
///
/// # Errors
/// [`StockError`]; the caller rolls back.
pub async fn decide(tx: &TenantTx, postings: &[Posting]) -> Result<Decided, StockError> {
    let mut wanted: BTreeMap<Key, Wanted> = BTreeMap::new();
    for posting in postings {
        let sum = wanted.entry(posting.key()).or_default();
        sum.on_hand += posting.quantity.as_decimal();
        sum.reserved += posting.reserved.as_decimal();
    }
    // A BTreeMap iterates in key order.
    let keys: Vec<Key> = wanted.keys().copied().collect();
    let (_, mut levels) = both(make(tx, &keys), async { Ok(lock(tx, &keys).await?) }).await?;
    refuse_shortages(&levels, &wanted)?;
    if wanted
        .iter()
        .any(|(key, sum)| sum.on_hand > Decimal::ZERO && levels.get(key).is_some_and(|level| level.is_closed))
    {
        return Err(StockError::ClosedLocation);
    }
    // Who was low or will be has an alert to be opened, changed or closed.
    let mut low: BTreeSet<Key> =
        keys.iter().copied().filter(|key| levels.get(key).is_some_and(LockedLevel::is_low)).collect();

    let mut posted = Vec::with_capacity(postings.len());
    let mut movements = Movements::default();
    for posting in postings {
        let Some(level) = levels.get_mut(&posting.key()) else { return Err(StockError::UnknownVariant) };
        let available_before = level.available();
        let unit_cost = level.change_by(posting);
        if level.on_hand >= LIMIT {
            return Err(StockError::TooMuch);
        }
        // The sum of a document may be covered and a step of it not: what goes out has to be there first.
        if level.available() < Decimal::ZERO || level.reserved < Decimal::ZERO {
            return Err(StockError::Insufficient(vec![Shortage {
                variant_id: posting.variant_id,
                location_id: posting.location_id,
                requested: Quantity::from_decimal(available_before - level.available()),
                available: Quantity::from_decimal(available_before),
            }]));
        }
        if !posting.quantity.is_zero() {
            movements.push(level, posting, unit_cost);
        }
        posted.push(Posted {
            balance_after: Quantity::from_decimal(level.on_hand),
            unit_cost: unit_cost.map(Money::from_decimal),
        });
    }
    low.extend(levels.iter().filter(|(_, level)| level.is_low()).map(|(key, _)| *key));
    let watched: Vec<Watched> = low.iter().filter_map(|key| Some(levels.get(key)?.watched(*key))).collect();
    let alerts = alert::review(tx, &watched).await?;
    Ok(Decided { posted, levels, movements, alerts })
}

/// Locks levels, and reviews their alerts: after a change of what is on order, or of what is too little. What was changed is
/// read under the locks.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn reconsider(tx: &TenantTx, keys: &[Key]) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    let levels = lock(tx, keys).await?;
    let watched: Vec<Watched> = levels.iter().map(|(key, level)| level.watched(*key)).collect();
    alert::review(tx, &watched).await?.write(tx).await
}

/// Locks the levels of some variants, at all locations; returns their keys.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn lock_of_variants(tx: &TenantTx, variants: &[Uuid]) -> Result<Vec<Key>, DbError> {
    const LOCK: &str = "
        SELECT variant_id, location_id FROM stock_levels
         WHERE variant_id = ANY ($1) ORDER BY variant_id, location_id FOR NO KEY UPDATE";
    keys(&tx.query(LOCK, &[&variants]).await?)
}

/// Locks all levels at a location; returns their keys.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn lock_of_location(tx: &TenantTx, location: LocationId) -> Result<Vec<Key>, DbError> {
    const LOCK: &str = "
        SELECT variant_id, location_id FROM stock_levels
         WHERE location_id = $1 ORDER BY variant_id, location_id FOR NO KEY UPDATE";
    keys(&tx.query(LOCK, &[&location.as_uuid()]).await?)
}

/// The keys of levels, from rows with their columns.
pub(crate) fn keys(rows: &[Row]) -> Result<Vec<Key>, DbError> {
    rows.iter().map(|row| Ok((row.try_get("variant_id")?, row.try_get("location_id")?))).collect()
}

impl Decided {
    /// Changes the levels, writes the movements, and opens, changes and closes alerts.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn write(&self, tx: &TenantTx, source: Source, actor: Option<Uuid>) -> Result<(), DbError> {
        let stock = both(change_levels(tx, &self.levels), self.movements.insert(tx, source, actor));
        both(stock, self.alerts.write(tx)).await.map(drop)
    }
}

impl Posting {
    fn key(&self) -> Key {
        (self.variant_id.as_uuid(), self.location_id.as_uuid())
    }
}

/// What a document changes at one key, summed.
#[derive(Default)]
struct Wanted {
    on_hand: Decimal,
    reserved: Decimal,
}

struct LockedLevel {
    on_hand: Decimal,
    reserved: Decimal,
    position: i64,
    reservations: i64,
    average_cost: Option<Decimal>,
    /// What the catalogue says that a unit costs, for stock that came in at no known cost.
    catalogue_cost: Option<Decimal>,
    /// At this or below it is low; `None` where nobody watches.
    reorder_level: Option<Decimal>,
    /// Its location is archived.
    is_closed: bool,
}

impl LockedLevel {
    fn available(&self) -> Decimal {
        self.on_hand - self.reserved
    }

    fn is_low(&self) -> bool {
        self.reorder_level.is_some_and(|level| self.available() <= level)
    }

    fn watched(&self, key: Key) -> Watched {
        Watched { key, available: self.available(), reorder_level: self.reorder_level }
    }

    /// Changes the level and its moving average; returns what one unit of the posting cost.
    fn change_by(&mut self, posting: &Posting) -> Option<Decimal> {
        let change = posting.quantity.as_decimal();
        let told = match posting.unit_cost {
            UnitCost::Known(cost) | UnitCost::Passing(Some(cost)) => Some(cost.as_decimal()),
            UnitCost::KnownSince(cost, position) if position == self.position => Some(cost.as_decimal()),
            UnitCost::Average | UnitCost::KnownSince(..) | UnitCost::Passing(None) => None,
        };
        let average = self.average_cost.map(|cost| Money::rounded(cost).as_decimal());
        let unit_cost = told.or(average).or(self.catalogue_cost);
        if !matches!(posting.unit_cost, UnitCost::Passing(_)) {
            self.average_cost = match change {
                change if change > Decimal::ZERO => self.average_with(change, unit_cost),
                change if change < Decimal::ZERO => self.average_without(-change, told),
                _ => self.average_cost,
            };
        }
        if !change.is_zero() {
            self.position += 1;
        }
        if !posting.reserved.is_zero() {
            self.reservations += 1;
        }
        self.on_hand += change;
        self.reserved += posting.reserved.as_decimal();
        unit_cost
    }

    /// The moving average once so much has come in. What is there at no known cost counts as much as what comes.
    fn average_with(&self, quantity: Decimal, unit_cost: Option<Decimal>) -> Option<Decimal> {
        let before = self.average_cost.or(self.catalogue_cost).or(unit_cost);
        let value = self.on_hand * before? + quantity * unit_cost?;
        Some(average(value / (self.on_hand + quantity)))
    }

    /// The moving average once so much that came in at this cost is taken back, as if it had never come.
    fn average_without(&self, quantity: Decimal, unit_cost: Option<Decimal>) -> Option<Decimal> {
        let left = self.on_hand - quantity;
        let (Some(now), Some(cost)) = (self.average_cost, unit_cost) else { return self.average_cost };
        if left <= Decimal::ZERO {
            return None;
        }
        let without = average((self.on_hand * now - quantity * cost) / left);
        Some(without).filter(|cost| *cost >= Decimal::ZERO).or(self.average_cost)
    }
}

/// An average as a level keeps it: so fine that it times a large quantity is right to the cent.
fn average(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(14, RoundingStrategy::MidpointAwayFromZero)
}

/// Makes the levels that are missing, in key order. Their locations are locked on the way, before any level: nobody archives
/// one while a document is posted there, which refers to it.
async fn make(tx: &TenantTx, keys: &[Key]) -> Result<(), StockError> {
    const MAKE: &str = "
        INSERT INTO stock_levels (variant_id, location_id, on_hand, reserved, position, updated_at)
        SELECT wanted.variant_id, l.id, 0, 0, 0, $3
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
          JOIN locations l ON l.id = wanted.location_id
         ORDER BY wanted.variant_id, l.id
           FOR KEY SHARE OF l
            ON CONFLICT (variant_id, location_id) DO NOTHING";
    let (variants, locations): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    let made = tx.execute(MAKE, &[&variants, &locations, &tx.now()]).await;
    made.map(drop).map_err(|error| match error.constraint() {
        Some("stock_levels_variant_id_fkey") => StockError::UnknownVariant,
        _ => error.into(),
    })
}

/// Locks the levels that there are, in key order. A statement of its own: it must see what [`make`], or somebody else while
/// it waited, has made.
async fn lock(tx: &TenantTx, keys: &[Key]) -> Result<BTreeMap<Key, LockedLevel>, DbError> {
    const LOCK: &str = "
        SELECT l.variant_id, l.location_id, l.on_hand, l.reserved, l.position, l.reservations, l.average_cost
          FROM stock_levels l
          JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
            ON l.variant_id = wanted.variant_id AND l.location_id = wanted.location_id
         ORDER BY l.variant_id, l.location_id
           FOR NO KEY UPDATE OF l";
    // Another statement again: a row that was waited for is read anew, but not what is joined to it. Whoever changes what is
    // read here locks the levels afterwards, and reviews them.
    const CATALOGUE: &str = "
        SELECT wanted.variant_id, wanted.location_id, v.cost, l.archived_at IS NOT NULL AS is_closed,
               CASE WHEN v.archived_at IS NULL AND p.archived_at IS NULL AND l.archived_at IS NULL
                    THEN v.reorder_level END AS reorder_level
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
          JOIN variants v ON v.id = wanted.variant_id
          JOIN products p ON p.id = v.product_id
          JOIN locations l ON l.id = wanted.location_id";
    let (variants, locations): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    let lock = async { tx.query(LOCK, &[&variants, &locations]).await };
    let catalogue = async { tx.query(CATALOGUE, &[&variants, &locations]).await };
    let (locked, catalogue) = both(lock, catalogue).await?;
    let mut levels = BTreeMap::new();
    for row in &locked {
        let level = LockedLevel {
            on_hand: row.try_get("on_hand")?,
            reserved: row.try_get("reserved")?,
            position: row.try_get("position")?,
            reservations: row.try_get("reservations")?,
            average_cost: row.try_get("average_cost")?,
            catalogue_cost: None,
            reorder_level: None,
            is_closed: false,
        };
        levels.insert((row.try_get("variant_id")?, row.try_get("location_id")?), level);
    }
    for row in &catalogue {
        if let Some(level) = levels.get_mut(&(row.try_get("variant_id")?, row.try_get("location_id")?)) {
            level.catalogue_cost = row.try_get("cost")?;
            level.reorder_level = row.try_get("reorder_level")?;
            level.is_closed = row.try_get("is_closed")?;
        }
    }
    Ok(levels)
}

fn refuse_shortages(
    levels: &BTreeMap<Key, LockedLevel>,
    wanted: &BTreeMap<Key, Wanted>,
) -> Result<(), StockError> {
    let mut shortages = Vec::new();
    for (key, change) in wanted {
        let Some(level) = levels.get(key) else { return Err(StockError::UnknownVariant) };
        let requested = change.reserved - change.on_hand;
        if requested > Decimal::ZERO && requested > level.available() {
            shortages.push(Shortage {
                variant_id: VariantId::from_uuid(key.0),
                location_id: LocationId::from_uuid(key.1),
                requested: Quantity::from_decimal(requested),
                available: Quantity::from_decimal(level.available()),
            });
        }
    }
    if shortages.is_empty() { Ok(()) } else { Err(StockError::Insufficient(shortages)) }
}

async fn change_levels(tx: &TenantTx, levels: &BTreeMap<Key, LockedLevel>) -> Result<(), DbError> {
    const CHANGE: &str = "
        UPDATE stock_levels l
           SET on_hand = new.on_hand, reserved = new.reserved, position = new.position,
               reservations = new.reservations, average_cost = new.average_cost, updated_at = $8
          FROM unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::numeric[], $5::bigint[], $6::bigint[], $7::numeric[])
               AS new (variant_id, location_id, on_hand, reserved, position, reservations, average_cost)
         WHERE l.variant_id = new.variant_id AND l.location_id = new.location_id";
    let (variants, locations): (Vec<Uuid>, Vec<Uuid>) = levels.keys().copied().unzip();
    let on_hand: Vec<Decimal> = levels.values().map(|level| level.on_hand).collect();
    let reserved: Vec<Decimal> = levels.values().map(|level| level.reserved).collect();
    let positions: Vec<i64> = levels.values().map(|level| level.position).collect();
    let reservations: Vec<i64> = levels.values().map(|level| level.reservations).collect();
    let costs: Vec<Option<Decimal>> = levels.values().map(|level| level.average_cost).collect();
    tx.execute(
        CHANGE,
        &[&variants, &locations, &on_hand, &reserved, &positions, &reservations, &costs, &tx.now()],
    )
    .await
    .map(drop)
}

/// The columns of the movements to be written.
#[derive(Default)]
struct Movements {
    ids: Vec<Uuid>,
    variants: Vec<Uuid>,
    locations: Vec<Uuid>,
    positions: Vec<i64>,
    kinds: Vec<&'static str>,
    quantities: Vec<Decimal>,
    balances: Vec<Decimal>,
    costs: Vec<Option<Decimal>>,
    reasons: Vec<Option<String>>,
    lines: Vec<Uuid>,
}

impl Movements {
    fn push(&mut self, level: &LockedLevel, posting: &Posting, unit_cost: Option<Decimal>) {
        // Made under the lock, so that on one server ids follow the ledger; `position` does so everywhere.
        self.ids.push(MovementId::new().as_uuid());
        self.variants.push(posting.variant_id.as_uuid());
        self.locations.push(posting.location_id.as_uuid());
        self.positions.push(level.position);
        self.kinds.push(posting.kind.as_str());
        self.quantities.push(posting.quantity.as_decimal());
        self.balances.push(level.on_hand);
        self.costs.push(unit_cost);
        self.reasons.push(posting.reason.as_ref().map(ToString::to_string));
        self.lines.push(posting.line_id);
    }

    async fn insert(&self, tx: &TenantTx, source: Source, actor: Option<Uuid>) -> Result<(), DbError> {
        const INSERT: &str = "
            INSERT INTO stock_movements (id, variant_id, location_id, position, kind, quantity, balance_after, unit_cost,
                                         reason, source_type, source_id, source_line_id, actor_id, occurred_at)
            SELECT id, variant_id, location_id, position, kind, quantity, balance_after, unit_cost, reason, $11, $12,
                   line_id, $13, $14
              FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::numeric[], $7::numeric[],
                          $8::numeric[], $9::text[], $10::uuid[])
                   AS new (id, variant_id, location_id, position, kind, quantity, balance_after, unit_cost, reason, line_id)";
        if self.ids.is_empty() {
            return Ok(());
        }
        tx.execute(
            INSERT,
            &[
                &self.ids,
                &self.variants,
                &self.locations,
                &self.positions,
                &self.kinds,
                &self.quantities,
                &self.balances,
                &self.costs,
                &self.reasons,
                &self.lines,
                &source.kind,
                &source.id,
                &actor,
                &tx.now(),
            ],
        )
        .await
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_column_s() {
        assert_eq!(LIMIT, Decimal::from(100_000_000_000_i64));
    }
}
