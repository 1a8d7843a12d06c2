//! Low-stock alerts: for each variant and location at most one that is open.

use chrono::{DateTime, NaiveDate, Utc};
use const_format::concatcp;
use tenancy::{DbError, TenantTx};
use values::{Page, PageRequest, Quantity};

use crate::ids::{AlertId, LocationId, VariantId};
pub use crate::statuses::AlertState;
pub use crate::stock::alert_review::review_overdue;

impl AlertState {
    pub(crate) fn of(is_out: bool, is_covered: bool) -> Self {
        match (is_out, is_covered) {
            (true, _) => Self::Out,
            (false, true) => Self::Covered,
            (false, false) => Self::Low,
        }
    }
}

/// An open alert, with the stock and the incoming stock of its variant at its location.
#[derive(Debug, Clone)]
pub struct Alert {
    /// The id of the alert; lists of alerts are sorted by it.
    pub id: AlertId,
    /// The variant whose stock is low.
    pub variant_id: VariantId,
    /// The location where the stock is low.
    pub location_id: LocationId,
    /// The SKU of the variant.
    pub sku: String,
    /// The name of the product.
    pub name: String,
    /// The state today, in the time zone of the business.
    pub state: AlertState,
    /// Whether incoming stock will bring available stock above the reorder level. May be true for a variant
    /// that is out.
    pub is_covered: bool,
    /// On hand less reserved at the location, in sale units.
    pub available: Quantity,
    /// The reorder level of the variant at the location, in sale units; zero if none is set.
    pub reorder_level: Quantity,
    /// The quantity on its way to the location, in sale units: ordered from suppliers, not received yet and
    /// not overdue, or in transit from another location.
    pub incoming: Quantity,
    /// The first day on which incoming stock is expected; `None` if no day is known or nothing is incoming.
    pub arrives_on: Option<NaiveDate>,
    /// When the alert was opened; a change of its state keeps this time.
    pub opened_at: DateTime<Utc>,
}

tenancy::from_row!(Alert {
    id,
    variant_id,
    location_id,
    sku,
    name,
    state,
    is_covered,
    available,
    reorder_level,
    incoming,
    arrives_on,
    opened_at,
});

/// Which alerts a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlertFilter {
    /// Only alerts in this state; `None` lists those in the states low and out.
    pub state: Option<AlertState>,
    /// Only the alerts of this location; `None` lists those of all locations.
    pub location_id: Option<LocationId>,
}

/// The condition that alert `a` is covered on the business's day of [`TODAY`].
pub const IS_COVERED: &str = "(a.is_covered AND (a.covered_until IS NULL OR a.covered_until >= today.today))";

/// The state of alert `a` on the business's day of [`TODAY`]: an [`AlertState`].
const STATE: &str =
    concatcp!("CASE WHEN a.is_out THEN 'out' WHEN ", IS_COVERED, " THEN 'covered' ELSE 'low' END");

/// The business's day at the moment `$1`, as table `today`.
pub const TODAY: &str =
    concatcp!("(SELECT ", crate::day_of!("$1::timestamptz", "s"), " AS today FROM settings s) today");

/// The goods on their way to the location of `a`, which is any table with a variant and a location: the open
/// lines of purchase orders with the day on which they are expected, and the lines of transfers in transit.
pub(crate) const ON_ITS_WAY: &str = "
         SELECT ol.quantity - ol.received AS quantity, o.expected_on
           FROM purchase_order_lines ol
           JOIN purchase_orders o ON o.id = ol.purchase_order_id
          WHERE ol.variant_id = a.variant_id AND ol.received < ol.quantity
            AND o.location_id = a.location_id
            AND o.status IN ('SENT', 'CONFIRMED')
          UNION ALL
         SELECT tl.quantity - tl.received - tl.sent_back - tl.written_off, NULL
           FROM stock_transfer_lines tl
           JOIN stock_transfers t ON t.id = tl.transfer_id
          WHERE tl.variant_id = a.variant_id AND tl.received + tl.sent_back + tl.written_off < tl.quantity
            AND t.to_location_id = a.location_id";

/// The incoming stock of alert `a` that is not overdue on the day of [`TODAY`], as table `coming`.
pub(crate) const COMING: &str = concatcp!(
    "LATERAL (
         SELECT coalesce(sum(quantity), 0) AS incoming, min(expected_on) AS arrives_on
           FROM (",
    ON_ITS_WAY,
    ") on_its_way
          WHERE expected_on IS NULL OR expected_on >= today.today) coming"
);

/// A page of the open alerts, newest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &TenantTx,
    filter: &AlertFilter,
    page: &PageRequest<AlertId>,
) -> Result<Page<Alert>, DbError> {
    const LIST: &str = concatcp!(
        "WITH page AS (
            SELECT a.id, a.variant_id, a.location_id, ",
        STATE,
        " AS state, ",
        IS_COVERED,
        " AS is_covered, a.opened_at, today.today
              FROM low_stock_alerts a, ",
        TODAY,
        " WHERE a.closed_at IS NULL AND a.id < $2 AND ($4::uuid IS NULL OR a.location_id = $4) AND ",
        STATE,
        " = ANY ($5)
            ORDER BY a.id DESC
            LIMIT $3
        )
        SELECT a.id, a.variant_id, a.location_id, v.sku, p.name, a.state, a.is_covered,
               s.on_hand - s.reserved AS available,
               coalesce(s.reorder_level, v.reorder_level, 0) AS reorder_level, coming.incoming,
               coming.arrives_on, a.opened_at
          FROM page a
          JOIN variants v ON v.id = a.variant_id
          JOIN products p ON p.id = v.product_id
          JOIN stock_levels s ON s.variant_id = a.variant_id AND s.location_id = a.location_id
         CROSS JOIN LATERAL (SELECT a.today) today
         CROSS JOIN ",
        COMING,
        " ORDER BY a.id DESC"
    );
    let states = filter.state.map_or(vec![AlertState::Low, AlertState::Out], |state| vec![state]);
    let (below, limit) = (page.below(), page.limit.and_one());
    let alerts = tx.rows(LIST, &[&tx.now(), &below, &limit, &filter.location_id, &states]).await?;
    Ok(page.page(alerts, |alert: &Alert| alert.id))
}
