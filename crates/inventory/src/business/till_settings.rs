//! The settings of the till. They stand in the row of the settings, and share its version.

use rust_decimal::Decimal;
use tenancy::{DbError, TenantTx};
use values::{Currency, LabelPattern, Money, NonNegative, Note};

use crate::business::settings::SettingsError;
use crate::records::edit::Edit;

values::words! {
    /// The width of the paper of receipts.
    pub enum PrinterWidth {
        /// 58 mm, which holds 32 characters on a line.
        Narrow = "58mm",
        /// 80 mm, which holds 48 characters on a line.
        Wide = "80mm",
    }
}

values::words! {
    /// The policy for an offline sale that needs a decision, for example because stock would become negative.
    pub enum NegativeSales {
        /// The sale is refused when the till sends it.
        Refuse = "refuse",
        /// The sale is held for a member. The goods have left already.
        Review = "review",
    }
}

values::words! {
    /// The policy for payments by mobile money.
    pub enum MobileMoneyPolicy {
        /// A sale records the number that the cashier enters. The provider may report the payment later, or
        /// never.
        Recorded = "recorded",
        /// A sale accepts only payments that the provider has reported.
        Confirmed = "confirmed",
    }
}

/// The settings of the till.
#[derive(Debug, Clone)]
pub struct TillSettings {
    /// The text above the lines of a receipt.
    pub receipt_header: Option<Note>,
    /// The text below the total of a receipt.
    pub receipt_footer: Option<Note>,
    /// The width of the paper.
    pub printer_width: PrinterWidth,
    /// Amounts in cash are rounded to a multiple of this amount; zero rounds nothing.
    pub cash_rounding: Money,
    /// The policy for sales that would make stock negative.
    pub negative_sales: NegativeSales,
    /// A larger difference at the close of a shift must be approved.
    pub shift_difference_limit: Money,
    /// The patterns of barcodes that scales print; the first that fits counts.
    pub label_patterns: Vec<LabelPattern>,
    /// The month in which the fiscal year begins, from 1 to 12. Receipts are numbered for each fiscal year.
    pub fiscal_year_starts_in: i16,
    /// The policy for payments by mobile money.
    pub mobile_money: MobileMoneyPolicy,
}

tenancy::from_row!(TillSettings {
    receipt_header,
    receipt_footer,
    printer_width,
    cash_rounding,
    negative_sales,
    shift_difference_limit,
    label_patterns,
    fiscal_year_starts_in,
    mobile_money,
});

/// A change of the settings of the till. `None` leaves a setting as it is, and `Some(None)` removes a text.
#[derive(Debug, Clone, Default)]
pub struct TillSettingsChange {
    /// The text above the lines of a receipt.
    pub receipt_header: Option<Option<Note>>,
    /// The text below the total of a receipt.
    pub receipt_footer: Option<Option<Note>>,
    /// The width of the paper.
    pub printer_width: Option<PrinterWidth>,
    /// The amount to a multiple of which cash is rounded.
    pub cash_rounding: Option<Money>,
    /// The policy for sales that would make stock negative.
    pub negative_sales: Option<NegativeSales>,
    /// The largest difference of a shift that needs no approval.
    pub shift_difference_limit: Option<NonNegative<Money>>,
    /// At most [`MAX_LABEL_PATTERNS`] patterns of barcodes that scales print.
    pub label_patterns: Option<Vec<LabelPattern>>,
    /// The month in which the fiscal year begins, from 1 to 12.
    pub fiscal_year_starts_in: Option<i16>,
    /// The policy for payments by mobile money.
    pub mobile_money: Option<MobileMoneyPolicy>,
}

/// The cash rounding is negative, too large, or finer than the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cash rounding must be from 0 to 1000, with at most the decimals of the currency")]
pub struct CashRoundingError;

/// The largest number of label patterns.
pub const MAX_LABEL_PATTERNS: usize = 20;

/// The largest cash rounding.
const LARGEST: Decimal = Decimal::ONE_THOUSAND;

/// Reads the settings of the till.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx) -> Result<TillSettings, DbError> {
    const READ: &str = "
        SELECT receipt_header, receipt_footer, printer_width, cash_rounding, negative_sales,
               shift_difference_limit, label_patterns, fiscal_year_starts_in, mobile_money
          FROM settings WHERE id = 1";
    tx.row(READ, &[]).await
}

/// Changes them in the row of the settings, which must be locked.
///
/// # Errors
/// [`SettingsError`].
pub(super) async fn update(
    tx: &TenantTx,
    edit: &mut Edit<'_>,
    (stored, currency): (&TillSettings, &Currency),
    change: &TillSettingsChange,
) -> Result<(), SettingsError> {
    const UPDATE: &str = "
        UPDATE settings
           SET receipt_header = $1, receipt_footer = $2, printer_width = $3, cash_rounding = $4,
               negative_sales = $5, shift_difference_limit = $6, label_patterns = $7,
               fiscal_year_starts_in = $8, mobile_money = $9
         WHERE id = 1";
    let is_refused = |amount: Money| {
        amount.is_negative() || amount > Money::rounded(LARGEST) || currency.check(amount).is_err()
    };
    if change.cash_rounding.is_some_and(is_refused) {
        return Err(CashRoundingError.into());
    }
    let header = edit.field("receiptHeader", &stored.receipt_header, change.receipt_header.as_ref());
    let footer = edit.field("receiptFooter", &stored.receipt_footer, change.receipt_footer.as_ref());
    let width = edit.field("printerWidth", &stored.printer_width, change.printer_width.as_ref());
    let rounding = edit.amount("cashRounding", Some(stored.cash_rounding), change.cash_rounding.map(Some));
    let negative = edit.field("negativeSales", &stored.negative_sales, change.negative_sales.as_ref());
    let limit = change.shift_difference_limit.map(NonNegative::get);
    if let Some(limit) = limit {
        currency.check(limit).map_err(SettingsError::DifferenceLimit)?;
    }
    let limit = edit.amount("shiftDifferenceLimit", Some(stored.shift_difference_limit), limit.map(Some));
    if change.label_patterns.as_ref().is_some_and(|patterns| patterns.len() > MAX_LABEL_PATTERNS) {
        return Err(SettingsError::LabelPatterns);
    }
    let patterns = edit.field("labelPatterns", &stored.label_patterns, change.label_patterns.as_ref());
    if change.fiscal_year_starts_in.is_some_and(|month| !(1..=12).contains(&month)) {
        return Err(SettingsError::FiscalYear);
    }
    let month = edit.field(
        "fiscalYearStartsIn",
        &stored.fiscal_year_starts_in,
        change.fiscal_year_starts_in.as_ref(),
    );
    let mobile_money = edit.field("mobileMoney", &stored.mobile_money, change.mobile_money.as_ref());
    let params: tenancy::Params<'_> =
        &[header, footer, width, &rounding, negative, &limit, patterns, month, mobile_money];
    tx.execute(UPDATE, params).await?;
    Ok(())
}
