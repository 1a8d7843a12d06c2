//! Low-stock alerts: one open one for each variant and location of which there is too little.
//!
//! They are reviewed where stock levels are locked, by whatever changes a level, what is on order, or the reorder level; so
//! nobody has to look for them. Only time goes on by itself: what is on order covers until a day that is kept with the alert.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use const_format::concatcp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenancy::{DbError, TenantTx, both, outbox};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::business::settings;
use crate::ids::{AlertId, LocationId, VariantId};
use crate::stock::posting::{self as stock, Key};
use values::Quantity;
use values::{Page, PageRequest};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Available is at the reorder level or below, and what is on order does not change that.
    Low,
    /// It is, but what is on order brings it above.
    Covered,
    /// Nothing is available, whether more is on order or not.
    Out,
}

impl AlertState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Covered => "covered",
            Self::Out => "out",
        }
    }

    fn of(is_out: bool, is_covered: bool) -> Self {
        match (is_out, is_covered) {
            (true, _) => Self::Out,
            (false, true) => Self::Covered,
            (false, false) => Self::Low,
        }
    }
}

/// An open alert, and what there is and will be of its variant.
#[derive(Debug, Clone)]
pub struct Alert {
    pub id: AlertId,
    pub variant_id: VariantId,
    pub location_id: LocationId,
    pub sku: String,
    pub name: String,
    pub state: AlertState,
    /// Whether what is on order brings it above the reorder level; of what is out it may be either.
    pub is_covered: bool,
    pub available: Quantity,
    pub reorder_level: Quantity,
    /// On order, and not overdue.
    pub incoming: Quantity,
    /// When the first of that is expected.
    pub arrives_on: Option<NaiveDate>,
    pub opened_at: DateTime<Utc>,
}

/// Which alerts a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlertFilter {
    /// What is low or out unless named.
    pub state: Option<AlertState>,
    pub location_id: Option<LocationId>,
}

/// The condition that alert `a` is covered on the business's day of [`TODAY`].
pub const IS_COVERED: &str = "(a.is_covered AND (a.covered_until IS NULL OR a.covered_until >= today.today))";

/// The business's day at the moment `$1`, as table `today`.
pub const TODAY: &str =
    "(SELECT ($1::timestamptz AT TIME ZONE time_zone)::date AS today FROM settings) today";

/// What is on order for alert `a` and not overdue on the day of [`TODAY`], as table `coming`.
pub(crate) const COMING: &str = "LATERAL (
             SELECT coalesce(sum(ol.quantity - ol.received), 0) AS incoming, min(o.expected_on) AS arrives_on
               FROM purchase_order_lines ol
               JOIN purchase_orders o ON o.id = ol.purchase_order_id
              WHERE ol.variant_id = a.variant_id AND ol.received < ol.quantity AND o.location_id = a.location_id
                AND o.status IN ('SENT', 'CONFIRMED')
                AND (o.expected_on IS NULL OR o.expected_on >= today.today)) coming";

impl Alert {
    fn from_row(row: &Row) -> Result<Self, DbError> {
        let is_covered: bool = row.try_get("is_covered")?;
        Ok(Self {
            id: AlertId::from_uuid(row.try_get("id")?),
            variant_id: VariantId::from_uuid(row.try_get("variant_id")?),
            location_id: LocationId::from_uuid(row.try_get("location_id")?),
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            state: AlertState::of(row.try_get("is_out")?, is_covered),
            is_covered,
            available: Quantity::from_decimal(row.try_get("available")?),
            reorder_level: Quantity::from_decimal(row.try_get("reorder_level")?),
            incoming: Quantity::from_decimal(row.try_get("incoming")?),
            arrives_on: row.try_get("arrives_on")?,
            opened_at: row.try_get("opened_at")?,
        })
    }
}

/// A page of the open alerts, the latest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &AlertFilter,
    page: &PageRequest<1>,
) -> Result<Page<Alert, 1>, DbError> {
    const LIST: &str = concatcp!(
        "WITH page AS (
            SELECT a.id, a.variant_id, a.location_id, a.is_out, ",
        IS_COVERED,
        " AS is_covered, a.opened_at, today.today
              FROM low_stock_alerts a, ",
        TODAY,
        " WHERE a.closed_at IS NULL AND a.id < $2 AND ($4::uuid IS NULL OR a.location_id = $4)
              AND CASE WHEN a.is_out THEN 'out' WHEN ",
        IS_COVERED,
        " THEN 'covered' ELSE 'low' END = ANY ($5)
            ORDER BY a.id DESC
            LIMIT $3
        )
        SELECT a.id, a.variant_id, a.location_id, v.sku, p.name, a.is_out, a.is_covered, s.on_hand - s.reserved AS available,
               coalesce(v.reorder_level, 0) AS reorder_level, coming.incoming, coming.arrives_on, a.opened_at
          FROM page a
          JOIN variants v ON v.id = a.variant_id
          JOIN products p ON p.id = v.product_id
          JOIN stock_levels s ON s.variant_id = a.variant_id AND s.location_id = a.location_id
         CROSS JOIN LATERAL (SELECT a.today) today
         CROSS JOIN ",
        COMING,
        " ORDER BY a.id DESC"
    );
    let states: Vec<&str> = match filter.state {
        Some(state) => vec![state.as_str()],
        None => vec![AlertState::Low.as_str(), AlertState::Out.as_str()],
    };
    let (before, limit) = (page.before(0), page.limit.and_one());
    let location = filter.location_id.map(LocationId::as_uuid);
    let rows = tx.query(LIST, &[&tx.now(), &before, &limit, &location, &states]).await?;
    let rows = rows.iter().map(Alert::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(rows, |alert| [alert.id.as_uuid()]))
}

/// A locked level, as it will be when the transaction ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) key: Key,
    pub(crate) available: Decimal,
    /// `None` where nobody watches: no level is set, or variant, product or location is archived.
    pub(crate) reorder_level: Option<Decimal>,
}

/// An alert as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    is_out: bool,
    is_covered: bool,
    covered_until: Option<NaiveDate>,
}

/// What is on order of one variant for one location, with the day when it is expected.
type Incoming = (Option<NaiveDate>, Decimal);

impl Watched {
    fn is_low(&self) -> bool {
        self.reorder_level.is_some_and(|level| self.available <= level)
    }

    /// What is to be told of it, given what is on order; `None` when there is enough, or nobody watches.
    fn standing(&self, incoming: &[Incoming], today: NaiveDate) -> Option<Standing> {
        let level = self.reorder_level.filter(|level| self.available <= *level)?;
        // What is expected on a day covers until the end of it.
        let covers_after = |day: Option<NaiveDate>| {
            let still = incoming.iter().filter(|(expected, _)| match (expected, day) {
                (Some(expected), Some(day)) => *expected > day,
                (Some(expected), None) => *expected >= today,
                (None, _) => true,
            });
            self.available + still.map(|(_, quantity)| *quantity).sum::<Decimal>() > level
        };
        let is_covered = covers_after(None);
        let days: BTreeSet<NaiveDate> = incoming.iter().filter_map(|(expected, _)| *expected).collect();
        let last = days.into_iter().find(|day| *day >= today && !covers_after(Some(*day)));
        Some(Standing {
            is_out: self.available <= Decimal::ZERO,
            is_covered,
            covered_until: last.filter(|_| is_covered),
        })
    }
}

/// What has to change of the alerts.
#[derive(Default)]
pub(crate) struct Changes {
    set: Vec<(Key, Standing)>,
    closed: Vec<Key>,
}

/// Compares the alerts of levels that this transaction has locked with what they should be.
///
/// What is on order is read here, under the locks: whoever changes that reviews the same levels afterwards, under the same
/// locks, so that the later of two sees what the other did.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn review(tx: &TenantTx, watched: &[Watched]) -> Result<Changes, DbError> {
    const OPEN: &str = "
        SELECT a.variant_id, a.location_id, a.is_out, a.is_covered, a.covered_until
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
          JOIN low_stock_alerts a
            ON a.variant_id = wanted.variant_id AND a.location_id = wanted.location_id AND a.closed_at IS NULL";
    const INCOMING: &str = "
        SELECT l.variant_id, o.location_id, o.expected_on, sum(l.quantity - l.received) AS quantity
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (variant_id, location_id)
          JOIN purchase_order_lines l ON l.variant_id = wanted.variant_id AND l.received < l.quantity
          JOIN purchase_orders o ON o.id = l.purchase_order_id AND o.location_id = wanted.location_id
         WHERE o.status IN ('SENT', 'CONFIRMED')
         GROUP BY l.variant_id, o.location_id, o.expected_on";
    if watched.is_empty() {
        return Ok(Changes::default());
    }
    let (variants, locations): (Vec<Uuid>, Vec<Uuid>) = watched.iter().map(|watched| watched.key).unzip();
    let (low, at): (Vec<Uuid>, Vec<Uuid>) =
        watched.iter().filter(|watched| watched.is_low()).map(|watched| watched.key).unzip();
    let open = async { tx.query(OPEN, &[&variants, &locations]).await };
    let incoming = async { tx.query(INCOMING, &[&low, &at]).await };
    let (open, (incoming, (today, _))) =
        both(open, both(incoming, settings::today_and_tolerance(tx))).await?;
    let key =
        |row: &Row| -> Result<Key, DbError> { Ok((row.try_get("variant_id")?, row.try_get("location_id")?)) };
    let mut stored: HashMap<Key, Standing> = HashMap::new();
    for row in &open {
        let standing = Standing {
            is_out: row.try_get("is_out")?,
            is_covered: row.try_get("is_covered")?,
            covered_until: row.try_get("covered_until")?,
        };
        stored.insert(key(row)?, standing);
    }
    let mut ordered: HashMap<Key, Vec<Incoming>> = HashMap::new();
    for row in &incoming {
        ordered.entry(key(row)?).or_default().push((row.try_get("expected_on")?, row.try_get("quantity")?));
    }
    let mut changes = Changes::default();
    for watched in watched {
        let on_order = ordered.get(&watched.key).map(Vec::as_slice).unwrap_or_default();
        match (watched.standing(on_order, today), stored.get(&watched.key)) {
            (Some(now), Some(stored)) if now == *stored => {}
            (Some(now), _) => changes.set.push((watched.key, now)),
            (None, Some(_)) => changes.closed.push(watched.key),
            (None, None) => {}
        }
    }
    Ok(changes)
}

impl Changes {
    /// Writes the alerts, and what is to be told of them.
    pub(crate) async fn write(&self, tx: &TenantTx) -> Result<(), DbError> {
        const SET: &str = "
            INSERT INTO low_stock_alerts (id, variant_id, location_id, is_out, is_covered, covered_until, opened_at,
                                          updated_at)
            SELECT id, variant_id, location_id, is_out, is_covered, covered_until, $7, $7
              FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::boolean[], $5::boolean[], $6::date[])
                   AS new (id, variant_id, location_id, is_out, is_covered, covered_until)
                ON CONFLICT (variant_id, location_id) WHERE closed_at IS NULL DO UPDATE
                   SET is_out = EXCLUDED.is_out, is_covered = EXCLUDED.is_covered,
                       covered_until = EXCLUDED.covered_until, updated_at = EXCLUDED.updated_at";
        const CLOSE: &str = "
            UPDATE low_stock_alerts a SET closed_at = $3, updated_at = $3
              FROM unnest($1::uuid[], $2::uuid[]) AS closed (variant_id, location_id)
             WHERE a.variant_id = closed.variant_id AND a.location_id = closed.location_id AND a.closed_at IS NULL";
        if self.set.is_empty() && self.closed.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.set.iter().map(|_| AlertId::new().as_uuid()).collect();
        let (variants, locations): (Vec<Uuid>, Vec<Uuid>) = self.set.iter().map(|(key, _)| *key).unzip();
        let out: Vec<bool> = self.set.iter().map(|(_, now)| now.is_out).collect();
        let covered: Vec<bool> = self.set.iter().map(|(_, now)| now.is_covered).collect();
        let until: Vec<Option<NaiveDate>> = self.set.iter().map(|(_, now)| now.covered_until).collect();
        let set = async {
            if ids.is_empty() {
                return Ok(0);
            }
            tx.execute(SET, &[&ids, &variants, &locations, &out, &covered, &until, &tx.now()]).await
        };
        let (closed, at): (Vec<Uuid>, Vec<Uuid>) = self.closed.iter().copied().unzip();
        let close = async {
            if closed.is_empty() {
                return Ok(0);
            }
            tx.execute(CLOSE, &[&closed, &at, &tx.now()]).await
        };
        let told = json!({"alerts": self.told()});
        both(both(set, close), outbox::write(tx, "low_stock.changed", &told)).await.map(drop)
    }

    fn told(&self) -> Vec<Value> {
        let alert = |(variant, location): &Key, state: &str| json!({"variantId": variant, "locationId": location, "state": state});
        let set =
            self.set.iter().map(|(key, now)| alert(key, AlertState::of(now.is_out, now.is_covered).as_str()));
        set.chain(self.closed.iter().map(|key| alert(key, "closed"))).collect()
    }
}

/// Reviews what no transaction has: alerts whose cover has ended with a day, levels that were low before there were alerts, and
/// whatever else is not as it should be, such as the alert of a level that was being made while what is on order changed. Returns
/// how many levels it looked at.
///
/// # Errors
/// [`DbError`].
pub async fn review_overdue(tx: &TenantTx) -> Result<u64, DbError> {
    const OVERDUE: &str = concatcp!(
        "WITH watched AS (
            SELECT s.variant_id, s.location_id, s.on_hand - s.reserved AS available,
                   CASE WHEN v.archived_at IS NULL AND p.archived_at IS NULL AND l.archived_at IS NULL
                        THEN v.reorder_level END AS reorder_level
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
            AND (w.reorder_level IS NULL OR w.available > w.reorder_level OR a.is_out <> (w.available = 0)
                 OR a.is_covered <> (w.available + coming.incoming > w.reorder_level))
          UNION
         SELECT w.variant_id, w.location_id
           FROM watched w
          WHERE w.available <= w.reorder_level
            AND NOT EXISTS (SELECT FROM low_stock_alerts a WHERE a.variant_id = w.variant_id
                               AND a.location_id = w.location_id AND a.closed_at IS NULL)"
    );
    let rows = tx.query(OVERDUE, &[&tx.now()]).await?;
    let keys = stock::keys(&rows)?;
    stock::reconsider(tx, &keys).await?;
    Ok(keys.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(available: i64, level: Option<i64>, incoming: &[(Option<u32>, i64)]) -> Option<Standing> {
        let watched = Watched {
            key: (Uuid::nil(), Uuid::nil()),
            available: available.into(),
            reorder_level: level.map(Decimal::from),
        };
        let incoming: Vec<Incoming> =
            incoming.iter().map(|(day, quantity)| (day.and_then(december), (*quantity).into())).collect();
        watched.standing(&incoming, december(10).unwrap())
    }

    fn december(day: u32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(2026, 12, day)
    }

    fn is(is_out: bool, is_covered: bool, until: Option<u32>) -> Option<Standing> {
        Some(Standing { is_out, is_covered, covered_until: until.and_then(december) })
    }

    #[test]
    fn too_little_is_at_the_level_or_below() {
        assert_eq!(standing(6, Some(5), &[]), None);
        assert_eq!(standing(5, Some(5), &[]), is(false, false, None));
        assert_eq!(standing(0, Some(5), &[]), is(true, false, None));
        assert_eq!(standing(0, Some(0), &[]), is(true, false, None));
        assert_eq!(standing(0, None, &[]), None);
    }

    #[test]
    fn what_is_on_order_covers_when_it_brings_more_than_the_level() {
        assert_eq!(standing(3, Some(5), &[(Some(12), 2)]), is(false, false, None));
        assert_eq!(standing(3, Some(5), &[(Some(12), 3)]), is(false, true, Some(12)));
        assert_eq!(standing(3, Some(5), &[(None, 3)]), is(false, true, None));
        assert_eq!(standing(0, Some(5), &[(Some(10), 9)]), is(true, true, Some(10)));
    }

    #[test]
    fn what_is_overdue_does_not_count() {
        assert_eq!(standing(3, Some(5), &[(Some(9), 100)]), is(false, false, None));
        assert_eq!(standing(3, Some(5), &[(Some(9), 100), (Some(10), 3)]), is(false, true, Some(10)));
    }

    #[test]
    fn it_covers_until_too_much_of_it_is_overdue() {
        assert_eq!(standing(3, Some(5), &[(Some(12), 3), (Some(15), 3)]), is(false, true, Some(15)));
        assert_eq!(standing(3, Some(5), &[(Some(12), 2), (Some(15), 2)]), is(false, true, Some(12)));
        assert_eq!(standing(3, Some(5), &[(Some(12), 2), (None, 3)]), is(false, true, None));
    }
}
