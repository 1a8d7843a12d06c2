//! Reorder suggestions: for each variant and location with a low-stock alert that incoming stock does not
//! cover, how many to order, from whom and at what price, or from which location to transfer them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use const_format::concatcp;
use rust_decimal::Decimal;
use tenancy::{DbError, TenantTx};
use values::{Money, Quantity, Sku};

use crate::ids::{LocationId, SupplierId, VariantId};
use crate::purchasing::purchase_order;
use crate::purchasing::surplus::{self, SOLD, Surpluses};
use crate::stock::alert::{COMING, IS_COVERED, TODAY};

/// A purchase order that could be placed with one supplier.
#[derive(Debug, Clone)]
pub struct Suggestion {
    /// The id and the name of the supplier. `None` for variants for which no supplier has a price. An
    /// archived supplier does not count.
    pub supplier: Option<(SupplierId, String)>,
    /// The location where stock is needed.
    pub location_id: LocationId,
    /// Lines in one currency, at most as many as a purchase order may have.
    pub lines: Vec<SuggestedLine>,
}

/// A line of a suggestion.
#[derive(Debug, Clone)]
pub struct SuggestedLine {
    /// The variant to order.
    pub variant_id: VariantId,
    /// The business's own code of the variant.
    pub sku: Sku,
    /// The name of the variant's product.
    pub name: String,
    /// The available stock at the location, in sale units.
    pub available: Quantity,
    /// The quantity on its way to the location, in sale units: the open quantity of purchase orders that are
    /// sent or confirmed and not overdue, and the quantity in transit from other locations.
    pub incoming: Quantity,
    /// The reorder level of the variant at the location, in sale units; zero if it has none.
    pub reorder_level: Quantity,
    /// The target quantity of the variant at the location, in sale units. `None` if none is set.
    pub target_quantity: Option<Quantity>,
    /// The quantity sold at the location in the last 30 days, less the quantity returned, in sale units.
    pub sold: Quantity,
    /// Whether to buy the goods or to transfer them.
    pub source: Source,
    /// The quantity to order or to transfer, in sale units: at least one. A quantity to order is at least the
    /// supplier's minimum quantity.
    pub quantity: Quantity,
    /// The supplier's price; `None` if no supplier has a price for the variant.
    pub price: Option<SuggestedPrice>,
}

/// From where the goods of a line come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The supplier.
    Purchase,
    /// This location, which has more than it needs.
    Transfer(LocationId),
}

/// The price in force of the chosen supplier.
#[derive(Debug, Clone)]
pub struct SuggestedPrice {
    /// The cost of one unit, in `currency`.
    pub cost: Money,
    /// The code of the currency (ISO 4217), such as EUR.
    pub currency: String,
    /// The supplier's own code of the variant; `None` if the price has none.
    pub supplier_sku: Option<Sku>,
    /// The smallest quantity that the supplier sells, in sale units; `None` for no minimum.
    pub minimum_quantity: Option<Quantity>,
    /// Days from order to arrival: those of the price, or else of the supplier; `None` if unknown.
    pub lead_time_days: Option<i16>,
}

/// Suggestions, and whether there are more than [`MAX_LINES`] lines.
#[derive(Debug, Clone)]
pub struct Suggestions {
    /// In the order of the suppliers' names; suggestions without a supplier come last.
    pub suggestions: Vec<Suggestion>,
    /// Whether lines were left out, because there are more than [`MAX_LINES`].
    pub has_more: bool,
}

/// The largest number of suggested lines. They are taken from the oldest alerts.
pub const MAX_LINES: i64 = 1000;

/// The number of days of sales for which an order should last.
const DAYS: i64 = 30;

struct Row {
    variant_id: VariantId,
    location_id: LocationId,
    sku: Sku,
    name: String,
    available: Quantity,
    incoming: Quantity,
    reorder_level: Quantity,
    target_quantity: Option<Quantity>,
    sold: Quantity,
    supplier_id: Option<SupplierId>,
    supplier_name: Option<String>,
    cost: Option<Money>,
    currency: Option<String>,
    supplier_sku: Option<Sku>,
    minimum_quantity: Option<Quantity>,
    lead_time_days: Option<i16>,
}

tenancy::from_row!(Row {
    variant_id,
    location_id,
    sku,
    name,
    available,
    incoming,
    reorder_level,
    target_quantity,
    sold,
    supplier_id,
    supplier_name,
    cost,
    currency,
    supplier_sku,
    minimum_quantity,
    lead_time_days,
});

/// Suggestions by supplier, location and currency: for one location, or for all.
///
/// Of several suppliers the cheapest in the business's currency is chosen, and without one the cheapest in
/// any currency.
///
/// # Errors
/// [`DbError`].
pub async fn suggest(tx: &TenantTx, location: Option<LocationId>) -> Result<Suggestions, DbError> {
    const SUGGEST: &str = concatcp!(
        "WITH needed AS (
            SELECT a.id, a.variant_id, a.location_id, coming.incoming
              FROM low_stock_alerts a
             CROSS JOIN ",
        TODAY,
        " CROSS JOIN ",
        COMING,
        " WHERE a.closed_at IS NULL AND NOT ",
        IS_COVERED,
        "   AND ($4::uuid IS NULL OR a.location_id = $4)
            ORDER BY a.id
            LIMIT $3
        ), asked AS (
            SELECT DISTINCT ON (sp.variant_id, sp.supplier_id)
                   sp.variant_id, sp.supplier_id, s.name AS supplier_name, sp.cost, sp.currency,
                   sp.supplier_sku, sp.minimum_quantity,
                   coalesce(sp.lead_time_days, s.lead_time_days) AS lead_time_days
              FROM supplier_prices sp JOIN suppliers s ON s.id = sp.supplier_id AND s.archived_at IS NULL
             WHERE sp.variant_id IN (SELECT variant_id FROM needed)
             ORDER BY sp.variant_id, sp.supplier_id, sp.valid_from DESC, sp.id DESC
        ), best AS (
            SELECT DISTINCT ON (asked.variant_id) asked.*
              FROM asked CROSS JOIN settings
             ORDER BY asked.variant_id, asked.currency = settings.currency DESC, asked.cost, asked.supplier_id
        )
        SELECT n.variant_id, n.location_id, v.sku, p.name, s.on_hand - s.reserved AS available, n.incoming,
               coalesce(s.reorder_level, v.reorder_level, 0) AS reorder_level,
               coalesce(s.target_quantity, v.target_quantity) AS target_quantity, sales.sold, b.supplier_id,
               b.supplier_name, b.cost, b.currency, b.supplier_sku, b.minimum_quantity, b.lead_time_days
          FROM needed n
          JOIN variants v ON v.id = n.variant_id
          JOIN products p ON p.id = v.product_id
          JOIN stock_levels s ON s.variant_id = n.variant_id AND s.location_id = n.location_id
          LEFT JOIN best b ON b.variant_id = n.variant_id
         CROSS JOIN ",
        SOLD,
        "ORDER BY b.supplier_name, b.supplier_id, n.location_id, b.currency, n.id"
    );
    let since = tx.now() - TimeDelta::days(DAYS);
    let mut rows = tx.rows::<Row>(SUGGEST, &[&tx.now(), &since, &(MAX_LINES + 1), &location]).await?;
    let has_more = rows.len() as i64 > MAX_LINES;
    rows.truncate(MAX_LINES as usize);
    let variants: BTreeSet<VariantId> = rows.iter().map(|row| row.variant_id).collect();
    let mut surpluses = Surpluses::read(tx, since, &variants).await?;
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for row in rows {
        let (supplier, location_id, lines) = row.into_parts(&mut surpluses);
        for line in lines {
            match suggestions.last_mut() {
                Some(last) if last.supplier == supplier && last.takes(location_id, &line) => {
                    last.lines.push(line)
                }
                _ => suggestions.push(Suggestion {
                    supplier: supplier.clone(),
                    location_id,
                    lines: vec![line],
                }),
            }
        }
    }
    Ok(Suggestions { suggestions, has_more })
}

impl Suggestion {
    /// Whether one purchase order can hold this line, too: for one location, in one currency, and with no
    /// more lines than a purchase order may have.
    fn takes(&self, location_id: LocationId, line: &SuggestedLine) -> bool {
        fn currency(line: &SuggestedLine) -> Option<&str> {
            line.price.as_ref().map(|price| price.currency.as_str())
        }
        self.location_id == location_id
            && self.lines.first().map(currency) == Some(currency(line))
            && self.lines.len() < purchase_order::MAX_LINES
    }
}

impl Row {
    /// The supplier, the location and the lines: one line, or two where another location has a part of what
    /// is needed.
    fn into_parts(
        self,
        surpluses: &mut Surpluses,
    ) -> (Option<(SupplierId, String)>, LocationId, Vec<SuggestedLine>) {
        let target = surplus::target(self.reorder_level, self.target_quantity, self.sold);
        let needed = needed(target - self.available - self.incoming);
        let (supplier_sku, minimum_quantity) = (self.supplier_sku, self.minimum_quantity);
        let price = self.cost.zip(self.currency).map(|(cost, currency)| SuggestedPrice {
            cost,
            currency,
            supplier_sku,
            minimum_quantity,
            lead_time_days: self.lead_time_days,
        });
        let transfer = surpluses.take(self.variant_id, self.location_id, needed);
        let rest = needed - transfer.map_or(Quantity::ZERO, |(_, quantity)| quantity);
        let purchase = rest.is_positive().then(|| rest.max(minimum_quantity.unwrap_or_default()));
        let purchase = purchase.map(|quantity| (Source::Purchase, quantity));
        let transfer = transfer.map(|(location, quantity)| (Source::Transfer(location), quantity));
        let line = |(source, quantity)| SuggestedLine {
            variant_id: self.variant_id,
            sku: self.sku.clone(),
            name: self.name.clone(),
            available: self.available,
            incoming: self.incoming,
            reorder_level: self.reorder_level,
            target_quantity: self.target_quantity,
            sold: self.sold,
            source,
            quantity,
            price: price.clone(),
        };
        let lines = transfer.into_iter().chain(purchase).map(line).collect();
        (self.supplier_id.zip(self.supplier_name), self.location_id, lines)
    }
}

/// The missing quantity, rounded up to whole units: at least one.
fn needed(missing: Quantity) -> Quantity {
    Quantity::from_decimal(missing.as_decimal().ceil().max(Decimal::ONE))
}
