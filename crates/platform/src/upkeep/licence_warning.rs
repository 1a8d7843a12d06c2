//! Warnings of licences that end: to the owners by mail, and to programs by an event.

use chrono::{DateTime, Utc};
use identity::{mails, membership};
use serde_json::json;
use tenancy::{DbError, OwnerDatabase, SharedTx, TenantId, outbox, tenant};

use crate::shops::licence::{LicenceEnding, LicenceEvent};

/// A licence of which a warning is due.
struct Due {
    id: TenantId,
    licensed_until: DateTime<Utc>,
    days_left: i64,
}

tenancy::from_row!(Due { id, licensed_until, days_left });

/// The most warnings of one transaction.
const AT_ONCE: i64 = 50;

/// Warns 30, 7 and 1 days before the end of each licence, and at its end. A warning that was late goes out
/// once, with the days that are left. Returns the number of warnings.
///
/// # Errors
/// [`DbError`].
pub async fn warn(owner_database: &OwnerDatabase) -> Result<usize, DbError> {
    let mut warned = 0;
    loop {
        let round = owner_database.write_shared(async |tx| warn_some(tx).await).await?;
        if round == 0 {
            return Ok(warned);
        }
        warned += round;
    }
}

async fn warn_some(tx: &SharedTx) -> Result<usize, DbError> {
    // A licence that was granted for less than 30 days is not warned of at once.
    const TAKE: &str = "
        WITH due AS (
            SELECT t.id, d.days
              FROM shared.tenants t
             CROSS JOIN LATERAL (
                   SELECT min(days) AS days FROM unnest(ARRAY[30, 7, 1, 0]) days
                    WHERE t.licensed_until - days * interval '1 day' <= $1
                      AND t.licensed_until - days * interval '1 day' > t.licensed_at) d
             WHERE t.is_licensed AND t.licensed_until <= $1::timestamptz + interval '30 days'
               AND t.status <> 'archived'
               AND d.days < coalesce(t.licence_warned_days, 31)
             ORDER BY t.id LIMIT $2
               FOR NO KEY UPDATE OF t SKIP LOCKED)
        UPDATE shared.tenants t SET licence_warned_days = due.days FROM due WHERE t.id = due.id
     RETURNING t.id, t.licensed_until,
               greatest(0, ceil(extract(epoch FROM t.licensed_until - $1) / 86400))::bigint AS days_left";
    let due: Vec<Due> = tx.rows(TAKE, &[&tx.now(), &AT_ONCE]).await?;
    for due in &due {
        warn_of(tx, due).await?;
    }
    Ok(due.len())
}

async fn warn_of(tx: &SharedTx, due: &Due) -> Result<(), DbError> {
    let Some(tenant) = tenant::find_by_id(tx, due.id).await? else { return Ok(()) };
    let (valid_until, days_left) = (due.licensed_until, due.days_left);
    let sells_until = tenant.licence.sells_until().unwrap_or(valid_until);
    let day = |moment: DateTime<Utc>| moment.format("%-d %B %Y at %H:%M UTC").to_string();
    let parameters = json!({
        "business": tenant.name, "daysLeft": days_left, "validUntil": day(valid_until),
        "endsAt": valid_until, "sellsUntil": day(sells_until), "hasGrace": sells_until > valid_until,
        "isOver": sells_until <= tx.now(),
    });
    for address in membership::owner_emails(tx, due.id).await? {
        mails::queue(tx, mails::Template::LicenceEnding, Some(due.id), address.as_str(), &parameters).await?;
    }
    let plan = tenant.licence.plan.clone();
    let event = LicenceEvent::Ending(LicenceEnding { plan, valid_until, sells_until, days_left });
    outbox::write_for(tx, &tenant, &event).await
}
