//! Reports of a shift, with its takings and the expected amounts: an X report while it lasts, and a Z report
//! at its close. The Z report is stored as it was written, and never changes.

use chrono::{DateTime, Utc};
use inventory::counter::Counter;
use inventory::settings;
use serde::Serialize;
use serde_json::value::RawValue;
use tenancy::{DbError, TenantTx, all};
use tokio_postgres::types::Json;
use utoipa::ToSchema;
use values::{ActorId, Amount, Currency, Name, Percent, Reason};

use crate::ids::{RegisterId, ShiftId};
use crate::records::sale_method::SaleMethod;
use crate::registers::register::{self, Register, Series};
use crate::shifts::shift::{self, Denomination, Shift, ShiftStatus};
use crate::shifts::shift_figures::{Figures, Numbers, TaxFigure};

/// The report of a shift: an X report while the shift is not closed, and its Z report afterwards.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShiftReport {
    /// The shift.
    pub shift_id: ShiftId,
    /// The number of the Z report, consecutive for each register. null for an X report.
    pub number: Option<i64>,
    /// The number as people write it, such as R1-Z-000042. null for an X report.
    pub reference: Option<String>,
    /// The register.
    pub register_id: RegisterId,
    /// The name of the register at the time of the report.
    pub register_name: Name,
    /// The text with which the numbers of the register's documents begin.
    pub series: Series,
    /// The currency of all amounts.
    #[schema(value_type = Currency)]
    pub currency: String,
    /// The user or program that opened the shift; null for the platform.
    pub opened_by: ActorId,
    /// When the shift was opened.
    pub opened_at: DateTime<Utc>,
    /// The user or program that counted the drawer. null before.
    pub counted_by: Option<ActorId>,
    /// When the drawer was counted. null before.
    pub counted_at: Option<DateTime<Utc>>,
    /// The user or program that closed the shift. null before.
    pub closed_by: Option<ActorId>,
    /// When the shift was closed. null before.
    pub closed_at: Option<DateTime<Utc>>,
    /// When the report was made.
    pub reported_at: DateTime<Utc>,
    /// The cash in the drawer at the beginning.
    pub opening_float: Amount,
    /// The cash that was put in, but not for a sale.
    pub cash_in: Amount,
    /// The cash that was taken out, but not for a refund.
    pub cash_out: Amount,
    /// The sums of the receipts. Absent from Z reports that were stored before tills could sell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipts: Option<ReceiptsReport>,
    /// The amounts that came in and went out, by method of payment.
    pub methods: Vec<MethodReport>,
    /// The sum of the differences. null before the count.
    pub difference: Option<Amount>,
    /// The reason of the difference.
    pub difference_reason: Option<Reason>,
    /// The member who approved the difference.
    pub approved_by: Option<ActorId>,
}

/// The sums of the receipts of a shift. Voided receipts are in no sum.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptsReport {
    /// The number of sales and exchanges, without voided ones.
    pub sales: i64,
    /// The number of refunds.
    pub refunds: i64,
    /// The number of deposits into vouchers and accounts, and of debts that were paid.
    pub deposits: i64,
    /// The number of voided receipts.
    pub voids: i64,
    /// The number of the first receipt, voided or not, such as R1-2026-000042. Receipts of offline sales are
    /// only in series. null if there is none.
    pub first: Option<String>,
    /// The number of the last receipt, voided or not. Receipts of offline sales are only in series. null if
    /// there is none.
    pub last: Option<String>,
    /// The first and the last number in each series. Absent from Z reports that were stored before tills
    /// could sell without a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<SeriesReport>>,
    /// The sum of the sold lines before discounts: quantity times price, or the amount on a scale's label.
    pub subtotal: Amount,
    /// The discounts.
    pub discount: Amount,
    /// The amount of what came back, including taxes.
    pub returned: Amount,
    /// The taxes of what was sold less those of what came back.
    pub tax: Amount,
    /// The amount of what was sold less what came back, including taxes.
    pub total: Amount,
    /// The amount that rounding of cash added; negative if cash was rounded down. The payments add up to
    /// the total plus this amount.
    pub rounding: Amount,
    /// The taxes by rate.
    pub taxes: Vec<TaxReport>,
}

/// The numbers of the receipts in one series, voided or not.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesReport {
    /// The first number.
    #[schema(example = "R1-F-2026-000007")]
    pub first: String,
    /// The last number.
    #[schema(example = "R1-F-2026-000009")]
    pub last: String,
}

/// The tax of one rate, of what was sold less what came back.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxReport {
    /// The name of the rate, such as VAT.
    pub name: Name,
    /// The rate in percent.
    pub percent: Percent,
    /// The taxed amount, without taxes.
    pub net: Amount,
    /// The tax.
    pub tax: Amount,
}

impl ReceiptsReport {
    fn new(figures: &Figures, currency: &Currency) -> Self {
        let sums = &figures.receipts;
        let series = figures.numbers.iter().map(|numbers| {
            let (first, last) = numbers.printed();
            SeriesReport { first, last }
        });
        let mut of_till = figures.numbers.iter().filter(|numbers| !numbers.is_offline).map(Numbers::printed);
        let first = of_till.next();
        let last = of_till.next_back().or_else(|| first.clone());
        let tax = |of: &TaxFigure| TaxReport {
            name: of.name.clone(),
            percent: of.percent,
            net: currency.format(of.net),
            tax: currency.format(of.tax),
        };
        Self {
            sales: sums.sales,
            refunds: sums.refunds,
            deposits: sums.deposits,
            voids: sums.voids,
            first: first.map(|(first, _)| first),
            last: last.map(|(_, last)| last),
            series: Some(series.collect()),
            subtotal: currency.format(sums.subtotal),
            discount: currency.format(sums.discount),
            returned: currency.format(sums.returned),
            tax: currency.format(sums.tax),
            total: currency.format(sums.total),
            rounding: currency.format(sums.rounding),
            taxes: figures.taxes.iter().map(tax).collect(),
        }
    }
}

/// The amounts that came in and went out by one method of payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MethodReport {
    /// The method.
    pub method: SaleMethod,
    /// The payments of customers, less their change.
    pub received: Amount,
    /// The sum of negative payments: money paid back to customers, put into vouchers or store credit, or
    /// (for on_account) debts that customers paid.
    pub paid_back: Amount,
    /// The expected amount. For cash, it includes the opening float and the cash that was put in or taken
    /// out. For vouchers, it is the amount that was spent.
    pub expected: Amount,
    /// The counted amount. null before the count, and for credit that was not counted. Another method that
    /// has payments and was not counted has "0".
    pub counted: Option<Amount>,
    /// The counted amount less the expected one.
    pub difference: Option<Amount>,
    /// The notes and coins, if they were counted one by one.
    pub denominations: Vec<DenominationReport>,
}

/// Notes or coins of one value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DenominationReport {
    /// The value of one note or coin.
    pub value: Amount,
    /// How many there are.
    pub count: u32,
}

impl DenominationReport {
    /// The denomination, with its value in the currency.
    pub fn new(denomination: Denomination, currency: &Currency) -> Self {
        Self { value: currency.format(denomination.value), count: denomination.count }
    }
}

impl ShiftReport {
    pub(super) fn new(
        shift: &Shift,
        register: Register,
        figures: &Figures,
        currency: &Currency,
        reported_at: DateTime<Utc>,
    ) -> Self {
        let count_of =
            |method: SaleMethod| shift.counts.iter().find(|count| SaleMethod::from(count.method) == method);
        let method = |method: SaleMethod| {
            let count = count_of(method);
            let denominations = count.map(|count| count.denominations.0.as_slice()).unwrap_or_default();
            MethodReport {
                method,
                received: currency.format(figures.of(method).0),
                paid_back: currency.format(figures.of(method).1),
                expected: currency.format(figures.expected(shift, method)),
                counted: count.map(|count| currency.format(count.counted)),
                difference: count.map(|count| currency.format(count.difference())),
                denominations: denominations
                    .iter()
                    .map(|denomination| DenominationReport::new(*denomination, currency))
                    .collect(),
            }
        };
        let is_taken = |method: SaleMethod| figures.takings.iter().any(|takings| takings.method == method);
        let is_shown = |method: &&SaleMethod| {
            **method == SaleMethod::Cash || count_of(**method).is_some() || is_taken(**method)
        };
        Self {
            shift_id: shift.id,
            number: shift.z_number,
            reference: shift.z_number.map(|number| reference(&register.series, number)),
            register_id: register.id,
            register_name: register.name,
            series: register.series,
            currency: currency.code().to_owned(),
            opened_by: shift.opened_by,
            opened_at: shift.opened_at,
            counted_by: shift.counted_by,
            counted_at: shift.counted_at,
            closed_by: shift.closed_by,
            closed_at: shift.closed_at,
            reported_at,
            opening_float: currency.format(shift.opening_float),
            cash_in: currency.format(figures.cash_in),
            cash_out: currency.format(figures.cash_out),
            receipts: Some(ReceiptsReport::new(figures, currency)),
            methods: SaleMethod::ALL.iter().filter(is_shown).copied().map(method).collect(),
            difference: (!shift.counts.is_empty()).then(|| currency.format(shift.difference())),
            difference_reason: shift.difference_reason.clone(),
            approved_by: shift.approved_by,
        }
    }
}

/// The number of a Z report as people write it.
pub fn reference(series: &Series, number: i64) -> String {
    format!("{series}-{}", Counter::ZReport.reference(number))
}

/// The report of a shift as JSON, with the status of the shift. Read it in one snapshot.
///
/// # Errors
/// [`DbError`]; an unknown shift is `None`.
pub async fn read(tx: &TenantTx, id: ShiftId) -> Result<Option<(ShiftStatus, Box<RawValue>)>, DbError> {
    const STORED: &str = "SELECT report FROM z_reports WHERE shift_id = $1";
    let stored = async { tx.value_opt::<Json<Box<RawValue>>>(STORED, &[&id]).await };
    let (currency, shift, figures, stored) =
        all((settings::currency(tx), shift::find(tx, id), Figures::read(tx, id), stored)).await?;
    let Some(shift) = shift else { return Ok(None) };
    if let Some(Json(report)) = stored {
        return Ok(Some((shift.status, report)));
    }
    let Some(register) = register::find(tx, shift.register_id).await? else { return Ok(None) };
    let report = ShiftReport::new(&shift, register, &figures, &currency, tx.now());
    Ok(Some((shift.status, raw(&report)?)))
}

/// The report as JSON.
pub(super) fn raw(report: &ShiftReport) -> Result<Box<RawValue>, DbError> {
    serde_json::value::to_raw_value(report).map_err(DbError::Payload)
}
