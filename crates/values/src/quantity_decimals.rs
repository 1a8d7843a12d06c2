//! The number of decimals of a product's quantities.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

use crate::{Quantity, column_as};

/// The number of decimals of a product's quantities, 0 to 3. 0 means whole units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i16", into = "i16")]
pub struct QuantityDecimals(i16);

column_as!(QuantityDecimals, i16);

/// The number is not 0 to 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity may have 0 to 3 decimals")]
pub struct QuantityDecimalsError;

impl QuantityDecimals {
    /// As many decimals as a quantity can have.
    pub const THREE: Self = Self(3);

    /// Whether the quantity has no more decimals than this. Zeros at the end do not count.
    pub fn allows(self, quantity: Quantity) -> bool {
        quantity.as_decimal().normalize().scale() <= u32::from(self.0.unsigned_abs())
    }
}

impl TryFrom<i16> for QuantityDecimals {
    type Error = QuantityDecimalsError;
    fn try_from(number: i16) -> Result<Self, QuantityDecimalsError> {
        if (0..=3).contains(&number) { Ok(Self(number)) } else { Err(QuantityDecimalsError) }
    }
}

impl From<QuantityDecimals> for i16 {
    fn from(decimals: QuantityDecimals) -> i16 {
        decimals.0
    }
}

impl std::fmt::Display for QuantityDecimals {
    /// As the end of the sentence "the product is sold ...".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => f.write_str("in whole units"),
            1 => f.write_str("with up to 1 decimal"),
            several => write!(f, "with up to {several} decimals"),
        }
    }
}

impl utoipa::PartialSchema for QuantityDecimals {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(0))
            .maximum(Some(3))
            .description(Some("The number of decimals of the product's quantities. 0 means whole units."))
            .into()
    }
}

impl utoipa::ToSchema for QuantityDecimals {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_are_no_decimals() {
        let quantity = |text: &str| Quantity::parse(text).unwrap();
        let (none, two) = (QuantityDecimals::default(), QuantityDecimals::try_from(2).unwrap());
        assert!(none.allows(quantity("7.000")) && !none.allows(quantity("0.5")));
        assert!(two.allows(quantity("-0.25")) && !two.allows(quantity("0.125")));
        assert!(QuantityDecimals::THREE.allows(quantity("0.125")));
        assert_eq!(
            (none.to_string(), two.to_string()),
            ("in whole units".into(), "with up to 2 decimals".into())
        );
        assert!(QuantityDecimals::try_from(4).is_err() && QuantityDecimals::try_from(-1).is_err());
    }
}
