//! How big each business is, and how fast it grows.

use chrono::NaiveDate;
use serde::Serialize;
use tenancy::{DbError, SharedTx};

/// One business's size.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    pub slug: String,
    pub schema: String,
    /// Live rows of all tables, as PostgreSQL counts them along the way.
    pub rows: i64,
    /// Tables with their indexes, exactly.
    pub size_bytes: i64,
    /// The oldest sample of the last thirty days, where there is one of another day.
    pub since: Option<NaiveDate>,
    /// What it has gained since then.
    pub grown_bytes: Option<i64>,
    pub grown_rows: Option<i64>,
}

/// Of each business: tables with their indexes, and live rows, as `size`.
macro_rules! with_sizes {
    ($then:literal) => {
        concat!(
            "
        WITH size AS (
            SELECT t.id, t.slug, s.name, coalesce(sum(pg_stat_get_live_tuples(c.oid)), 0)::bigint AS rows,
                   coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size_bytes
              FROM shared.tenants t
              JOIN shared.schemas s ON s.number = t.number
              JOIN pg_namespace n ON n.nspname = s.name
              JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
             GROUP BY t.id, s.name
        )",
            $then
        )
    };
}

/// The sizes of all businesses, the biggest first.
///
/// # Errors
/// [`DbError`].
pub async fn sizes(tx: &SharedTx) -> Result<Vec<Size>, DbError> {
    const SIZES: &str = with_sizes!(
        "
        SELECT size.slug, size.name, size.rows, size.size_bytes, past.sampled_on,
               size.size_bytes - past.size_bytes AS grown_bytes, size.rows - past.rows AS grown_rows
          FROM size
          LEFT JOIN LATERAL (SELECT p.sampled_on, p.size_bytes, p.rows
                               FROM shared.tenant_sizes p
                              WHERE p.tenant_id = size.id AND p.sampled_on BETWEEN $1::date - 30 AND $1::date - 1
                              ORDER BY p.sampled_on
                              LIMIT 1) AS past ON true
         ORDER BY size.size_bytes DESC, size.slug"
    );
    let rows = tx.query(SIZES, &[&tx.now().date_naive()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Size {
                slug: row.try_get("slug")?,
                schema: row.try_get("name")?,
                rows: row.try_get("rows")?,
                size_bytes: row.try_get("size_bytes")?,
                since: row.try_get("sampled_on")?,
                grown_bytes: row.try_get("grown_bytes")?,
                grown_rows: row.try_get("grown_rows")?,
            })
        })
        .collect()
}

/// Keeps today's sizes, and forgets those of more than a year ago; returns how many businesses there are.
///
/// # Errors
/// [`DbError`].
pub async fn sample(tx: &SharedTx) -> Result<u64, DbError> {
    const SAMPLE: &str = with_sizes!(
        "
        INSERT INTO shared.tenant_sizes (tenant_id, sampled_on, size_bytes, rows)
        SELECT id, $1, size_bytes, rows FROM size
            ON CONFLICT (tenant_id, sampled_on) DO UPDATE
               SET size_bytes = EXCLUDED.size_bytes, rows = EXCLUDED.rows"
    );
    const FORGET: &str = "DELETE FROM shared.tenant_sizes WHERE sampled_on < $1";
    let today = tx.now().date_naive();
    let sampled = tx.execute(SAMPLE, &[&today]).await?;
    tx.execute(FORGET, &[&(today - chrono::TimeDelta::days(366))]).await?;
    Ok(sampled)
}
