//! Plans: what the operator of the platform sells to businesses.

use std::ops::RangeInclusive;

use const_format::concatcp;
use serde::Serialize;
use tenancy::{Cells, DbError, FromRow, PlanKey, PlanLimits, RowError, SharedTx};
use values::Name;

/// A plan, as it is stored.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The key, which never changes.
    pub key: PlanKey,
    /// The name, as people see it.
    pub name: Name,
    /// The days of one term; `None` if a licence has no end.
    pub term_days: Option<i32>,
    /// The days after the end of a licence on which a business may still sell.
    pub grace_days: i32,
    /// The limits of a business.
    #[serde(flatten)]
    pub limits: PlanLimits,
    /// Whether a new business gets the plan.
    pub is_default: bool,
    /// The number of businesses that have the plan.
    pub businesses: i64,
}

impl FromRow for Plan {
    const COLUMNS: &'static [&'static str] = &[
        "key",
        "name",
        "term_days",
        "grace_days",
        "max_members",
        "max_locations",
        "max_products",
        "max_registers",
        "is_default",
        "businesses",
    ];

    fn from_cells(cells: &mut Cells<'_>) -> Result<Self, RowError> {
        Ok(Self {
            key: cells.read()?,
            name: cells.read()?,
            term_days: cells.read()?,
            grace_days: cells.read()?,
            limits: PlanLimits {
                max_members: cells.read()?,
                max_locations: cells.read()?,
                max_products: cells.read()?,
                max_registers: cells.read()?,
            },
            is_default: cells.read()?,
            businesses: cells.read()?,
        })
    }
}

/// A plan to be stored.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// The key of a new plan, or of one that is replaced.
    pub key: PlanKey,
    /// The name, as people see it.
    pub name: Name,
    /// The days of one term, [`TERM_DAYS`]; `None` if a licence has no end.
    pub term_days: Option<i32>,
    /// The days of grace, [`GRACE_DAYS`].
    pub grace_days: i32,
    /// The limits of a business, each in [`LIMIT`].
    pub limits: PlanLimits,
    /// Whether new businesses get the plan.
    pub is_default: bool,
}

/// The days that one term may have.
pub const TERM_DAYS: RangeInclusive<i64> = 1..=3660;
/// The days of grace that a plan may have.
pub const GRACE_DAYS: RangeInclusive<i64> = 0..=366;

/// The values that a limit may have.
pub const LIMIT: RangeInclusive<i64> = 1..=i32::MAX as i64;

/// A plan was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is no plan with this key.
    #[error("there is no plan {0}")]
    Unknown(PlanKey),
    /// A number of days or a limit is out of its range. The field is named as in JSON.
    #[error("{field} must be from {low} to {high}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// The least value.
        low: i64,
        /// The largest value.
        high: i64,
    },
    /// New businesses would get no plan.
    #[error("new businesses get the plan {0}; make another plan the default first")]
    Default(PlanKey),
    /// Businesses have the plan.
    #[error("businesses have the plan {0}; give them another plan first")]
    InUse(PlanKey),
    /// A query failed.
    #[error("a query of plans failed")]
    Db(#[from] DbError),
}

const SELECT: &str = "
    SELECT p.key, p.name, p.term_days, p.grace_days, p.max_members, p.max_locations, p.max_products,
           p.max_registers, p.is_default,
           (SELECT count(*) FROM shared.tenants t WHERE t.plan = p.key) AS businesses
      FROM shared.plans p ";

/// All plans, by their keys.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &SharedTx) -> Result<Vec<Plan>, DbError> {
    const LIST: &str = concatcp!(SELECT, "ORDER BY p.key");
    tx.rows(LIST, &[]).await
}

/// # Errors
/// [`PlanError::Unknown`], [`PlanError::Db`].
pub async fn find(tx: &SharedTx, key: &PlanKey) -> Result<Plan, PlanError> {
    const FIND: &str = concatcp!(SELECT, "WHERE p.key = $1");
    tx.row_opt(FIND, &[key]).await?.ok_or_else(|| PlanError::Unknown(key.clone()))
}

/// Stores a new plan, or replaces the plan with this key. Licences of the plan keep their ends, and have the
/// new limits and days of grace at once. Returns whether anything changed.
///
/// # Errors
/// [`PlanError`].
pub async fn save(tx: &SharedTx, new: &NewPlan) -> Result<bool, PlanError> {
    const NO_OTHER_DEFAULT: &str =
        "UPDATE shared.plans SET is_default = false, updated_at = $2 WHERE is_default AND key <> $1";
    const SAVE: &str = "
        INSERT INTO shared.plans AS p (key, name, term_days, grace_days, max_members, max_locations,
                                       max_products, max_registers, is_default, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (key) DO UPDATE
           SET name = $2, term_days = $3, grace_days = $4, max_members = $5, max_locations = $6,
               max_products = $7, max_registers = $8, is_default = $9, updated_at = $10
         WHERE (p.name, p.term_days, p.grace_days, p.max_members, p.max_locations, p.max_products,
                p.max_registers, p.is_default)
               IS DISTINCT FROM
               ($2, $3::integer, $4, $5::integer, $6::integer, $7::integer, $8::integer, $9)";
    check(new)?;
    take_turns(tx).await?;
    match find(tx, &new.key).await {
        Ok(present) if present.is_default && !new.is_default => {
            return Err(PlanError::Default(new.key.clone()));
        }
        Ok(_) | Err(PlanError::Unknown(_)) => {}
        Err(error) => return Err(error),
    }
    if new.is_default {
        tx.execute(NO_OTHER_DEFAULT, &[&new.key, &tx.now()]).await?;
    }
    let limits = &new.limits;
    let params: tenancy::Params<'_> = &[
        &new.key,
        &new.name,
        &new.term_days,
        &new.grace_days,
        &limits.max_members,
        &limits.max_locations,
        &limits.max_products,
        &limits.max_registers,
        &new.is_default,
        &tx.now(),
    ];
    Ok(tx.execute(SAVE, params).await? > 0)
}

fn check(new: &NewPlan) -> Result<(), PlanError> {
    let limits = &new.limits;
    let in_range = |field, value: Option<i32>, range: RangeInclusive<i64>| match value {
        Some(value) if !range.contains(&value.into()) => {
            Err(PlanError::OutOfRange { field, low: *range.start(), high: *range.end() })
        }
        _ => Ok(()),
    };
    in_range("termDays", new.term_days, TERM_DAYS)?;
    in_range("graceDays", Some(new.grace_days), GRACE_DAYS)?;
    in_range("maxMembers", limits.max_members, LIMIT)?;
    in_range("maxLocations", limits.max_locations, LIMIT)?;
    in_range("maxProducts", limits.max_products, LIMIT)?;
    in_range("maxRegisters", limits.max_registers, LIMIT)
}

/// Removes a plan that no business has.
///
/// # Errors
/// [`PlanError`].
pub async fn remove(tx: &SharedTx, key: &PlanKey) -> Result<(), PlanError> {
    const REMOVE: &str = "DELETE FROM shared.plans WHERE key = $1";
    take_turns(tx).await?;
    if find(tx, key).await?.is_default {
        return Err(PlanError::Default(key.clone()));
    }
    tx.execute(REMOVE, &[key]).await.map_err(|error| match error.constraint() {
        Some("tenants_plan_fkey") => PlanError::InUse(key.clone()),
        _ => error.into(),
    })?;
    Ok(())
}

/// One change of plans at a time: there is exactly one default.
async fn take_turns(tx: &SharedTx) -> Result<(), DbError> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('tenantry plans', 0))";
    tx.execute(LOCK, &[]).await.map(drop)
}
