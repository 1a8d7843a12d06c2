//! How a line of a request names its variant: by variantId, sku or barcode.

use inventory::VariantId;
use inventory::article::ArticleName;
use values::{Barcode, Sku};

use crate::http::codes::Code;
use crate::http::problem::Problem;

/// The variant that the fields of a line name.
///
/// # Errors
/// 422 in `at`, the JSON pointer of the line, unless exactly one field is present.
pub fn article(
    at: &str,
    variant_id: Option<VariantId>,
    sku: Option<Sku>,
    barcode: Option<Barcode>,
) -> Result<ArticleName, Problem> {
    match (variant_id, sku, barcode) {
        (Some(id), None, None) => Ok(ArticleName::Variant(id)),
        (None, Some(sku), None) => Ok(ArticleName::Sku(sku)),
        (None, None, Some(code)) => Ok(ArticleName::Barcode(code)),
        _ => {
            let message = "exactly one of variantId, sku and barcode is required";
            Err(Problem::invalid(format!("{at}/variantId"), Code::ArticleNotNamed, message))
        }
    }
}
