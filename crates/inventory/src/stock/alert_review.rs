//! Reviewing low-stock alerts: opened, changed and closed where stock levels are locked.
//!
//! Whatever changes a level, incoming stock or a reorder level reviews the alerts in the same transaction, so
//! no job has to search for them. Only the passing of time changes an alert by itself: each alert stores the
//! day until which incoming stock covers it.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;
use const_format::concatcp;
use tenancy::{DbError, TenantTx, all, outbox};
use values::Quantity;

use crate::business::settings;
use crate::ids::{AlertId, LocationId, VariantId};
use crate::records::event::{ChangedAlert, ChangedState, Event, LowStockChanged};
use crate::statuses::AlertState;
use crate::stock::alert::{COMING, ON_ITS_WAY, TODAY};
use crate::stock::level::{self, Key};
use crate::stock::locked_level::{self, LockedLevel};

/// A locked level, as it will be when the transaction ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    key: Key,
    available: Quantity,
    /// `None` if no alert can open.
    reorder_level: Option<Quantity>,
}

/// An alert as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    is_out: bool,
    is_covered: bool,
    covered_until: Option<NaiveDate>,
}

/// A quantity that is incoming for one level, with the day when it is expected.
type Incoming = (Option<NaiveDate>, Quantity);

impl Watched {
    pub(crate) fn of(key: Key, level: &LockedLevel) -> Self {
        Self { key, available: level.available(), reorder_level: level.reorder_level }
    }

    fn is_low(&self) -> bool {
        self.reorder_level.is_some_and(|level| self.available <= level)
    }

    /// The alert that the level should have, given its incoming stock; `None` when there is enough, or
    /// when no alert can open.
    fn standing(&self, incoming: &[Incoming], today: NaiveDate) -> Option<Standing> {
        let level = self.reorder_level.filter(|level| self.available <= *level)?;
        // Goods that are expected on a day cover until the end of that day.
        let covers_after = |day: Option<NaiveDate>| {
            let still = incoming.iter().filter(|(expected, _)| match (expected, day) {
                (Some(expected), Some(day)) => *expected > day,
                (Some(expected), None) => *expected >= today,
                (None, _) => true,
            });
            self.available + still.map(|(_, quantity)| *quantity).sum::<Quantity>() > level
        };
        let is_covered = covers_after(None);
        let days: BTreeSet<NaiveDate> = incoming.iter().filter_map(|(expected, _)| *expected).collect();
        let last = days.into_iter().find(|day| *day >= today && !covers_after(Some(*day)));
        Some(Standing {
            is_out: !self.available.is_positive(),
            is_covered,
            covered_until: last.filter(|_| is_covered),
        })
    }
}

/// Alerts that must be opened, changed or closed.
#[derive(Default)]
pub(crate) struct AlertChanges {
    set: Vec<(Key, Standing)>,
    closed: Vec<Key>,
}

struct OpenRow {
    variant_id: VariantId,
    location_id: LocationId,
    is_out: bool,
    is_covered: bool,
    covered_until: Option<NaiveDate>,
}

tenancy::from_row!(OpenRow { variant_id, location_id, is_out, is_covered, covered_until });

struct IncomingRow {
    variant_id: VariantId,
    location_id: LocationId,
    expected_on: Option<NaiveDate>,
    quantity: Quantity,
}

tenancy::from_row!(IncomingRow { variant_id, location_id, expected_on, quantity });

/// Compares the alerts of levels that this transaction has locked with the alerts that they should have.
///
/// Incoming stock is read here, under the locks. Code that changes incoming stock reviews the same levels
/// afterwards, under the same locks, so that the later of two transactions sees what the earlier one did.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn review(tx: &TenantTx, watched: &[Watched]) -> Result<AlertChanges, DbError> {
    const OPEN: &str = "
        SELECT a.variant_id, a.location_id, a.is_out, a.is_covered, a.covered_until
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
          JOIN low_stock_alerts a
            ON a.variant_id = wanted.variant_id AND a.location_id = wanted.location_id
           AND a.closed_at IS NULL";
    const INCOMING: &str = concatcp!(
        "SELECT a.variant_id, a.location_id, coming.expected_on, sum(coming.quantity) AS quantity
           FROM unnest($1::uuid[], $2::uuid[]) AS a (variant_id, location_id)
          CROSS JOIN LATERAL (",
        ON_ITS_WAY,
        ") coming
          GROUP BY a.variant_id, a.location_id, coming.expected_on"
    );
    if watched.is_empty() {
        return Ok(AlertChanges::default());
    }
    let unzip = |keys: &mut dyn Iterator<Item = Key>| -> (Vec<VariantId>, Vec<LocationId>) { keys.unzip() };
    let (variants, locations) = unzip(&mut watched.iter().map(|watched| watched.key));
    let (low, at) = unzip(&mut watched.iter().filter(|watched| watched.is_low()).map(|watched| watched.key));
    let open = async { tx.rows::<OpenRow>(OPEN, &[&variants, &locations]).await };
    let incoming = async { tx.rows::<IncomingRow>(INCOMING, &[&low, &at]).await };
    let (open, incoming, today) = all((open, incoming, settings::today(tx))).await?;
    let stored: HashMap<Key, Standing> = open
        .into_iter()
        .map(|OpenRow { variant_id, location_id, is_out, is_covered, covered_until }| {
            ((variant_id, location_id), Standing { is_out, is_covered, covered_until })
        })
        .collect();
    let mut coming: HashMap<Key, Vec<Incoming>> = HashMap::new();
    for row in incoming {
        coming.entry((row.variant_id, row.location_id)).or_default().push((row.expected_on, row.quantity));
    }
    let mut changes = AlertChanges::default();
    for watched in watched {
        let coming = coming.get(&watched.key).map(Vec::as_slice).unwrap_or_default();
        match (watched.standing(coming, today), stored.get(&watched.key)) {
            (Some(now), Some(stored)) if now == *stored => {}
            (Some(now), _) => changes.set.push((watched.key, now)),
            (None, Some(_)) => changes.closed.push(watched.key),
            (None, None) => {}
        }
    }
    Ok(changes)
}

/// Locks levels and reviews their alerts, after a change of incoming stock or of a reorder level.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn reconsider(tx: &TenantTx, keys: &[Key]) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    let levels = locked_level::lock(tx, keys).await?;
    let watched: Vec<Watched> = levels.iter().map(|(key, level)| Watched::of(*key, level)).collect();
    review(tx, &watched).await?.write(tx).await
}

/// Locks the levels of some variants at all locations, to [`reconsider`] them later in the transaction.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn lock_variants(tx: &TenantTx, variants: &[VariantId]) -> Result<Vec<Key>, DbError> {
    const LOCK: &str = "
        SELECT variant_id, location_id FROM stock_levels
         WHERE variant_id = ANY ($1) ORDER BY variant_id, location_id FOR NO KEY UPDATE";
    level::keys(tx, LOCK, &[&variants]).await
}

/// As [`lock_variants`], for all levels at a location.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn lock_location(tx: &TenantTx, location: LocationId) -> Result<Vec<Key>, DbError> {
    const LOCK: &str = "
        SELECT variant_id, location_id FROM stock_levels
         WHERE location_id = $1 ORDER BY variant_id, location_id FOR NO KEY UPDATE";
    level::keys(tx, LOCK, &[&location]).await
}

/// Finds levels whose alerts are missing or wrong, locks these levels, and opens, changes or closes their
/// alerts. An alert becomes wrong when its cover ends with a day, or when its level was made while incoming
/// stock changed. Returns the number of levels that were reviewed.
///
/// # Errors
/// [`DbError`].
pub async fn review_overdue(tx: &TenantTx) -> Result<u64, DbError> {
    const OVERDUE: &str = concatcp!(
        "WITH watched AS (
            SELECT s.variant_id, s.location_id, s.on_hand - s.reserved AS available,
                   CASE WHEN s.is_kept AND v.archived_at IS NULL AND p.archived_at IS NULL
                             AND l.archived_at IS NULL
                        THEN coalesce(s.reorder_level, v.reorder_level) END AS reorder_level
              FROM stock_levels s
              JOIN variants v ON v.id = s.variant_id
              JOIN products p ON p.id = v.product_id
              JOIN locations l ON l.id = s.location_id)
         SELECT a.variant_id, a.location_id
           FROM low_stock_alerts a
           JOIN watched w ON w.variant_id = a.variant_id AND w.location_id = a.location_id
          CROSS JOIN ",
        TODAY,
        " CROSS JOIN ",
        COMING,
        " WHERE a.closed_at IS NULL
            AND (w.reorder_level IS NULL OR w.available > w.reorder_level OR a.is_out <> (w.available <= 0)
                 OR a.is_covered <> (w.available + coming.incoming > w.reorder_level))
          UNION
         SELECT w.variant_id, w.location_id
           FROM watched w
          WHERE w.available <= w.reorder_level
            AND NOT EXISTS (SELECT FROM low_stock_alerts a WHERE a.variant_id = w.variant_id
                               AND a.location_id = w.location_id AND a.closed_at IS NULL)"
    );
    let keys = level::keys(tx, OVERDUE, &[&tx.now()]).await?;
    reconsider(tx, &keys).await?;
    Ok(keys.len() as u64)
}

impl AlertChanges {
    /// Writes the alerts, and the event about them.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn write(&self, tx: &TenantTx) -> Result<(), DbError> {
        if self.set.is_empty() && self.closed.is_empty() {
            return Ok(());
        }
        let event = Event::LowStockChanged(LowStockChanged { alerts: self.changed() });
        all((self.write_set(tx), self.write_closed(tx), outbox::write(tx, &event))).await.map(drop)
    }

    async fn write_set(&self, tx: &TenantTx) -> Result<(), DbError> {
        const SET: &str = "
            INSERT INTO low_stock_alerts (id, variant_id, location_id, is_out, is_covered, covered_until,
                                          opened_at, updated_at)
            SELECT id, variant_id, location_id, is_out, is_covered, covered_until, $7, $7
              FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::boolean[], $5::boolean[], $6::date[])
                   AS new (id, variant_id, location_id, is_out, is_covered, covered_until)
                ON CONFLICT (variant_id, location_id) WHERE closed_at IS NULL DO UPDATE
                   SET is_out = EXCLUDED.is_out, is_covered = EXCLUDED.is_covered,
                       covered_until = EXCLUDED.covered_until, updated_at = EXCLUDED.updated_at";
        if self.set.is_empty() {
            return Ok(());
        }
        let ids: Vec<AlertId> = self.set.iter().map(|_| AlertId::new()).collect();
        let (variants, locations): (Vec<VariantId>, Vec<LocationId>) =
            self.set.iter().map(|(key, _)| *key).unzip();
        let out: Vec<bool> = self.set.iter().map(|(_, now)| now.is_out).collect();
        let covered: Vec<bool> = self.set.iter().map(|(_, now)| now.is_covered).collect();
        let until: Vec<Option<NaiveDate>> = self.set.iter().map(|(_, now)| now.covered_until).collect();
        tx.execute(SET, &[&ids, &variants, &locations, &out, &covered, &until, &tx.now()]).await.map(drop)
    }

    async fn write_closed(&self, tx: &TenantTx) -> Result<(), DbError> {
        const CLOSE: &str = "
            UPDATE low_stock_alerts a SET closed_at = $3, updated_at = $3
              FROM unnest($1::uuid[], $2::uuid[]) AS closed (variant_id, location_id)
             WHERE a.variant_id = closed.variant_id AND a.location_id = closed.location_id
               AND a.closed_at IS NULL";
        if self.closed.is_empty() {
            return Ok(());
        }
        let (variants, locations): (Vec<VariantId>, Vec<LocationId>) = self.closed.iter().copied().unzip();
        tx.execute(CLOSE, &[&variants, &locations, &tx.now()]).await.map(drop)
    }

    fn changed(&self) -> Vec<ChangedAlert> {
        let alert = |(variant_id, location_id): Key, state| ChangedAlert { variant_id, location_id, state };
        let state = |now: &Standing| match AlertState::of(now.is_out, now.is_covered) {
            AlertState::Low => ChangedState::Low,
            AlertState::Covered => ChangedState::Covered,
            AlertState::Out => ChangedState::Out,
        };
        let set = self.set.iter().map(|(key, now)| alert(*key, state(now)));
        set.chain(self.closed.iter().map(|key| alert(*key, ChangedState::Closed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(available: i64, level: Option<i64>, incoming: &[(Option<u32>, i64)]) -> Option<Standing> {
        let quantity = |whole: i64| Quantity::from_decimal(whole.into());
        let watched = Watched {
            key: (VariantId::new(), LocationId::new()),
            available: quantity(available),
            reorder_level: level.map(quantity),
        };
        let incoming: Vec<Incoming> =
            incoming.iter().map(|(day, coming)| (day.and_then(december), quantity(*coming))).collect();
        watched.standing(&incoming, december(10).unwrap())
    }

    fn december(day: u32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(2026, 12, day)
    }

    fn is(is_out: bool, is_covered: bool, until: Option<u32>) -> Option<Standing> {
        Some(Standing { is_out, is_covered, covered_until: until.and_then(december) })
    }

    #[test]
    fn stock_is_low_at_the_reorder_level_or_below() {
        assert_eq!(standing(6, Some(5), &[]), None);
        assert_eq!(standing(5, Some(5), &[]), is(false, false, None));
        assert_eq!(standing(0, Some(5), &[]), is(true, false, None));
        assert_eq!(standing(0, Some(0), &[]), is(true, false, None));
        assert_eq!(standing(0, None, &[]), None);
    }

    #[test]
    fn incoming_stock_covers_when_it_brings_available_above_the_level() {
        assert_eq!(standing(3, Some(5), &[(Some(12), 2)]), is(false, false, None));
        assert_eq!(standing(3, Some(5), &[(Some(12), 3)]), is(false, true, Some(12)));
        assert_eq!(standing(3, Some(5), &[(None, 3)]), is(false, true, None));
        assert_eq!(standing(0, Some(5), &[(Some(10), 9)]), is(true, true, Some(10)));
    }

    #[test]
    fn overdue_goods_do_not_count() {
        assert_eq!(standing(3, Some(5), &[(Some(9), 100)]), is(false, false, None));
        assert_eq!(standing(3, Some(5), &[(Some(9), 100), (Some(10), 3)]), is(false, true, Some(10)));
    }

    #[test]
    fn incoming_stock_covers_until_too_much_of_it_is_overdue() {
        assert_eq!(standing(3, Some(5), &[(Some(12), 3), (Some(15), 3)]), is(false, true, Some(15)));
        assert_eq!(standing(3, Some(5), &[(Some(12), 2), (Some(15), 2)]), is(false, true, Some(12)));
        assert_eq!(standing(3, Some(5), &[(Some(12), 2), (None, 3)]), is(false, true, None));
    }
}
