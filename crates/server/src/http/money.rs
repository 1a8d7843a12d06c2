//! Amounts in the currency of the business.

use inventory::settings;
use tenancy::{DbError, TenantTx, all};
use values::Currency;

use crate::http::problem::Problem;

/// The currency of the business, read in the same round trip as the first statement of `work`.
///
/// # Errors
/// Those of `work`, and of the database.
pub async fn with_currency<T, E>(
    tx: &TenantTx,
    work: impl Future<Output = Result<T, E>>,
) -> Result<(Currency, T), Problem>
where
    Problem: From<E>,
{
    let currency = async { settings::currency(tx).await.map_err(<Problem as From<DbError>>::from) };
    all((currency, async { work.await.map_err(Problem::from) })).await
}
