//! Finds variants by barcode.

use actix_web::{HttpRequest, HttpResponse, get, web};
use values::Barcode;

use crate::http::caller::{Caller, may};
use crate::http::etag;
use crate::http::extract::PathId;
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::routes::catalogue::variants::{self, VariantView};

/// Find a variant by barcode
///
/// Returns the variant with this barcode. Every form of a GTIN finds it: UPC-A, EAN-13 and GTIN-14.
#[utoipa::path(tag = "catalogue", operation_id = "findVariantByBarcode",
    responses((status = 200, body = VariantView)),
    params(("code" = Barcode, Path, example = "4006381333931")))]
#[get("/barcodes/{code}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    PathId(code): PathId<Barcode>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (tag, view) =
        state.database.read(&caller.scope(), async |tx| variants::read_by_barcode(tx, &code).await).await?;
    Ok(etag::respond(&request, tag, &view))
}
