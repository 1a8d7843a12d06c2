//! Exact amounts: decimal strings in JSON, numeric in SQL, never a float.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The text is no amount of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    #[error("a decimal string consists of digits, perhaps a leading '-' and a point, such as \"12.50\"")]
    Malformed,
    #[error("at most {0} decimals are kept")]
    TooFine(u32),
    #[error("the amount has more than {0} digits before the point")]
    TooLarge(u32),
}

/// Reads `text` as numeric(14, `scale`).
fn parse(text: &str, scale: u32) -> Result<Decimal, DecimalError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.len() > 40 || !all_digits(whole) || !all_digits(fraction) {
        return Err(DecimalError::Malformed);
    }
    if fraction.trim_end_matches('0').len() > scale as usize {
        return Err(DecimalError::TooFine(scale));
    }
    if whole.trim_start_matches('0').len() > 14 - scale as usize {
        return Err(DecimalError::TooLarge(14 - scale));
    }
    let mut value =
        Decimal::from_str_exact(text.trim_end_matches('.')).map_err(|_| DecimalError::Malformed)?;
    if value.scale() > scale {
        value.rescale(scale);
    }
    // There is no negative zero in the books.
    if value.is_zero() { Ok(Decimal::ZERO) } else { Ok(value) }
}

macro_rules! decimals {
    ($($(#[$doc:meta])* $name:ident with $scale:literal decimals,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Decimal);

        impl $name {
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// # Errors
            /// [`DecimalError`] unless the text is plain digits that fit the column.
            pub fn parse(text: &str) -> Result<Self, DecimalError> {
                parse(text, $scale).map(Self)
            }

            /// A value that the database or exact arithmetic made.
            pub fn from_decimal(value: Decimal) -> Self {
                Self(value)
            }

            pub fn as_decimal(self) -> Decimal {
                self.0
            }

            pub fn is_negative(self) -> bool {
                self.0 < Decimal::ZERO
            }

            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }

            #[must_use]
            pub fn plus(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }

            #[must_use]
            pub fn negated(self) -> Self {
                // There is no negative zero in the books.
                if self.0.is_zero() { self } else { Self(-self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a decimal string such as \"12.50\"")
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                // A JSON number has been a float in somebody's hands already.
                deserializer.deserialize_str(Text)
            }
        }
    )*};
}

decimals! {
    /// An amount of money: numeric(14, 4).
    Money with 4 decimals,
    /// A quantity in sale units: numeric(14, 3).
    Quantity with 3 decimals,
    /// A part of a hundred, such as a tax's or a discount's.
    Percent with 4 decimals,
}

impl Money {
    /// What one unit costs, as the books keep it: to four decimals, half away from zero.
    pub fn rounded(value: Decimal) -> Self {
        Self(value.round_dp_with_strategy(4, RoundingStrategy::MidpointAwayFromZero))
    }
}

impl Percent {
    /// Whether it is from 0 to 100.
    pub fn is_share(self) -> bool {
        (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&self.0)
    }

    /// Whether it is a share that the settings can hold: numeric(5, 2).
    pub fn is_setting(self) -> bool {
        self.is_share() && self.0.normalize().scale() <= 2
    }
}

macro_rules! trimmed {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.normalize().fmt(f)
            }
        }

        impl Serialize for $name {
            /// Trailing zeros are trimmed: `"5"`, `"0.25"`.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
trimmed!(Quantity, Percent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals_are_exact() {
        assert_eq!(Money::parse("9999999999.9999").unwrap().as_decimal().to_string(), "9999999999.9999");
        assert_eq!(Quantity::parse("-0.125").unwrap().to_string(), "-0.125");
        assert_eq!(Quantity::parse("5.000").unwrap().to_string(), "5");
        assert_eq!(Quantity::parse("-0").unwrap().to_string(), "0");
        assert_eq!(Quantity::parse("007.5000000").unwrap().to_string(), "7.5");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "-", ".", "1.", ".5", "1e3", "+1", " 1", "1 ", "1,5", "NaN", "Infinity", "0x1", "1.2.3",
            "--1", "١",
        ] {
            assert_eq!(Money::parse(text), Err(DecimalError::Malformed), "{text:?}");
        }
        assert_eq!(Money::parse("0.00001"), Err(DecimalError::TooFine(4)));
        assert_eq!(Quantity::parse("0.0001"), Err(DecimalError::TooFine(3)));
        assert_eq!(Money::parse("10000000000"), Err(DecimalError::TooLarge(10)));
        assert_eq!(Quantity::parse("-100000000000"), Err(DecimalError::TooLarge(11)));
        assert!(Quantity::parse(&"9".repeat(1000)).is_err());
    }

    #[test]
    fn a_json_number_is_not_a_decimal() {
        assert!(serde_json::from_str::<Money>("1.5").is_err());
        assert!(serde_json::from_str::<Money>("\"1.5\"").is_ok());
    }
}
