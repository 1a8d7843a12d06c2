//! The value of a stock level, and how it changes when goods arrive and leave.
//!
//! Value is conserved: a level has exactly what its movements brought and took. The average cost is the value
//! divided by the quantity, and is never stored. The last unit that leaves takes all that is left. Where the
//! value of a level must change without goods, the change is a revaluation, which is a movement of its own.

use values::{Money, Quantity, StockValue};

/// What the goods of a posting cost.
#[derive(Debug, Clone, Copy)]
pub enum Cost {
    /// The average cost of the level at that moment. Goods that arrive at an empty level have the cost of the
    /// goods that were there last, or else the catalogue's cost.
    Average,
    /// The cost of one unit.
    PerUnit(Money),
    /// The cost of all goods of the posting, if known.
    Whole(Option<StockValue>),
    /// No goods move: this is the right cost of one unit of the goods on hand.
    Revalued(Money),
    /// As [`Cost::Whole`], for goods that arrive and leave in one step, such as a scrapped return. The value
    /// of the level stays as it is.
    Passing(Option<StockValue>),
}

/// The value of a stock level.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LevelValue {
    pub on_hand: Quantity,
    /// The cost of the goods on hand. `None`: no cost is known.
    pub value: Option<StockValue>,
    /// The cost of one unit of the goods that were on hand last, for goods that are found at an empty level.
    pub last_cost: Option<StockValue>,
    /// The catalogue's unit cost, for goods without another cost.
    pub catalogue_cost: Option<Money>,
}

/// The effect of goods that arrived or left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The cost of the goods, not negative. `None`: not known.
    pub cost: Option<StockValue>,
    /// What the value of the level gained or lost beside that.
    pub revaluation: StockValue,
}

const ONE: Quantity = Quantity::from_decimal(rust_decimal::Decimal::ONE);

impl LevelValue {
    /// The value of the goods that are there, if there are any and their cost is known.
    fn known(&self) -> Option<StockValue> {
        self.value.filter(|_| self.on_hand.is_positive())
    }

    /// What `quantity` units cost here, as far as that can be known.
    fn estimate(&self, quantity: Quantity) -> Option<StockValue> {
        let is_empty = !self.on_hand.is_positive();
        self.known()
            .map(|value| value.part(quantity, self.on_hand))
            .or(self.last_cost.filter(|_| is_empty).map(|cost| cost.part(quantity, ONE)))
            .or(self.catalogue_cost.map(|cost| StockValue::of(quantity, cost)))
    }

    /// Corrects the cost of one unit of the goods on hand.
    pub(crate) fn revalue(&mut self, unit_cost: Money) -> Moved {
        let value = StockValue::of(self.on_hand, unit_cost);
        let revaluation = value - self.known().unwrap_or_default();
        self.value = Some(value);
        Moved { cost: None, revaluation }
    }

    /// Adds goods. Goods of unknown cost are valued as soon as they are together with goods of known cost.
    pub(crate) fn arrive(&mut self, quantity: Quantity, cost: Cost) -> Moved {
        let cost = match cost {
            Cost::Average => self.estimate(quantity),
            Cost::PerUnit(cost) => Some(StockValue::of(quantity, cost)),
            Cost::Whole(cost) => cost,
            Cost::Revalued(_) => None,
            Cost::Passing(cost) => {
                self.on_hand += quantity;
                return Moved { cost, revaluation: StockValue::ZERO };
            }
        };
        let revaluation = match (cost, self.known()) {
            (Some(cost), None) if self.on_hand.is_positive() => cost.part(self.on_hand, quantity),
            (None, Some(value)) => value.part(quantity, self.on_hand),
            _ => StockValue::ZERO,
        };
        self.value = match (cost, self.known()) {
            (None, None) => None,
            (cost, value) => Some(cost.unwrap_or_default() + value.unwrap_or_default() + revaluation),
        };
        self.on_hand += quantity;
        Moved { cost, revaluation }
    }

    /// Takes goods away.
    pub(crate) fn leave(&mut self, quantity: Quantity, cost: Cost) -> Moved {
        match cost {
            Cost::Passing(cost) => {
                self.on_hand -= quantity;
                Moved { cost, revaluation: StockValue::ZERO }
            }
            Cost::PerUnit(cost) => self.leave_at(quantity, StockValue::of(quantity, cost)),
            Cost::Whole(Some(cost)) => self.leave_at(quantity, cost),
            Cost::Average | Cost::Whole(None) | Cost::Revalued(_) => self.leave_at_average(quantity),
        }
    }

    fn leave_at_average(&mut self, quantity: Quantity) -> Moved {
        let cost = self.known().map(|value| value.part(quantity, self.on_hand));
        if let (Some(value), Some(cost)) = (self.value, cost) {
            self.value = Some(value - cost);
        }
        if quantity == self.on_hand {
            self.last_cost = cost.map(|cost| cost.part(ONE, quantity)).or(self.last_cost);
        }
        self.on_hand -= quantity;
        Moved { cost, revaluation: StockValue::ZERO }
    }

    /// Takes away goods that came in at a cost, as if they had never come. If other goods have left since, at
    /// an average with this cost in it, less may be left than that: then the goods that stay keep their
    /// average cost, and the difference is a revaluation.
    fn leave_at(&mut self, quantity: Quantity, cost: StockValue) -> Moved {
        let left = self.on_hand - quantity;
        if self.known().is_none() && left.is_positive() {
            // The goods that stay still have no known cost.
            self.on_hand = left;
            return Moved { cost: Some(cost), revaluation: cost };
        }
        let before = self.known().unwrap_or_default();
        let rest = before - cost;
        let stays = match () {
            () if left.is_zero() => StockValue::ZERO,
            () if rest.is_negative() => before.part(left, self.on_hand),
            () => rest,
        };
        self.value = Some(stays);
        if left.is_zero() {
            self.last_cost = None;
        }
        self.on_hand = left;
        Moved { cost: Some(cost), revaluation: stays - rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn told(level: &LevelValue) -> String {
        let value =
            level.value.map_or("unknown".to_owned(), |value| value.as_decimal().normalize().to_string());
        format!("{} for {value}", level.on_hand)
    }

    #[test]
    fn the_last_unit_takes_what_is_left() {
        let mut level = LevelValue::default();
        level.arrive(quantity("3"), Cost::PerUnit(money("0.3333")));
        level.arrive(quantity("4"), Cost::PerUnit(money("1")));
        let mut left = StockValue::ZERO;
        for _ in 0..7 {
            left += level.leave(quantity("1"), Cost::Average).cost.unwrap();
        }
        assert_eq!(left.as_decimal().normalize().to_string(), "4.9999");
        assert_eq!(told(&level), "0 for 0");
    }

    #[test]
    fn goods_that_are_found_at_an_empty_level_cost_what_the_last_ones_did() {
        let mut level = LevelValue { catalogue_cost: Some(money("9")), ..LevelValue::default() };
        level.arrive(quantity("2"), Cost::PerUnit(money("4")));
        level.leave(quantity("2"), Cost::Average);
        level.arrive(quantity("3"), Cost::Average);
        assert_eq!(told(&level), "3 for 12");
    }

    #[test]
    fn goods_of_unknown_cost_are_valued_when_they_meet_goods_of_known_cost() {
        let mut level = LevelValue::default();
        assert_eq!(level.arrive(quantity("10"), Cost::Average).cost, None);
        assert_eq!(told(&level), "10 for unknown");
        let moved = level.arrive(quantity("5"), Cost::PerUnit(money("4")));
        assert_eq!(moved.revaluation, StockValue::of(quantity("10"), money("4")));
        assert_eq!(told(&level), "15 for 60");
        let moved = level.arrive(quantity("5"), Cost::Whole(None));
        assert_eq!((moved.cost, moved.revaluation), (None, StockValue::of(quantity("5"), money("4"))));
        assert_eq!(told(&level), "20 for 80");
    }

    #[test]
    fn a_wrong_cost_is_corrected_for_the_goods_that_are_there() {
        let mut level = LevelValue::default();
        level.arrive(quantity("10"), Cost::PerUnit(money("100")));
        level.leave(quantity("4"), Cost::Average);
        assert_eq!(
            level.revalue(money("1.5")).revaluation,
            StockValue::ZERO - StockValue::of(ONE, money("591"))
        );
        assert_eq!(told(&level), "6 for 9");
    }

    #[test]
    fn goods_of_unknown_cost_stay_so_when_some_leave_at_a_cost() {
        let mut level = LevelValue::default();
        level.arrive(quantity("10"), Cost::Average);
        let moved = level.leave(quantity("5"), Cost::PerUnit(money("4")));
        let cost = StockValue::of(quantity("5"), money("4"));
        assert_eq!(
            (moved.cost, moved.revaluation, told(&level).as_str()),
            (Some(cost), cost, "5 for unknown")
        );
        level.arrive(quantity("5"), Cost::PerUnit(money("4")));
        assert_eq!(told(&level), "10 for 40");
    }

    #[test]
    fn a_reversal_takes_exactly_what_came() {
        let mut level = LevelValue::default();
        level.arrive(quantity("10"), Cost::PerUnit(money("1")));
        level.arrive(quantity("10"), Cost::PerUnit(money("3")));
        level.leave(quantity("1"), Cost::Average);
        let moved = level.leave(quantity("10"), Cost::PerUnit(money("3")));
        assert_eq!((told(&level).as_str(), moved.revaluation), ("9 for 8", StockValue::ZERO));
        // Nothing is left of the goods, and more has left at the average than the other goods had cost.
        let moved = level.leave(quantity("9"), Cost::PerUnit(money("1")));
        assert_eq!((told(&level).as_str(), moved.revaluation), ("0 for 0", StockValue::of(ONE, money("1"))));
    }
}
