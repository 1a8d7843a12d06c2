//! How amounts are shown: in the business's currency, or with every decimal that they have.

use inventory::settings;
use inventory::settings::Currency;
use tenancy::{DbError, TenantTx, both};
use values::Money;

use crate::http::problem::Problem;

/// A cost with all the decimals that it has: it may be finer than the currency.
pub fn plain(cost: Money) -> String {
    cost.as_decimal().normalize().to_string()
}

/// The currency that amounts are told in, asked for in the same flight as the first statement of `work`.
pub async fn with_currency<T, E>(
    tx: &TenantTx,
    work: impl Future<Output = Result<T, E>>,
) -> Result<(Currency, T), Problem>
where
    Problem: From<E>,
{
    let currency = async { settings::currency(tx).await.map_err(<Problem as From<DbError>>::from) };
    both(currency, async { work.await.map_err(Problem::from) }).await
}
