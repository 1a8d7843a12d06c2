//! The settings of a business.

use actix_web::{HttpRequest, HttpResponse, get, patch, web};
use inventory::settings::{self, OperatorAccess, Settings, SettingsChange};
use inventory::till_settings::{MobileMoneyPolicy, NegativeSales, PrinterWidth, TillSettingsChange};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use values::{
    Amount, Currency, DayStart, LabelPattern, Money, NonNegative, Note, Origin, Percent, Reason, Rounding,
    Share, TimeZone,
};

use crate::http::caller::{Caller, may};
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, Query};
use crate::http::lists::NoParameters;
use crate::http::problem::Problem;
use crate::http::recent::require_recent;
use crate::http::state::State;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeSettings {
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    rounding: Option<Rounding>,
    /// Whether an order is fulfilled when it is placed. An order may override this setting with its field
    /// fulfil.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    fulfils_at_once: Option<bool>,
    /// The discount limit: the largest discount on an order or a sale, in percent, for members without the
    /// permission catalogue.write. At the till, till.approve or an approval is enough, too.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(value_type = Share, nullable = false)]
    discount_limit_percent: Option<Percent>,
    /// The time zone of the business, as a name of the IANA time zone database. It determines when a day
    /// begins and ends.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    time_zone: Option<TimeZone>,
    /// The time at which a day of the business begins, from 00:00 to 11:59. With 04:00, a sale at 02:30
    /// belongs to the day before, in every report.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    day_starts_at: Option<DayStart>,
    /// The over-receipt tolerance: the quantity that may be received beyond the ordered quantity, in percent
    /// of the line.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(value_type = Share, nullable = false)]
    over_receipt_percent: Option<Percent>,
    /// The reasons that an adjustment may have. If the list is empty, any reason is allowed.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    adjustment_reasons: Option<Vec<Reason>>,
    /// The origins whose web pages may call the API of this business in a browser (CORS), at most 20. The
    /// operator of the platform may allow further origins for all businesses.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    cors_origins: Option<Vec<Origin>>,
    /// The actions that the staff of the platform may take when they act as a member of this business: full,
    /// read_only or none. The change takes effect at once. Each such request is in the authentication events.
    /// Only a member who has just given the password can change this, and no program.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    operator_access: Option<OperatorAccess>,
    /// The text above the lines of a receipt; null for none.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    receipt_header: Option<Option<Note>>,
    /// The text below the total of a receipt; null for none.
    #[serde(default, deserialize_with = "crate::http::body::nullable")]
    receipt_footer: Option<Option<Note>>,
    /// The width of the paper of receipts.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    printer_width: Option<PrinterWidth>,
    /// Amounts that are paid in cash are rounded to a multiple of this amount, such as 0.05. "0" rounds
    /// nothing.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    cash_rounding: Option<Money>,
    /// The policy for an offline sale that needs a decision, for example because stock would become negative.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    negative_sales: Option<NegativeSales>,
    /// The largest difference at the close of a shift that needs no approval. "0": each difference needs one.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    shift_difference_limit: Option<NonNegative<Money>>,
    /// The patterns of the barcodes that the scales of the shop print, at most 20. The first that fits a
    /// barcode counts.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    label_patterns: Option<Vec<LabelPattern>>,
    /// The month in which the fiscal year begins, from 1 for January to 12. Each register numbers its
    /// receipts from 1 in each fiscal year. The number has the calendar year in which the fiscal year
    /// begins.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false, minimum = 1, maximum = 12)]
    fiscal_year_starts_in: Option<i16>,
    /// The policy for payments by mobile money. confirmed: a sale accepts only payments that the provider has
    /// reported.
    #[serde(default, deserialize_with = "crate::http::body::required")]
    #[schema(nullable = false)]
    mobile_money: Option<MobileMoneyPolicy>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// The currency of all amounts. It cannot be changed.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The number of decimals in amounts of the currency.
    currency_decimals: u32,
    rounding: Rounding,
    /// Whether an order is fulfilled when it is placed. An order may override this setting with its field
    /// fulfil.
    fulfils_at_once: bool,
    /// The discount limit: the largest discount on an order, in percent, for members without the permission
    /// catalogue.write.
    discount_limit_percent: Percent,
    /// The time zone of the business, as a name of the IANA time zone database. It determines when a day
    /// begins and ends.
    time_zone: TimeZone,
    /// The time at which a day of the business begins, from 00:00 to 11:59. With 04:00, a sale at 02:30
    /// belongs to the day before, in every report.
    day_starts_at: DayStart,
    /// The over-receipt tolerance: the quantity that may be received beyond the ordered quantity, in percent
    /// of the line.
    over_receipt_percent: Percent,
    /// The reasons that an adjustment may have. If the list is empty, any reason is allowed.
    adjustment_reasons: Vec<Reason>,
    /// The origins whose web pages may call the API of this business in a browser (CORS).
    cors_origins: Vec<Origin>,
    /// The actions that the staff of the platform may take when they act as a member of this business.
    operator_access: OperatorAccess,
    /// The text above the lines of a receipt; null for none.
    receipt_header: Option<Note>,
    /// The text below the total of a receipt; null for none.
    receipt_footer: Option<Note>,
    /// The width of the paper of receipts.
    printer_width: PrinterWidth,
    /// Amounts that are paid in cash are rounded to a multiple of this amount, such as 0.05. "0" rounds
    /// nothing.
    #[schema(example = "0.05")]
    cash_rounding: Amount,
    /// The policy for an offline sale that needs a decision, for example because stock would become negative.
    negative_sales: NegativeSales,
    /// The largest difference at the close of a shift that needs no approval.
    #[schema(example = "2.00")]
    shift_difference_limit: Amount,
    /// The patterns of the barcodes that the scales of the shop print. The first that fits a barcode counts.
    label_patterns: Vec<LabelPattern>,
    /// The month in which the fiscal year begins, from 1 for January to 12. Each register numbers its
    /// receipts from 1 in each fiscal year. The number has the calendar year in which the fiscal year
    /// begins.
    fiscal_year_starts_in: i16,
    /// The policy for payments by mobile money.
    mobile_money: MobileMoneyPolicy,
}

impl From<Settings> for SettingsView {
    fn from(settings: Settings) -> Self {
        Self {
            currency: settings.terms.currency.clone(),
            currency_decimals: settings.terms.currency.decimals(),
            rounding: settings.terms.rounding,
            fulfils_at_once: settings.terms.fulfils_at_once,
            discount_limit_percent: settings.terms.discount_limit,
            time_zone: settings.time_zone,
            day_starts_at: settings.day_starts_at,
            over_receipt_percent: settings.over_receipt,
            adjustment_reasons: settings.adjustment_reasons,
            cors_origins: settings.cors_origins,
            operator_access: settings.operator_access,
            receipt_header: settings.till.receipt_header,
            receipt_footer: settings.till.receipt_footer,
            printer_width: settings.till.printer_width,
            cash_rounding: settings.terms.currency.format(settings.till.cash_rounding),
            negative_sales: settings.till.negative_sales,
            shift_difference_limit: settings.terms.currency.format(settings.till.shift_difference_limit),
            label_patterns: settings.till.label_patterns,
            fiscal_year_starts_in: settings.till.fiscal_year_starts_in,
            mobile_money: settings.till.mobile_money,
        }
    }
}

/// Read the settings
///
/// Returns the settings of the business with their present values.
#[utoipa::path(tag = "business", operation_id = "readSettings",
    responses((status = 200, body = SettingsView)))]
#[get("/settings")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::CatalogueRead>,
    request: HttpRequest,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let settings = state.database.read(&caller.scope(), async |tx| settings::read(tx).await).await?;
    Ok(etag::respond(&request, Tag::of_version(settings.version), &SettingsView::from(settings)))
}

/// Change the settings
///
/// A setting that is left out stays unchanged. The currency cannot change, because stored amounts would
/// change their meaning.
#[utoipa::path(tag = "business", operation_id = "changeSettings", request_body = ChangeSettings,
    responses((status = 200, body = SettingsView)))]
#[patch("/settings")]
pub async fn edit(
    state: web::Data<State>,
    caller: Caller<may::SettingsWrite>,
    IfMatch(if_version): IfMatch,
    body: Json<ChangeSettings>,
) -> Result<HttpResponse, Problem> {
    let ChangeSettings {
        rounding,
        fulfils_at_once,
        discount_limit_percent,
        time_zone,
        day_starts_at,
        over_receipt_percent,
        adjustment_reasons,
        cors_origins,
        operator_access,
        receipt_header,
        receipt_footer,
        printer_width,
        cash_rounding,
        negative_sales,
        shift_difference_limit,
        label_patterns,
        fiscal_year_starts_in,
        mobile_money,
    } = body.value;
    if operator_access.is_some() {
        // Neither the staff nor a program decides what the staff may do.
        require_recent(caller.require_member()?)?;
    }
    let change = SettingsChange {
        rounding,
        fulfils_at_once,
        discount_limit: discount_limit_percent,
        time_zone,
        day_starts_at,
        over_receipt: over_receipt_percent,
        adjustment_reasons,
        cors_origins,
        operator_access,
        till: TillSettingsChange {
            receipt_header,
            receipt_footer,
            printer_width,
            cash_rounding,
            negative_sales,
            shift_difference_limit,
            label_patterns,
            fiscal_year_starts_in,
            mobile_money,
        },
        if_version,
    };
    let actor = caller.actor();
    let work = async |tx: &tenancy::TenantTx| {
        settings::update(tx, &change, actor).await?;
        Ok::<_, Problem>(settings::read(tx).await?)
    };
    let settings = state.database.write(&caller.scope(), work).await?;
    Ok(etag::changed(Tag::of_version(settings.version), &SettingsView::from(settings)))
}
