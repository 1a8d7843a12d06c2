//! Exact amounts: decimal strings in JSON, numeric in SQL, never a float.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use crate::amount::Amount;
use crate::macros::TextForm;
use crate::{column_as, from_text};

/// The text is not an amount of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The text is not plain digits with at most a leading minus sign and one decimal point between digits.
    /// A text of more than 40 characters is refused, too.
    #[error("a number must be a decimal string such as \"12.50\" or \"-3\"")]
    Malformed,
    /// The text has more decimals than the type stores. Zeros at the end do not count. The value is the
    /// number allowed.
    #[error("at most {0} decimals are allowed")]
    TooFine(u32),
    /// The text has too many digits before the decimal point. Zeros at the start do not count. The value is
    /// the number allowed.
    #[error("at most {0} digits are allowed before the decimal point")]
    TooLarge(u32),
}

/// The number of characters of the longest text that is read.
const LONGEST: usize = 40;

/// Reads `text` as numeric(14, `scale`).
fn parse(text: &str, scale: u32) -> Result<Decimal, DecimalError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.len() > LONGEST || !all_digits(whole) || !all_digits(fraction) {
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

/// The form of a decimal string, for the API document. Without the format `decimal`: generators make floats
/// of it.
fn form(pattern: &str) -> TextForm<'_> {
    TextForm::pattern(pattern).at_most(LONGEST)
}

/// A regular expression for the texts that [`parse`] reads, with `sign` in front.
fn digits(sign: &str, scale: u32) -> String {
    format!(r"^{sign}0*[0-9]{{1,{}}}(\.[0-9]{{1,{scale}}}0*)?$", 14 - scale)
}

/// The largest value of numeric(14, `scale`): fourteen nines.
const fn largest(scale: u32) -> Decimal {
    const NINES: u64 = 99_999_999_999_999;
    Decimal::from_parts(NINES as u32, (NINES >> 32) as u32, 0, false, scale)
}

macro_rules! decimals {
    ($($(#[doc = $doc:literal])+ $name:ident with $scale:literal decimals,)*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Decimal);

        column_as!($name, Decimal);

        impl $name {
            /// Zero, which is also the default.
            pub const ZERO: Self = Self(Decimal::ZERO);
            /// The largest value: fourteen nines.
            pub const MAX: Self = Self(largest($scale));

            /// # Errors
            /// [`DecimalError`] unless the text is a plain decimal number that fits the type.
            pub fn parse(text: &str) -> Result<Self, DecimalError> {
                parse(text, $scale).map(Self)
            }

            /// Wraps a value that exact arithmetic made. The value is not checked.
            pub const fn from_decimal(value: Decimal) -> Self {
                Self(value)
            }

            /// The number, for exact arithmetic.
            pub const fn as_decimal(self) -> Decimal {
                self.0
            }

            /// Whether the number is less than zero.
            pub fn is_negative(self) -> bool {
                self.0 < Decimal::ZERO
            }

            /// Whether the number is greater than zero.
            pub fn is_positive(self) -> bool {
                self.0 > Decimal::ZERO
            }

            /// Whether the number is zero, whatever its number of decimals.
            pub const fn is_zero(self) -> bool {
                self.0.is_zero()
            }
        }

        impl FromStr for $name {
            type Err = DecimalError;
            fn from_str(text: &str) -> Result<Self, DecimalError> {
                Self::parse(text)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                // There is no negative zero in the books.
                if self.0.is_zero() { self } else { Self(-self.0) }
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                Self(amounts.map(|amount| amount.0).sum())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer, "a decimal string such as \"12.50\"")
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                form(&digits("-?", $scale)).schema(concat!($($doc, "\n"),+))
            }
        }

        impl utoipa::ToSchema for $name {}

        impl Signed for $name {
            const SCALE: u32 = $scale;
            fn is_negative(&self) -> bool {
                Self::is_negative(*self)
            }
            fn is_zero(&self) -> bool {
                Self::is_zero(*self)
            }
        }
    )*};
}

decimals! {
    /// An amount of money as a decimal string: up to 10 digits before the decimal point and 4 after it.
    Money with 4 decimals,
    /// A quantity in sale units as a decimal string: up to 11 digits before the decimal point and 3 after it.
    Quantity with 3 decimals,
    /// The price of one unit of a currency in another currency, as a decimal string: up to 6 digits before
    /// the decimal point and 8 after it.
    ExchangeRate with 8 decimals,
    /// A percentage as a decimal string, such as the rate of a tax or a discount.
    Percent with 4 decimals,
}

impl Positive<Quantity> {
    /// The sum of two quantities. It may be larger than [`Quantity::MAX`].
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Money {
    /// The cost of one unit as the books store it: 4 decimals, rounded half away from zero.
    pub fn rounded(value: Decimal) -> Self {
        Self(value.round_dp_with_strategy(4, RoundingStrategy::MidpointAwayFromZero))
    }

    /// The amount with every decimal that it has, and no trailing zeros: costs may be finer than the
    /// currency.
    pub fn plain(self) -> Amount {
        Amount::exact(self.0.normalize())
    }
}

impl ExchangeRate {
    /// The rate of a currency to itself.
    pub const ONE: Self = Self(Decimal::ONE);
}

impl Percent {
    /// 100 percent: the whole amount.
    pub const HUNDRED: Self = Self(Decimal::ONE_HUNDRED);

    /// Whether it is from 0 to 100.
    pub fn is_share(self) -> bool {
        (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&self.0)
    }

    /// Whether the settings can hold it: it is from 0 to 100 and has at most two decimals.
    pub fn is_setting(self) -> bool {
        self.is_share() && self.0.normalize().scale() <= 2
    }

    /// This share of an amount, not rounded.
    pub fn of(self, amount: Decimal) -> Decimal {
        amount * self.0 / Decimal::ONE_HUNDRED
    }
}

/// A percentage from 0 to 100, as a request has it, for the API document.
pub struct Share;

impl utoipa::PartialSchema for Share {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        TextForm::pattern(r"^0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,4}0*)?)$")
            .at_most(LONGEST)
            .such_as("16")
            .schema("A percentage from 0 to 100, as a decimal string with up to 4 decimals.")
    }
}

impl utoipa::ToSchema for Share {}

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
trimmed!(Quantity, Percent, ExchangeRate);

/// An amount that has a sign.
pub trait Signed {
    /// The number of decimals that are stored.
    const SCALE: u32;
    /// Whether the amount is less than zero.
    fn is_negative(&self) -> bool;
    /// Whether the amount is zero.
    fn is_zero(&self) -> bool;
}

/// The amount has a sign that is not allowed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The value is zero or negative where it must be positive.
    #[error("the value must be greater than zero")]
    NotPositive,
    /// The value is less than zero where zero is the minimum.
    #[error("the value must not be negative")]
    Negative,
}

macro_rules! bounded {
    ($($(#[doc = $doc:literal])+ $name:ident, $error:ident, $is_refused:expr, $sign:literal;)*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name<T>(T);

        // A generic type has no other way to give its schema.
        impl<T: Signed> utoipa::__dev::ComposeSchema for $name<T> {
            fn compose(
                _: Vec<utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>>,
            ) -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                form(&digits($sign, T::SCALE)).schema(concat!($($doc, "\n"),+))
            }
        }

        impl<T: Signed + utoipa::ToSchema> utoipa::ToSchema for $name<T> {
            fn name() -> std::borrow::Cow<'static, str> {
                format!("{}{}", stringify!($name), T::name()).into()
            }
        }

        impl<T: Signed + Copy> $name<T> {
            /// # Errors
            /// [`SignError`] when the amount is not in the range of this type.
            pub fn new(amount: T) -> Result<Self, SignError> {
                let is_refused: fn(&T) -> bool = $is_refused;
                if is_refused(&amount) { Err(SignError::$error) } else { Ok(Self(amount)) }
            }

            /// The amount itself.
            pub fn get(self) -> T {
                self.0
            }
        }

        impl<'de, T: Signed + Copy + Deserialize<'de>> Deserialize<'de> for $name<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(T::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

bounded! {
    /// A decimal string whose value is greater than zero.
    Positive, NotPositive, |amount| amount.is_negative() || amount.is_zero(), "(?=.*[1-9])";
    /// A decimal string whose value is zero or greater.
    NonNegative, Negative, |amount| amount.is_negative(), "";
}

impl<T: Signed + Copy + Default> Default for NonNegative<T> {
    /// Zero.
    fn default() -> Self {
        Self(T::default())
    }
}

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
    fn the_largest_amount_is_the_column_s() {
        assert_eq!(Money::MAX, Money::parse("9999999999.9999").unwrap());
        assert_eq!(Quantity::MAX, Quantity::parse("99999999999.999").unwrap());
    }

    #[test]
    fn a_json_number_is_not_a_decimal() {
        assert!(serde_json::from_str::<Money>("1.5").is_err());
        assert!(serde_json::from_str::<Money>("\"1.5\"").is_ok());
    }

    #[test]
    fn a_sign_is_checked_once() {
        let quantity = |text: &str| Quantity::parse(text).unwrap();
        assert_eq!(Positive::new(quantity("0")), Err(SignError::NotPositive));
        assert_eq!(Positive::new(quantity("-1")), Err(SignError::NotPositive));
        assert_eq!(Positive::new(quantity("0.001")).unwrap().get(), quantity("0.001"));
        assert_eq!(NonNegative::new(quantity("-0.001")), Err(SignError::Negative));
        assert!(NonNegative::new(quantity("0")).is_ok());
    }
}
