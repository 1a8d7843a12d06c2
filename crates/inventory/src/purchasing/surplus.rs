//! Surplus stock: what a location has above its own target, so that other locations can get it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use const_format::concatcp;
use tenancy::{DbError, TenantTx};
use values::Quantity;

use crate::ids::{LocationId, VariantId};

/// The quantity of level `s` that was sold since `$2`, less the quantity that was returned, as table `sales`.
pub(crate) const SOLD: &str = "LATERAL (
               SELECT coalesce(-sum(m.quantity), 0) AS sold FROM stock_movements m
                WHERE m.variant_id = s.variant_id AND m.location_id = s.location_id
                  AND m.kind IN ('sale', 'return')
                  AND m.occurred_at >= $2) sales
         ";

/// The stock that a reorder restores: the target that was set, but at least the reorder level. Without a
/// target, the reorder level plus what was sold in a month, or twice the reorder level if that is more.
pub(crate) fn target(reorder_level: Quantity, target: Option<Quantity>, sold: Quantity) -> Quantity {
    match target {
        Some(target) => target.max(reorder_level),
        None => reorder_level + sold.max(reorder_level),
    }
}

/// What is left of the surplus of each variant at each location, in whole units.
pub(crate) struct Surpluses(BTreeMap<VariantId, Vec<(LocationId, Quantity)>>);

struct Row {
    variant_id: VariantId,
    location_id: LocationId,
    available: Quantity,
    is_kept: bool,
    reorder_level: Quantity,
    target_quantity: Option<Quantity>,
    sold: Quantity,
}

tenancy::from_row!(Row { variant_id, location_id, available, is_kept, reorder_level, target_quantity, sold });

impl Surpluses {
    /// Reads the surpluses of some variants. `since` is the beginning of the month whose sales count.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn read(
        tx: &TenantTx,
        since: DateTime<Utc>,
        variants: &BTreeSet<VariantId>,
    ) -> Result<Self, DbError> {
        const READ: &str = concatcp!(
            "SELECT s.variant_id, s.location_id, s.on_hand - s.reserved AS available, s.is_kept,
                    coalesce(s.reorder_level, v.reorder_level, 0) AS reorder_level,
                    coalesce(s.target_quantity, v.target_quantity) AS target_quantity, sales.sold
               FROM stock_levels s
               JOIN variants v ON v.id = s.variant_id
               JOIN locations l ON l.id = s.location_id AND l.archived_at IS NULL
              CROSS JOIN ",
            SOLD,
            "WHERE s.variant_id = ANY ($1) AND s.on_hand - s.reserved >= 1"
        );
        let variants: Vec<VariantId> = variants.iter().copied().collect();
        let mut surpluses: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in tx.rows::<Row>(READ, &[&variants, &since]).await? {
            surpluses.entry(row.variant_id).or_default().push((row.location_id, row.surplus()));
        }
        Ok(Self(surpluses))
    }

    /// Takes up to `needed` units of a variant from the location that has the most to spare, other than
    /// `to`. `None` if no location has a whole unit to spare.
    pub fn take(
        &mut self,
        variant: VariantId,
        to: LocationId,
        needed: Quantity,
    ) -> Option<(LocationId, Quantity)> {
        let others = self.0.get_mut(&variant)?.iter_mut().filter(|(location, _)| *location != to);
        let (location, left) = others.max_by_key(|(location, left)| (*left, *location))?;
        if !left.is_positive() {
            return None;
        }
        let taken = needed.min(*left);
        *left -= taken;
        Some((*location, taken))
    }
}

impl Row {
    fn surplus(&self) -> Quantity {
        let target = match self.is_kept {
            true => target(self.reorder_level, self.target_quantity, self.sold),
            false => Quantity::ZERO,
        };
        Quantity::from_decimal((self.available - target).as_decimal().floor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn a_reorder_restores_the_target_or_a_month_of_sales() {
        let target = |level, target: Option<&str>, sold| {
            super::target(quantity(level), target.map(quantity), quantity(sold)).to_string()
        };
        assert_eq!(target("10", None, "25"), "35");
        assert_eq!(target("10", None, "2"), "20", "few are sold, so the level again");
        assert_eq!(target("0", None, "-4"), "0", "more were returned than sold");
        assert_eq!(target("10", Some("12"), "25"), "12");
        assert_eq!(target("10", Some("3"), "25"), "10", "at least the reorder level");
    }

    #[test]
    fn a_surplus_is_given_away_once() {
        let (variant, needy, rich, richer) =
            (VariantId::new(), LocationId::new(), LocationId::new(), LocationId::new());
        let all = vec![(needy, quantity("9")), (rich, quantity("3")), (richer, quantity("4"))];
        let mut surpluses = Surpluses(BTreeMap::from([(variant, all)]));
        assert_eq!(surpluses.take(variant, needy, quantity("2")), Some((richer, quantity("2"))));
        assert_eq!(surpluses.take(variant, needy, quantity("5")), Some((rich, quantity("3"))));
        assert_eq!(surpluses.take(variant, needy, quantity("5")), Some((richer, quantity("2"))));
        assert_eq!(surpluses.take(variant, needy, quantity("5")), None);
    }
}
