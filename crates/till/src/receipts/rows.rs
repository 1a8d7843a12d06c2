//! The rows of a receipt, from top to bottom. All printed forms show the same rows.

use values::{Currency, Money, Note};

use crate::receipts::receipt::{Receipt, gross, method_name};
use crate::sales::sale::{SaleKind, SaleLine};
use crate::sales::sale_payment::SalePayment;

/// A row of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A text in the middle, in bold letters.
    Title(String),
    /// A text in the middle.
    Middle(String),
    /// A text on the left.
    Left(String),
    /// A text on the left, and an amount on the right.
    Sides(String, String),
    /// As [`Row::Sides`], in bold letters.
    Total(String, String),
    /// A line across the paper.
    Rule,
    /// A QR code with this text.
    Qr(String),
}

/// The number of a print or mail of a receipt: 1 for the original, and more for copies.
pub type IssueNumber = i32;

/// The rows of a receipt that is printed or mailed for the `number`th time. `shows_codes`: the codes of new
/// vouchers are readable.
pub fn rows(receipt: &Receipt, number: IssueNumber, shows_codes: bool) -> Vec<Row> {
    let mut rows = heading(receipt);
    rows.extend(marks(receipt, number));
    rows.extend(document(receipt));
    rows.push(Row::Rule);
    rows.extend(lines(receipt));
    rows.push(Row::Rule);
    rows.extend(totals(receipt));
    rows.extend(receipt.sale.payments.iter().flat_map(|paid| payment(paid, &receipt.currency, shows_codes)));
    let change = receipt.sale.change();
    if !change.is_zero() {
        rows.push(Row::Sides("Change".to_owned(), receipt.currency.format(change).into()));
    }
    rows.extend(taxes(receipt));
    rows.extend(signature(receipt));
    rows.extend(text(receipt.settings.receipt_footer.as_ref()));
    rows.push(Row::Qr(receipt.qr_text()));
    rows.extend(receipt.hash().map(Row::Middle));
    rows
}

/// A text of one or more lines, each in the middle.
fn text(note: Option<&Note>) -> Vec<Row> {
    let lines = note.map(Note::as_str).unwrap_or_default().lines();
    lines.map(|line| Row::Middle(line.trim().to_owned())).collect()
}

fn heading(receipt: &Receipt) -> Vec<Row> {
    let profile = &receipt.profile;
    let mut rows = vec![Row::Title(receipt.business.clone())];
    let legal_name = profile.legal_name.as_ref().map(ToString::to_string);
    rows.extend(legal_name.filter(|name| *name != receipt.business).map(Row::Middle));
    rows.extend(text(profile.address.as_ref()));
    let named = [
        ("Tel.", profile.phone.as_ref().map(ToString::to_string)),
        ("Tax no.", profile.tax_number.as_ref().map(ToString::to_string)),
        ("Till no.", receipt.till_number.clone()),
    ];
    rows.extend(
        named.into_iter().filter_map(|(name, value)| Some(Row::Middle(format!("{name} {}", value?)))),
    );
    rows.extend(text(receipt.settings.receipt_header.as_ref()));
    rows
}

/// The marks COPY, VOID and NOT SIGNED YET, directly below the heading.
fn marks(receipt: &Receipt, number: IssueNumber) -> Vec<Row> {
    let copy = (number > 1).then(|| Row::Title(format!("COPY {}", number - 1)));
    let void = receipt.sale.voided_at.map(|_| Row::Title("VOID".to_owned()));
    let waits = receipt.fiscal.as_ref().is_some_and(|fiscal| fiscal.signature.is_none());
    let unsigned = waits.then(|| Row::Title("NOT SIGNED YET".to_owned()));
    copy.into_iter().chain(void).chain(unsigned).collect()
}

fn document(receipt: &Receipt) -> Vec<Row> {
    let sale = &receipt.sale;
    let kind = match sale.kind {
        SaleKind::Sale | SaleKind::Deposit => "Receipt",
        SaleKind::Refund => "Refund",
        SaleKind::Exchange => "Exchange",
    };
    let time = receipt.local_time.format("%Y-%m-%d %H:%M").to_string();
    let mut rows = vec![
        Row::Rule,
        Row::Sides(kind.to_owned(), sale.reference()),
        Row::Sides(receipt.register.to_string(), time),
    ];
    let offline = sale.offline_reference.as_ref();
    rows.extend(offline.map(|number| Row::Sides("Offline no.".to_owned(), number.to_string())));
    rows.extend(receipt.seller.as_ref().map(|name| Row::Sides("Served by".to_owned(), name.clone())));
    let customer = receipt.customer.as_ref();
    rows.extend(customer.map(|name| Row::Sides("Customer".to_owned(), name.to_string())));
    rows.extend(receipt.returned_from.iter().map(|of| Row::Sides("Returned from".to_owned(), of.clone())));
    rows
}

fn lines(receipt: &Receipt) -> Vec<Row> {
    let currency = &receipt.currency;
    let sale = &receipt.sale;
    let number = |line: &SaleLine| line.bundle.as_ref().map(|bundle| bundle.0.number);
    let same = |one: &SaleLine, other: &SaleLine| number(one).is_some() && number(one) == number(other);
    let mut rows: Vec<Row> = sale.lines.chunk_by(same).flat_map(|lines| sold(receipt, lines)).collect();
    for back in &sale.returns {
        let marks = receipt.marks(&back.taxes.0);
        let what = match back.quantity.is_zero() {
            true => "  Amount given back".to_owned(),
            false => format!("  {} returned", back.quantity),
        };
        rows.push(Row::Left(back.name.to_string()));
        rows.push(Row::Sides(what, marked(currency.format(-back.amount).into(), &marks)));
    }
    rows
}

/// One line, or the lines of one bundle.
fn sold(receipt: &Receipt, lines: &[SaleLine]) -> Vec<Row> {
    let currency = &receipt.currency;
    let first = &lines[0];
    let amount = |line: &SaleLine| gross(line.total, line.tax, line.discount, line.includes_tax);
    let sum: Money = lines.iter().map(amount).sum();
    let discount: Money = lines.iter().map(|line| line.discount).sum();
    let mut marks: Vec<char> =
        lines.iter().flat_map(|line| receipt.marks(&line.taxes.0).chars().collect::<Vec<_>>()).collect();
    marks.sort_unstable();
    marks.dedup();
    let sum = marked(currency.format(sum).into(), &marks.into_iter().collect::<String>());
    let mut rows = Vec::new();
    match &first.bundle {
        Some(bundle) => {
            rows.push(Row::Left(bundle.0.name.to_string()));
            rows.push(Row::Sides(format!("  {} x", bundle.0.quantity), sum));
            rows.extend(lines.iter().map(|line| Row::Left(format!("  - {} {}", line.quantity, line.name))));
        }
        None => {
            rows.push(Row::Left(first.name.to_string()));
            rows.push(Row::Sides(format!("  {} x {}", first.quantity, currency.format(first.price)), sum));
        }
    }
    if !discount.is_zero() {
        rows.push(Row::Sides("  Discount".to_owned(), currency.format(-discount).into()));
    }
    let notes = first.note.as_ref().map(Note::as_str).unwrap_or_default().lines();
    rows.extend(notes.map(|note| Row::Left(format!("  {note}"))));
    rows
}

fn marked(amount: String, marks: &str) -> String {
    if marks.is_empty() { amount } else { format!("{amount} {marks}") }
}

fn totals(receipt: &Receipt) -> Vec<Row> {
    let (sale, currency) = (&receipt.sale, &receipt.currency);
    let on_top = sale.lines.iter().filter(|line| line.includes_tax == Some(false)).map(|line| line.tax).sum();
    let mut rows = Vec::new();
    let parts = [("Discount", -sale.discount), ("Tax", on_top), ("Returned", -sale.returned)];
    if parts.iter().any(|(_, amount)| !amount.is_zero()) && !sale.lines.is_empty() {
        rows.push(Row::Sides("Subtotal".to_owned(), currency.format(sale.subtotal).into()));
        let parts = parts.into_iter().filter(|(_, amount)| !amount.is_zero());
        rows.extend(parts.map(|(name, amount)| Row::Sides(name.to_owned(), currency.format(amount).into())));
    }
    rows.push(Row::Total(format!("TOTAL {}", currency.code()), currency.format(sale.total).into()));
    if !sale.rounding.is_zero() {
        rows.push(Row::Sides("Rounding".to_owned(), currency.format(sale.rounding).into()));
    }
    rows
}

/// A payment. The code of a voucher that was paid into is readable if `shows_codes`.
fn payment(payment: &SalePayment, currency: &Currency, shows_codes: bool) -> Vec<Row> {
    let amount = payment.tendered.unwrap_or(payment.amount);
    let mut rows = vec![Row::Sides(method_name(payment.method).to_owned(), currency.format(amount).into())];
    if let Some(code) = payment.voucher_code.as_ref().map(ToString::to_string) {
        let is_new = payment.amount.is_negative();
        let end = code.chars().rev().take(4).collect::<Vec<char>>().into_iter().rev().collect::<String>();
        let shown = if is_new && shows_codes { code } else { format!("*** {end}") };
        rows.push(Row::Sides("  Code".to_owned(), shown));
    }
    rows.extend(
        payment.reference.as_ref().map(|text| Row::Sides("  Reference".to_owned(), text.to_string())),
    );
    let balance = payment.credit_balance.map(|balance| currency.format(balance));
    rows.extend(balance.map(|balance| Row::Sides("  Balance".to_owned(), balance.into())));
    rows
}

/// The signature of a fiscal device.
fn signature(receipt: &Receipt) -> Vec<Row> {
    let signed = receipt.fiscal.as_ref().and_then(|fiscal| {
        let (serial_number, signature) = (fiscal.serial_number.clone()?, fiscal.signature.clone()?);
        Some(vec![Row::Sides("Fiscal device".to_owned(), serial_number), Row::Left(signature)])
    });
    signed.unwrap_or_default()
}

fn taxes(receipt: &Receipt) -> Vec<Row> {
    if receipt.taxes.is_empty() {
        return Vec::new();
    }
    let amount = |amount| receipt.currency.format(Money::from_decimal(amount));
    let mut rows = vec![Row::Rule];
    for total in &receipt.taxes {
        let name = format!("{} {} {}% of {}", total.mark, total.name, total.percent, amount(total.net));
        rows.push(Row::Sides(name, amount(total.tax).into()));
    }
    rows.push(Row::Rule);
    rows
}
