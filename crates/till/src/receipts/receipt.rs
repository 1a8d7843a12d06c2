//! The data of a receipt: sale, business, register, taxes by rate, hash and fiscal signature.

use chrono::NaiveDateTime;
use inventory::profile::{self, Profile};
use inventory::settings;
use inventory::till_settings::{self, TillSettings};
use rust_decimal::Decimal;
use tenancy::{DbError, TenantId, TenantTx, all};
use values::{Currency, Money, Name, Percent};

use crate::ids::SaleId;
use crate::receipts::fiscal_signature::{self, FiscalSignature};
use crate::records::sale_method::SaleMethod;
use crate::registers::register::receipt_reference;
use crate::sales::sale::Sale;
use crate::sales::{receipt_chain, sale_list};

/// A receipt, as it is shown and printed.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The business on the platform.
    pub tenant_id: TenantId,
    /// The sale.
    pub sale: Sale,
    /// The trading name, or else the legal name, or else the name of the business on the platform.
    pub business: String,
    /// The names, the address, the contacts and the tax number of the business.
    pub profile: Profile,
    /// The number to which customers pay by mobile money. [`read`] does not know it; the caller may set it.
    pub till_number: Option<String>,
    /// The name of the register.
    pub register: Name,
    /// The name of the member who sold. [`read`] does not know it; the caller may set it.
    pub seller: Option<String>,
    /// The name of the customer.
    pub customer: Option<Name>,
    /// The printed numbers of the earlier receipts that this receipt refunds in whole or in part.
    pub returned_from: Vec<String>,
    /// The currency of the amounts.
    pub currency: Currency,
    /// The time of the sale in the time zone of the business.
    pub local_time: NaiveDateTime,
    /// The settings of the till: the texts above and below, and the width of the paper.
    pub settings: TillSettings,
    /// The taxes by rate, in the order of the lines.
    pub taxes: Vec<TaxTotal>,
    /// The signature of a fiscal device; `None` if no device signs it.
    pub fiscal: Option<FiscalSignature>,
    /// The number of times that the receipt was printed or mailed.
    pub issues: i32,
}

/// The tax of a receipt at one rate: that of the sold lines minus that of the returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxTotal {
    /// The letter that marks the lines with this rate: A for the first one.
    pub mark: char,
    /// The name of the rate.
    pub name: Name,
    /// The rate.
    pub percent: Percent,
    /// The amount without any tax.
    pub net: Decimal,
    /// The tax.
    pub tax: Decimal,
}

/// The data of a receipt that is not in [`Sale`].
struct Beside {
    register: Name,
    customer: Option<Name>,
    local_time: NaiveDateTime,
    issues: i32,
}

tenancy::from_row!(Beside { register, customer, local_time, issues });

/// An earlier receipt, part of which this receipt takes back.
struct Earlier {
    series: String,
    number: i64,
}

tenancy::from_row!(Earlier { series, number });

/// Reads the receipt of a sale.
///
/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn read(tx: &TenantTx, id: SaleId) -> Result<Option<Receipt>, DbError> {
    const BESIDE: &str = "
        SELECT r.name AS register, c.name AS customer,
               s.sold_at AT TIME ZONE settings.time_zone AS local_time,
               (SELECT count(*)::integer FROM receipt_issues i WHERE i.sale_id = s.id) AS issues
          FROM sales s
          JOIN registers r ON r.id = s.register_id
          LEFT JOIN customers c ON c.id = s.customer_id
         CROSS JOIN settings
         WHERE s.id = $1";
    const EARLIER: &str = "
        SELECT DISTINCT s.series, s.number
          FROM sale_returns r JOIN sale_lines l ON l.id = r.line_id JOIN sales s ON s.id = l.sale_id
         WHERE r.sale_id = $1
         ORDER BY s.series, s.number";
    let of_business = all((profile::read(tx), till_settings::read(tx), settings::currency(tx)));
    let (sale, beside, earlier, fiscal, (profile, settings, currency)) = all((
        sale_list::find(tx, id),
        async { tx.row_opt::<Beside>(BESIDE, &[&id]).await },
        async { tx.rows::<Earlier>(EARLIER, &[&id]).await },
        fiscal_signature::find(tx, id),
        of_business,
    ))
    .await?;
    let (Some(sale), Some(beside)) = (sale, beside) else { return Ok(None) };
    let name = profile.trading_name.as_ref().or(profile.legal_name.as_ref()).map(Name::to_string);
    Ok(Some(Receipt {
        tenant_id: tx.tenant().id,
        taxes: tax_totals(&sale),
        business: name.unwrap_or_else(|| tx.tenant().name.to_string()),
        profile,
        till_number: None,
        register: beside.register,
        seller: None,
        customer: beside.customer,
        returned_from: earlier.iter().map(|of| receipt_reference(&of.series, of.number)).collect(),
        currency,
        local_time: beside.local_time,
        settings,
        fiscal,
        issues: beside.issues,
        sale,
    }))
}

/// The taxes by rate. A rate with the same name and percentage is one rate.
fn tax_totals(sale: &Sale) -> Vec<TaxTotal> {
    let mut totals: Vec<TaxTotal> = Vec::new();
    let sold = sale.lines.iter().map(|line| (&line.taxes.0, line.total, line.tax, Decimal::ONE));
    let back = sale.returns.iter().map(|back| (&back.taxes.0, back.amount, back.tax, Decimal::NEGATIVE_ONE));
    for (taxes, total, tax, sign) in sold.chain(back) {
        let net = (total - tax).as_decimal() * sign;
        for charged in taxes {
            let rate = &charged.rate;
            let at = totals.iter().position(|of| of.name == rate.name && of.percent == rate.percent);
            let at = at.unwrap_or_else(|| {
                let mark = char::from(b'A' + (totals.len() as u8).min(25));
                let (name, percent) = (rate.name.clone(), rate.percent);
                totals.push(TaxTotal { mark, name, percent, net: Decimal::ZERO, tax: Decimal::ZERO });
                totals.len() - 1
            });
            totals[at].net += net;
            totals[at].tax += charged.amount * sign;
        }
    }
    totals
}

impl Receipt {
    /// The beginning of the hash in the chain of receipts, in hexadecimal digits.
    pub fn hash(&self) -> Option<String> {
        let hash = self.sale.chain_hash.as_deref()?;
        Some(receipt_chain::short(Some(hash)))
    }

    /// The text of the QR code. A fiscal device may prescribe it. Defaults to number, time, currency, total
    /// and hash, so that a printed receipt can be compared with the books.
    pub fn qr_text(&self) -> String {
        if let Some(text) = self.fiscal.as_ref().and_then(|fiscal| fiscal.qr_text.clone()) {
            return text;
        }
        let Self { sale, currency, .. } = self;
        let time = sale.sold_at.format("%Y-%m-%dT%H:%M:%SZ");
        let hash = self.hash().unwrap_or_default();
        let total = currency.format(sale.total);
        format!("{} {time} {} {total} {hash}", sale.reference(), currency.code()).trim_end().to_owned()
    }

    /// The marks of the rates with which a line is taxed, such as `AB`.
    pub(super) fn marks(&self, taxes: &[inventory::order::ChargedTax]) -> String {
        let is_charged = |total: &&TaxTotal| {
            taxes.iter().any(|tax| tax.rate.name == total.name && tax.rate.percent == total.percent)
        };
        self.taxes.iter().filter(is_charged).map(|total| total.mark).collect()
    }
}

/// A method of payment, as customers call it.
pub(super) fn method_name(method: SaleMethod) -> &'static str {
    match method {
        SaleMethod::Cash => "Cash",
        SaleMethod::Card => "Card",
        SaleMethod::BankTransfer => "Bank transfer",
        SaleMethod::MobileMoney => "Mobile money",
        SaleMethod::Voucher => "Voucher",
        SaleMethod::StoreCredit => "Store credit",
        SaleMethod::OnAccount => "On account",
        SaleMethod::Other => "Other",
    }
}

/// The amount of a line before its discount, of which the subtotal is the sum.
pub(super) fn gross(total: Money, tax: Money, discount: Money, includes_tax: Option<bool>) -> Money {
    if includes_tax == Some(false) { total - tax + discount } else { total + discount }
}
