//! The limits of the plan of a business: how many products, locations and registers it may have.

use tenancy::{DbError, TenantTx};

/// A kind of rows in the schema of a business that a plan limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Products that are not archived.
    Products,
    /// Locations that are not archived.
    Locations,
    /// Registers that are not archived.
    Registers,
}

impl Limited {
    /// The plural, as people say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Locations => "locations",
            Self::Registers => "registers",
        }
    }
}

/// The plan does not allow one more.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The business has as many as its plan allows.
    #[error(
        "the plan of this business allows {most} {}; archive one, or ask for another plan",
        .what.as_str()
    )]
    Reached {
        /// The kind that is limited.
        what: Limited,
        /// The limit.
        most: i32,
    },
    /// A query failed.
    #[error("counting for a limit of the plan failed")]
    Db(#[from] DbError),
}

/// Call this after one more was stored: refuses it if the plan does not allow it. Changes of one business
/// that add the same take turns until their transactions end, so that no two of them get the last place.
///
/// # Errors
/// [`LimitError`]; the caller rolls back.
pub async fn check(tx: &TenantTx, what: Limited) -> Result<(), LimitError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    // The subquery stops at the first row too many.
    const PRODUCTS: &str =
        "SELECT count(*) FROM (SELECT FROM products WHERE archived_at IS NULL LIMIT $1::bigint + 1) rows";
    const LOCATIONS: &str =
        "SELECT count(*) FROM (SELECT FROM locations WHERE archived_at IS NULL LIMIT $1::bigint + 1) rows";
    const REGISTERS: &str =
        "SELECT count(*) FROM (SELECT FROM registers WHERE archived_at IS NULL LIMIT $1::bigint + 1) rows";
    let tenant = tx.tenant();
    let (most, count) = match what {
        Limited::Products => (tenant.licence.limits.max_products, PRODUCTS),
        Limited::Locations => (tenant.licence.limits.max_locations, LOCATIONS),
        Limited::Registers => (tenant.licence.limits.max_registers, REGISTERS),
    };
    let Some(most) = most else { return Ok(()) };
    tx.execute(LOCK, &[&format!("{} limit of {}", tenant.schema, what.as_str())]).await?;
    if tx.value::<i64>(count, &[&i64::from(most)]).await? > i64::from(most) {
        return Err(LimitError::Reached { what, most });
    }
    Ok(())
}
