//! A business's settings: one row.

use chrono::NaiveDate;
use const_format::concatcp;
use rust_decimal::Decimal;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Currency, DayStart, IfVersion, Origin, Percent, Reason, Rounding, TimeZone, TooFine};

use crate::are_distinct;
use crate::business::till_settings::{
    self, CashRoundingError, MAX_LABEL_PATTERNS, TillSettings, TillSettingsChange,
};
use crate::day_of;
use crate::records::audit::{Action, Subject};
use crate::records::edit::{Edit, Stale};

/// The settings about prices and orders.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The currency of every amount. Set when the business is created, and never changed.
    pub currency: Currency,
    /// How amounts are rounded to the currency.
    pub rounding: Rounding,
    /// Whether an order is fulfilled when it is placed, unless the order says otherwise.
    pub fulfils_at_once: bool,
    /// The largest discount on an order, in percent of its subtotal, for members who may not set prices.
    pub discount_limit: Percent,
}

impl Terms {
    /// The largest discount on this amount for members who may not set prices, rounded as discounts are.
    pub(crate) fn discount_limit_of(&self, amount: Decimal) -> Decimal {
        self.round(self.discount_limit.of(amount))
    }

    /// Rounds an amount to the currency.
    pub(crate) fn round(&self, amount: Decimal) -> Decimal {
        self.rounding.round(amount, self.currency.decimals())
    }
}

values::words! {
    /// The actions that the platform's staff may take in the business when they act as a member.
    pub enum OperatorAccess {
        /// Whatever the member may do, if they ask for it.
        Full = "full",
        /// Read, and change nothing.
        ReadOnly = "read_only",
        /// Nothing.
        None = "none",
    }
}

impl OperatorAccess {
    /// Whether the staff may act as a member who can change something, or nothing with `is_read_only`.
    pub fn allows(self, is_read_only: bool) -> bool {
        match self {
            Self::Full => true,
            Self::ReadOnly => is_read_only,
            Self::None => false,
        }
    }
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The settings about prices and orders.
    pub terms: Terms,
    /// The time zone in which the business's days begin and end.
    pub time_zone: TimeZone,
    /// The time at which they begin.
    pub day_starts_at: DayStart,
    /// The over-receipt tolerance: how much more than ordered may be received, in percent of the ordered
    /// quantity of a line. A purchase order keeps the tolerance with which its lines were written.
    pub over_receipt: Percent,
    /// The reasons that an adjustment may have. If the list is empty, any reason is allowed.
    pub adjustment_reasons: Vec<Reason>,
    /// The origins whose web pages may call the API of this business.
    pub cors_origins: Vec<Origin>,
    /// The actions that the platform's staff may take when they act as a member.
    pub operator_access: OperatorAccess,
    /// The settings of the till.
    pub till: TillSettings,
    /// Starts at 1 and counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

/// What to change; `None` leaves a setting as it is. The currency cannot change, because all
/// stored amounts are in it.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    /// How amounts are rounded to the currency from now on.
    pub rounding: Option<Rounding>,
    /// Whether new orders are fulfilled when they are placed, by default.
    pub fulfils_at_once: Option<bool>,
    /// The discount limit: from 0 to 100 percent, with at most two decimals.
    pub discount_limit: Option<Percent>,
    /// The time zone, which PostgreSQL must know, too.
    pub time_zone: Option<TimeZone>,
    /// The time at which days begin, from now on and in every report.
    pub day_starts_at: Option<DayStart>,
    /// The over-receipt tolerance: from 0 to 100 percent, with at most two decimals.
    pub over_receipt: Option<Percent>,
    /// Replaces the whole list; an empty list allows any reason.
    pub adjustment_reasons: Option<Vec<Reason>>,
    /// Replaces the whole list.
    pub cors_origins: Option<Vec<Origin>>,
    /// The actions that the platform's staff may take as a member from now on.
    pub operator_access: Option<OperatorAccess>,
    /// The settings of the till.
    pub till: TillSettingsChange,
    /// Change the settings only if they have this version.
    pub if_version: IfVersion,
}

/// The settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The settings have another version than `if_version`.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// PostgreSQL does not know the time zone: `pg_timezone_names` does not list it.
    #[error("the database does not know this time zone; use an IANA name such as Africa/Nairobi")]
    UnknownTimeZone,
    /// The discount limit is out of range or has too many decimals.
    #[error("the discount limit must be from 0 to 100 percent, with at most two decimals")]
    DiscountLimit,
    /// The over-receipt tolerance is out of range or has too many decimals.
    #[error("the over-receipt tolerance must be from 0 to 100 percent, with at most two decimals")]
    Tolerance,
    /// The list of reasons is too long or has a reason twice.
    #[error("at most {MAX_REASONS} reasons are allowed, and all reasons must differ")]
    Reasons,
    /// The list of origins is too long.
    #[error("at most {MAX_ORIGINS} origins are allowed")]
    Origins,
    /// The cash rounding is out of range or finer than the currency.
    #[error(transparent)]
    CashRounding(#[from] CashRoundingError),
    /// The limit of differences of shifts is finer than the currency.
    #[error(transparent)]
    DifferenceLimit(TooFine),
    /// The list of label patterns is too long.
    #[error("at most {MAX_LABEL_PATTERNS} label patterns are allowed")]
    LabelPatterns,
    /// The fiscal year does not begin in a month from 1 to 12.
    #[error("the month must be from 1 to 12")]
    FiscalYear,
    /// A query failed.
    #[error("a settings query failed")]
    Db(#[from] DbError),
}

/// The largest number of reasons for adjustments.
pub const MAX_REASONS: usize = 50;

/// The largest number of origins.
pub const MAX_ORIGINS: usize = 20;

struct TermsRow {
    currency: String,
    currency_decimals: i16,
    rounding: Rounding,
    fulfils_at_once: bool,
    discount_limit_percent: Percent,
}

tenancy::from_row!(TermsRow {
    currency,
    currency_decimals,
    rounding,
    fulfils_at_once,
    discount_limit_percent,
});

impl From<TermsRow> for Terms {
    fn from(row: TermsRow) -> Self {
        Self {
            currency: Currency::stored(row.currency, row.currency_decimals),
            rounding: row.rounding,
            fulfils_at_once: row.fulfils_at_once,
            discount_limit: row.discount_limit_percent,
        }
    }
}

struct SettingsRow {
    currency: String,
    currency_decimals: i16,
    rounding: Rounding,
    fulfils_at_once: bool,
    discount_limit_percent: Percent,
    time_zone: TimeZone,
    day_starts_at: DayStart,
    over_receipt_percent: Percent,
    adjustment_reasons: Vec<Reason>,
    cors_origins: Vec<Origin>,
    operator_access: OperatorAccess,
    version: i32,
}

tenancy::from_row!(SettingsRow {
    currency,
    currency_decimals,
    rounding,
    fulfils_at_once,
    discount_limit_percent,
    time_zone,
    day_starts_at,
    over_receipt_percent,
    adjustment_reasons,
    cors_origins,
    operator_access,
    version,
});

impl SettingsRow {
    fn with(self, till: TillSettings) -> Settings {
        let row = self;
        let terms = TermsRow {
            currency: row.currency,
            currency_decimals: row.currency_decimals,
            rounding: row.rounding,
            fulfils_at_once: row.fulfils_at_once,
            discount_limit_percent: row.discount_limit_percent,
        };
        Settings {
            terms: terms.into(),
            time_zone: row.time_zone,
            day_starts_at: row.day_starts_at,
            over_receipt: row.over_receipt_percent,
            adjustment_reasons: row.adjustment_reasons,
            cors_origins: row.cors_origins,
            operator_access: row.operator_access,
            till,
            version: row.version,
        }
    }
}

const SELECT: &str = "
    SELECT currency, currency_decimals, rounding, fulfils_at_once, discount_limit_percent, time_zone,
           day_starts_at, over_receipt_percent, adjustment_reasons, cors_origins, operator_access, version
      FROM settings WHERE id = 1";

/// Reads all settings.
///
/// # Errors
/// [`DbError`].
pub async fn read(tx: &TenantTx) -> Result<Settings, DbError> {
    let (row, till) = all((tx.row::<SettingsRow>(SELECT, &[]), till_settings::read(tx))).await?;
    Ok(row.with(till))
}

/// Changes settings, with the row locked; a change that changes nothing leaves the version as it is.
///
/// # Errors
/// [`SettingsError`].
pub async fn update(tx: &TenantTx, change: &SettingsChange, actor: ActorId) -> Result<(), SettingsError> {
    const LOCK: &str = concatcp!(SELECT, " FOR NO KEY UPDATE");
    const KNOWS_ZONE: &str = "SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = $1)";
    const UPDATE: &str = "
        UPDATE settings
           SET rounding = $1, fulfils_at_once = $2, discount_limit_percent = $3, time_zone = $4,
               over_receipt_percent = $5, adjustment_reasons = $6, cors_origins = $7,
               operator_access = $8, day_starts_at = $9, version = version + 1, updated_at = $10
         WHERE id = 1";
    let locked: SettingsRow = tx.row(LOCK, &[]).await?;
    let stored = locked.with(till_settings::read(tx).await?);
    let mut edit = Edit::begin(tx, actor, change.if_version, stored.version)?;
    if let Some(zone) = &change.time_zone
        && !tx.value(KNOWS_ZONE, &[zone]).await?
    {
        return Err(SettingsError::UnknownTimeZone);
    }
    if change.over_receipt.is_some_and(|percent| !percent.is_setting()) {
        return Err(SettingsError::Tolerance);
    }
    if change.discount_limit.is_some_and(|percent| !percent.is_setting()) {
        return Err(SettingsError::DiscountLimit);
    }
    // Reasons of an earlier release may be equal. They may stay, and be sent back unchanged.
    if let Some(reasons) = change.adjustment_reasons.as_ref().filter(|all| **all != stored.adjustment_reasons)
    {
        let keys: Vec<String> = reasons.iter().map(Reason::key).collect();
        if keys.len() > MAX_REASONS || !are_distinct(&keys) {
            return Err(SettingsError::Reasons);
        }
    }
    if change.cors_origins.as_ref().is_some_and(|origins| origins.len() > MAX_ORIGINS) {
        return Err(SettingsError::Origins);
    }
    let terms = &stored.terms;
    let rounding = edit.field("rounding", &terms.rounding, change.rounding.as_ref());
    let fulfils_at_once =
        edit.field("fulfilsAtOnce", &terms.fulfils_at_once, change.fulfils_at_once.as_ref());
    let limit = edit.field("discountLimitPercent", &terms.discount_limit, change.discount_limit.as_ref());
    let time_zone = edit.field("timeZone", &stored.time_zone, change.time_zone.as_ref());
    let day_starts_at = edit.field("dayStartsAt", &stored.day_starts_at, change.day_starts_at.as_ref());
    let over_receipt = edit.field("overReceiptPercent", &stored.over_receipt, change.over_receipt.as_ref());
    let reasons =
        edit.field("adjustmentReasons", &stored.adjustment_reasons, change.adjustment_reasons.as_ref());
    let origins = edit.field("corsOrigins", &stored.cors_origins, change.cors_origins.as_ref());
    let access = edit.field("operatorAccess", &stored.operator_access, change.operator_access.as_ref());
    till_settings::update(tx, &mut edit, (&stored.till, &terms.currency), &change.till).await?;
    if edit.is_empty() {
        return Ok(());
    }
    let values: tenancy::Params<'_> = &[
        rounding,
        fulfils_at_once,
        limit,
        time_zone,
        over_receipt,
        reasons,
        origins,
        access,
        day_starts_at,
        &tx.now(),
    ];
    tx.execute(UPDATE, values).await?;
    if change.cors_origins.as_ref().is_some_and(|origins| *origins != stored.cors_origins) {
        tx.announce_change().await?;
    }
    edit.record(Action::SettingsChanged, Subject::Settings(tx.tenant().id)).await?;
    Ok(())
}

/// The currency was not changed.
#[derive(Debug, thiserror::Error)]
pub enum CurrencyChangeError {
    /// Amounts are stored in the currency of before.
    #[error(
        "the business already has products, purchase orders, shifts or credit limits, so its currency cannot \
         change"
    )]
    InUse,
    /// A query failed.
    #[error("a settings query failed")]
    Db(#[from] DbError),
}

/// Changes the currency of a business that has no amounts yet. The amounts among the settings, which were in
/// the currency of before, become zero. Returns the code of the currency of before;
/// `None` if it is the same.
///
/// # Errors
/// [`CurrencyChangeError`].
pub async fn change_currency(
    tx: &TenantTx,
    currency: &Currency,
) -> Result<Option<String>, CurrencyChangeError> {
    // Waits for every transaction that has read the currency, and no other can read it before this one ends.
    // An amount that is being stored is therefore seen here, or is read with the new currency.
    const LOCK: &str = "LOCK TABLE settings IN ACCESS EXCLUSIVE MODE";
    const HAS_AMOUNTS: &str = "
        SELECT EXISTS (SELECT FROM variants) OR EXISTS (SELECT FROM purchase_orders)
            OR EXISTS (SELECT FROM shifts) OR EXISTS (SELECT FROM customers WHERE credit_limit <> 0)";
    const CHANGE: &str = "
        UPDATE settings
           SET currency = $1, currency_decimals = $2, cash_rounding = 0, shift_difference_limit = 0,
               version = version + 1, updated_at = $3
         WHERE id = 1";
    let before = self::currency(tx).await?;
    if before.code() == currency.code() {
        return Ok(None);
    }
    // First without the lock, which everybody has to wait for.
    if tx.value(HAS_AMOUNTS, &[]).await? {
        return Err(CurrencyChangeError::InUse);
    }
    tx.execute(LOCK, &[]).await?;
    if tx.value(HAS_AMOUNTS, &[]).await? {
        return Err(CurrencyChangeError::InUse);
    }
    let decimals = i16::try_from(currency.decimals()).unwrap_or(2);
    tx.execute(CHANGE, &[&currency.code(), &decimals, &tx.now()]).await?;
    Ok(Some(before.code().to_owned()))
}

/// Reads the settings about prices and orders, without the others.
///
/// # Errors
/// [`DbError`].
pub async fn terms(tx: &TenantTx) -> Result<Terms, DbError> {
    const TERMS: &str = "
        SELECT currency, currency_decimals, rounding, fulfils_at_once, discount_limit_percent
          FROM settings WHERE id = 1";
    Ok(tx.row::<TermsRow>(TERMS, &[]).await?.into())
}

/// The origins whose web pages may call the API of this business.
///
/// # Errors
/// [`DbError`].
pub async fn origins(tx: &TenantTx) -> Result<Vec<Origin>, DbError> {
    const ORIGINS: &str = "SELECT cors_origins FROM settings WHERE id = 1";
    tx.value(ORIGINS, &[]).await
}

/// The actions that the platform's staff may take when they act as a member.
///
/// # Errors
/// [`DbError`].
pub async fn operator_access(tx: &TenantTx) -> Result<OperatorAccess, DbError> {
    const ACCESS: &str = "SELECT operator_access FROM settings WHERE id = 1";
    tx.value(ACCESS, &[]).await
}

/// The day at the time of the transaction, in the time zone of the business.
///
/// # Errors
/// [`DbError`].
pub async fn today(tx: &TenantTx) -> Result<NaiveDate, DbError> {
    const TODAY: &str =
        concatcp!("SELECT ", day_of!("$1::timestamptz", "s"), " FROM settings s WHERE id = 1");
    tx.value(TODAY, &[&tx.now()]).await
}

/// The over-receipt tolerance.
///
/// # Errors
/// [`DbError`].
pub(crate) async fn over_receipt(tx: &TenantTx) -> Result<Percent, DbError> {
    const OVER_RECEIPT: &str = "SELECT over_receipt_percent FROM settings WHERE id = 1";
    tx.value(OVER_RECEIPT, &[]).await
}

/// The settings list the allowed reasons, and the reason is not among them. Holds the allowed reasons.
#[derive(Debug, thiserror::Error)]
#[error("the reason must be one of: {}", .0.iter().map(Reason::as_str).collect::<Vec<_>>().join(", "))]
pub struct UnknownReason(pub Vec<Reason>);

/// The reason of an adjustment or a write-off, as the settings write it. If the settings list no reasons, any
/// reason is allowed.
///
/// # Errors
/// [`DbError`]. The inner result is [`UnknownReason`] if the reason is not allowed.
pub(crate) async fn allowed_reason(
    tx: &TenantTx,
    reason: &Reason,
) -> Result<Result<Reason, UnknownReason>, DbError> {
    const REASONS: &str = "SELECT adjustment_reasons FROM settings WHERE id = 1";
    let reasons: Vec<Reason> = tx.value(REASONS, &[]).await?;
    if reasons.is_empty() {
        return Ok(Ok(reason.clone()));
    }
    let key = reason.key();
    Ok(reasons.iter().find(|allowed| allowed.key() == key).cloned().ok_or(UnknownReason(reasons)))
}

/// The business's currency.
///
/// # Errors
/// [`DbError`].
pub async fn currency(tx: &TenantTx) -> Result<Currency, DbError> {
    struct Row {
        currency: String,
        currency_decimals: i16,
    }
    tenancy::from_row!(Row { currency, currency_decimals });
    const CURRENCY: &str = "SELECT currency, currency_decimals FROM settings WHERE id = 1";
    let row: Row = tx.row(CURRENCY, &[]).await?;
    Ok(Currency::stored(row.currency, row.currency_decimals))
}
