//! The size and growth of each business.

use chrono::NaiveDate;
use const_format::concatcp;
use serde::Serialize;
use tenancy::{DbError, SharedTx};

/// The size of one business.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// The slug of the business.
    pub slug: String,
    /// The name of the schema of the business.
    pub schema: String,
    /// The live rows of all tables, as estimated by the statistics of PostgreSQL.
    pub rows: i64,
    /// The exact size of all tables with their indexes.
    pub size_bytes: i64,
    /// The day of the oldest sample of the last 30 days. `None` without a sample of an earlier day.
    pub since: Option<NaiveDate>,
    /// The growth since that day.
    pub grown_bytes: Option<i64>,
    /// The growth of the estimated rows since that day. `None` when `since` is `None`.
    pub grown_rows: Option<i64>,
}

tenancy::from_row!(Size {
    slug,
    schema: "name",
    rows,
    size_bytes,
    since: "sampled_on",
    grown_bytes,
    grown_rows,
});

/// Starts a query with `size`: for each business, the live rows and the size of all tables with their
/// indexes.
const SIZE: &str = "
        WITH size AS (
            SELECT t.id, t.slug, s.name, coalesce(sum(pg_stat_get_live_tuples(c.oid)), 0)::bigint AS rows,
                   coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size_bytes
              FROM shared.tenants t
              JOIN shared.schemas s ON s.number = t.number
              JOIN pg_namespace n ON n.nspname = s.name
              JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
             GROUP BY t.id, s.name
        )";

/// The sizes of all businesses, largest first.
///
/// # Errors
/// [`DbError`].
pub async fn sizes(tx: &SharedTx) -> Result<Vec<Size>, DbError> {
    const SIZES: &str = concatcp!(
        SIZE,
        "
        SELECT size.slug, size.name, size.rows, size.size_bytes, past.sampled_on,
               size.size_bytes - past.size_bytes AS grown_bytes, size.rows - past.rows AS grown_rows
          FROM size
          LEFT JOIN LATERAL (SELECT p.sampled_on, p.size_bytes, p.rows
                               FROM shared.tenant_sizes p
                              WHERE p.tenant_id = size.id
                                AND p.sampled_on BETWEEN $1::date - 30 AND $1::date - 1
                              ORDER BY p.sampled_on
                              LIMIT 1) AS past ON true
         ORDER BY size.size_bytes DESC, size.slug"
    );
    tx.rows(SIZES, &[&tx.now().date_naive()]).await
}

/// Stores today's sizes and deletes samples that are older than 366 days. Returns the number of businesses.
///
/// # Errors
/// [`DbError`].
pub async fn sample(tx: &SharedTx) -> Result<u64, DbError> {
    const SAMPLE: &str = concatcp!(
        SIZE,
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
