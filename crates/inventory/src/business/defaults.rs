//! The data with which every new business starts: its settings, an empty profile and one location.

use tenancy::{DbError, TenantTx, all};
use values::Currency;

use crate::ids::LocationId;

/// Stores the settings of a new business, with this currency, the time zone UTC and a discount limit of 10 %
/// for staff, and its default location, which has the name Main.
///
/// # Errors
/// [`DbError`]; also if the business has settings already.
pub async fn seed(tx: &TenantTx, currency: &Currency) -> Result<(), DbError> {
    const INSERT_SETTINGS: &str = "
        INSERT INTO settings (id, currency, currency_decimals, time_zone, discount_limit_percent, updated_at)
        VALUES (1, $1, $2, 'UTC', 10, $3)";
    const INSERT_PROFILE: &str = "INSERT INTO profile (id, updated_at) VALUES (1, $1)";
    const INSERT_LOCATION: &str = "
        INSERT INTO locations (id, name, name_key, is_default, created_at, updated_at)
        VALUES ($1, 'Main', 'main', true, $2, $2)";
    let decimals = i16::try_from(currency.decimals()).unwrap_or(2);
    let settings = async { tx.execute(INSERT_SETTINGS, &[&currency.code(), &decimals, &tx.now()]).await };
    let profile = async { tx.execute(INSERT_PROFILE, &[&tx.now()]).await };
    let location = async { tx.execute(INSERT_LOCATION, &[&LocationId::new(), &tx.now()]).await };
    all((settings, profile, location)).await.map(drop)
}
