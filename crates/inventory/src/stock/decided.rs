//! Changes of stock that were decided under locks, and their writing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tenancy::{DbError, TenantTx, all};
use uuid::Uuid;
use values::{ActorId, Quantity, Reason, StockValue};

use crate::ids::{LocationId, MovementId, VariantId};
use crate::stock::alert_review::AlertChanges;
use crate::stock::level::Key;
use crate::stock::level_value::Moved;
use crate::stock::locked_level::LockedLevel;
use crate::stock::movement::{Kind, Source};
use crate::stock::posting::{Posted, Posting};
use crate::stock::unstocked::{self, UnstockedSale};

/// Changes of stock that were decided under locks and must still be written.
#[derive(Default)]
pub struct Decided {
    /// The result of each posting, in the order of the postings.
    pub posted: Vec<Posted>,
    pub(super) levels: BTreeMap<Key, LockedLevel>,
    pub(super) movements: Movements,
    pub(super) sales: Vec<UnstockedSale>,
    pub(super) alerts: AlertChanges,
    /// The time of the movements, if they were made before they are stored.
    pub(super) moved_at: Option<DateTime<Utc>>,
}

impl Decided {
    /// The same changes, whose movements were made at an earlier time. The balance after a movement is that
    /// at its position, whatever its time.
    #[must_use]
    pub fn moved_at(self, moved_at: Option<DateTime<Utc>>) -> Self {
        Self { moved_at, ..self }
    }

    /// Changes the levels, writes the movements, opens, changes and closes alerts, and stores the event about
    /// the alerts. It must run in the transaction that decided.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn write(&self, tx: &TenantTx, source: Source, actor: ActorId) -> Result<(), DbError> {
        let levels = change_levels(tx, &self.levels);
        let movements = self.movements.insert(tx, source, actor, self.moved_at);
        let moved_at = self.moved_at.unwrap_or_else(|| tx.now());
        let sales = unstocked::insert(tx, &self.sales, source, actor, moved_at);
        all((levels, movements, sales, self.alerts.write(tx))).await.map(drop)
    }
}

async fn change_levels(tx: &TenantTx, levels: &BTreeMap<Key, LockedLevel>) -> Result<(), DbError> {
    const CHANGE: &str = "
        UPDATE stock_levels l
           SET on_hand = new.on_hand, reserved = new.reserved, position = new.position,
               reservations = new.reservations, value = new.value, last_cost = new.last_cost,
               updated_at = new.moment
          FROM unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::numeric[], $5::bigint[], $6::bigint[],
                      $7::numeric[], $8::numeric[], $9::timestamptz[])
               AS new (variant_id, location_id, on_hand, reserved, position, reservations, value, last_cost,
                       moment)
         WHERE l.variant_id = new.variant_id AND l.location_id = new.location_id";
    if levels.is_empty() {
        return Ok(());
    }
    let (variants, locations): (Vec<VariantId>, Vec<LocationId>) = levels.keys().copied().unzip();
    let on_hand: Vec<Quantity> = levels.values().map(|level| level.goods.on_hand).collect();
    let reserved: Vec<Quantity> = levels.values().map(|level| level.reserved).collect();
    let positions: Vec<i64> = levels.values().map(|level| level.position).collect();
    let reservations: Vec<i64> = levels.values().map(|level| level.reservations).collect();
    let values: Vec<Option<StockValue>> = levels.values().map(|level| level.goods.value).collect();
    let costs: Vec<Option<StockValue>> = levels.values().map(|level| level.goods.last_cost).collect();
    let moments: Vec<DateTime<Utc>> = levels.values().map(|level| level.updated_at).collect();
    let levels: tenancy::Params<'_> =
        &[&variants, &locations, &on_hand, &reserved, &positions, &reservations, &values, &costs, &moments];
    tx.execute(CHANGE, levels).await.map(drop)
}

/// The columns of the movements that must still be written.
#[derive(Default)]
pub(super) struct Movements {
    ids: Vec<MovementId>,
    variants: Vec<VariantId>,
    locations: Vec<LocationId>,
    positions: Vec<i64>,
    kinds: Vec<Kind>,
    quantities: Vec<Quantity>,
    balances: Vec<Quantity>,
    values: Vec<Option<StockValue>>,
    reasons: Vec<Option<Reason>>,
    lines: Vec<Uuid>,
    moments: Vec<DateTime<Utc>>,
}

impl Movements {
    /// Adds the movement of a posting.
    pub(super) fn push(&mut self, level: &LockedLevel, posting: &Posting, moved: &Moved) {
        let signed = |cost: StockValue| if posting.quantity.is_negative() { -cost } else { cost };
        self.push_one(level, posting, posting.kind, posting.quantity, moved.cost.map(signed));
    }

    /// Adds the revaluation that a posting causes, if any.
    pub(super) fn push_revaluation(&mut self, level: &mut LockedLevel, posting: &Posting, moved: &Moved) {
        if !moved.revaluation.is_zero() {
            level.position += 1;
            self.push_one(level, posting, Kind::Revaluation, Quantity::ZERO, Some(moved.revaluation));
        }
    }

    fn push_one(
        &mut self,
        level: &LockedLevel,
        posting: &Posting,
        kind: Kind,
        quantity: Quantity,
        value: Option<StockValue>,
    ) {
        // The moments of two transactions on one level differ. Within one transaction, later ids are greater.
        self.ids.push(MovementId::new());
        self.variants.push(posting.variant_id);
        self.locations.push(posting.location_id);
        self.positions.push(level.position);
        self.kinds.push(kind);
        self.quantities.push(quantity);
        self.balances.push(level.goods.on_hand);
        self.values.push(value);
        self.reasons.push(posting.reason.clone());
        self.lines.push(posting.line_id);
        self.moments.push(level.updated_at);
    }

    async fn insert(
        &self,
        tx: &TenantTx,
        source: Source,
        actor: ActorId,
        moved_at: Option<DateTime<Utc>>,
    ) -> Result<(), DbError> {
        const INSERT: &str = "
            INSERT INTO stock_movements (id, variant_id, location_id, position, kind, quantity, balance_after,
                                         value, reason, source_type, source_id, source_line_id, actor_id,
                                         occurred_at)
            SELECT id, variant_id, location_id, position, kind, quantity, balance_after, value, reason,
                   $12, $13, line_id, $14, moment
              FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::numeric[],
                          $7::numeric[], $8::numeric[], $9::text[], $10::uuid[], $11::timestamptz[])
                   AS new (id, variant_id, location_id, position, kind, quantity, balance_after, value,
                           reason, line_id, moment)";
        if self.ids.is_empty() {
            return Ok(());
        }
        let (source_type, source_id) = source.columns();
        let moments = match moved_at {
            Some(moved_at) => &vec![moved_at; self.moments.len()],
            None => &self.moments,
        };
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
                &self.values,
                &self.reasons,
                &self.lines,
                moments,
                &source_type,
                &source_id,
                &actor,
            ],
        )
        .await
        .map(drop)
    }
}
