//! Problems of the catalogue.

use inventory::article::ArticleError;
use inventory::bundle::ComponentError;
use inventory::category::CategoryError;
use inventory::product::ProductError;
use inventory::tax_class::TaxError;
use inventory::variant::VariantError;

use crate::http::codes::Code;
use crate::http::problem::Problem;

impl From<CategoryError> for Problem {
    fn from(error: CategoryError) -> Self {
        match error {
            CategoryError::NotFound => Self::not_found(),
            CategoryError::Stale(error) => error.into(),
            CategoryError::DuplicateName(_) => Self::invalid("/name", Code::DuplicateName, error),
            CategoryError::UnknownParent => Self::not_found_at("/parentId", error),
            CategoryError::Cycle => Self::invalid("/parentId", Code::CategoryCycle, error),
            CategoryError::Db(error) => error.into(),
        }
    }
}

impl From<ProductError> for Problem {
    fn from(error: ProductError) -> Self {
        match error {
            ProductError::NotFound => Self::not_found(),
            ProductError::Limit(error) => error.into(),
            ProductError::Stale(error) => error.into(),
            ProductError::UnknownTaxClass => Self::not_found_at("/taxClassId", error),
            ProductError::UnknownCategory => Self::not_found_at("/categoryId", error),
            ProductError::OptionCount(_) => Self::invalid("/options", Code::InvalidOptions, error),
            ProductError::Options => Self::invalid("/options", Code::InvalidOptions, error),
            ProductError::Tags => Self::invalid("/tags", Code::InvalidTags, error),
            ProductError::ArchivedCategory => Self::invalid("/categoryId", Code::CategoryArchived, error),
            ProductError::ArchivedTaxClass => Self::invalid("/taxClassId", Code::TaxClassArchived, error),
            ProductError::BundleTax => Self::invalid("/taxClassId", Code::NotForBundles, error),
            ProductError::BundleDecimals => Self::invalid("/quantityDecimals", Code::NotForBundles, error),
            ProductError::QuantitiesInUse => Self::invalid("/quantityDecimals", Code::QuantitiesInUse, error),
            ProductError::Variant(error) => of_variant(error, |index| format!("/variants/{index}")),
            ProductError::OwnKeys(error) => error.into(),
            ProductError::Db(error) => error.into(),
        }
    }
}

impl From<VariantError> for Problem {
    fn from(error: VariantError) -> Self {
        of_variant(error, |_| String::new())
    }
}

/// `pointer` returns the pointer to the variant with this index in the body of the request.
fn of_variant(error: VariantError, pointer: impl Fn(usize) -> String) -> Problem {
    let field = |index, name: &str| format!("{}/{name}", pointer(index));
    match error {
        VariantError::NotFound | VariantError::UnknownProduct => Problem::not_found(),
        VariantError::Stale(error) => error.into(),
        VariantError::DuplicateSku { index, .. } => {
            Problem::invalid(field(index, "sku"), Code::DuplicateSku, error)
        }
        VariantError::DuplicateBarcode(..) => Problem::because(Code::DuplicateBarcode, &error),
        VariantError::DuplicateOptions => Problem::because(Code::DuplicateOptions, &error),
        VariantError::OptionsMismatch { index } => {
            Problem::invalid(field(index, "options"), Code::OptionsMismatch, error)
        }
        VariantError::TooFine { index, field: name, .. } => {
            Problem::invalid(field(index, name), Code::TooManyDecimals, error)
        }
        VariantError::NotStocked { index, field: name } => {
            Problem::invalid(field(index, name), Code::NotStocked, error)
        }
        VariantError::BundleCost { index } => {
            Problem::invalid(field(index, "cost"), Code::NotForBundles, error)
        }
        VariantError::ComponentCount { index }
        | VariantError::TooManyComponents { index }
        | VariantError::NoBundle { index } => {
            Problem::invalid(field(index, "components"), Code::InvalidComponents, error)
        }
        VariantError::Component { index, component, reason } => {
            of_component(reason, &field(index, &format!("components/{component}")))
        }
        VariantError::Count => Problem::invalid("/variants", Code::VariantCount, error),
        VariantError::TooManyBarcodes { index } => {
            Problem::invalid(field(index, "barcodes"), Code::TooManyBarcodes, error)
        }
        VariantError::OwnKeys(error) => error.into(),
        VariantError::Db(error) => error.into(),
    }
}

/// `at` is the pointer to the component.
fn of_component(error: ComponentError, at: &str) -> Problem {
    let variant = format!("{at}/variantId");
    match error {
        ComponentError::Unknown => Problem::not_found_at(variant, error),
        ComponentError::Article(error @ ArticleError::UnknownSku { .. }) => {
            Problem::not_found_at(format!("{at}/sku"), error)
        }
        ComponentError::Article(error) => Problem::not_found_at(format!("{at}/barcode"), error),
        ComponentError::Archived => Problem::invalid(variant, Code::VariantArchived, error),
        ComponentError::Kind | ComponentError::Twice => {
            Problem::invalid(variant, Code::InvalidComponents, error)
        }
        ComponentError::TooFine(_) => {
            Problem::invalid(format!("{at}/quantity"), Code::TooManyDecimals, error)
        }
    }
}

impl From<TaxError> for Problem {
    fn from(error: TaxError) -> Self {
        match error {
            TaxError::NotFound => Self::not_found(),
            TaxError::Stale(error) => error.into(),
            TaxError::DuplicateName(_) => Self::invalid("/name", Code::DuplicateName, error),
            TaxError::Rates => Self::invalid("/rates", Code::InvalidRates, error),
            TaxError::Db(error) => error.into(),
        }
    }
}
