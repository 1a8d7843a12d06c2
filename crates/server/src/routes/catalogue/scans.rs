//! Scans: variants by barcode, also by that of a label that a scale has printed.

use actix_web::{HttpResponse, get, web};
use inventory::scan::{self, Scan};
use serde::Serialize;
use tenancy::TenantTx;
use utoipa::ToSchema;
use values::{Amount, Barcode, Measure, Quantity};

use crate::http::caller::{Caller, may};
use crate::http::extract::{PathId, Query};
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::catalogue::variants::VariantView;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanView {
    /// The variant that was scanned.
    variant: VariantView,
    /// The quantity on the label, in sale units. null if the code has none.
    #[schema(example = "0.452")]
    quantity: Option<Quantity>,
    /// The amount on the label. null if the code has none.
    #[schema(example = "3.40")]
    amount: Option<Amount>,
}

impl From<Scan> for ScanView {
    fn from(scan: Scan) -> Self {
        let (quantity, amount) = match scan.measure {
            Some(Measure::Quantity(quantity)) => (Some(quantity), None),
            Some(Measure::Amount(amount)) => (None, Some(scan.currency.format(amount))),
            None => (None, None),
        };
        Self { variant: VariantView::new(scan.variant, &scan.currency), quantity, amount }
    }
}

/// Scan a barcode
///
/// Returns the variant with this barcode, as GET barcodes does, or else the variant of a label that a scale
/// has printed, with its quantity or amount. The setting labelPatterns tells how to read such a label. The
/// digits of the article on the label are a barcode or the SKU of the variant.
#[utoipa::path(tag = "catalogue", operation_id = "scanBarcode", responses((status = 200, body = ScanView)),
    params(("code" = Barcode, Path, example = "4006381333931")))]
#[get("/scans/{code}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(code): PathId<Barcode>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let find = async |tx: &TenantTx| scan::find(tx, &code).await;
    let scan = state.database.read(&caller.scope(), find).await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(ScanView::from(scan)))
}
