//! Mails saved reports at their times.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use identity::mails::{self, MailId};
use identity::{Permission, membership};
use insight::choice::ReadReport;
use insight::report::MaxRows;
use insight::saved_report::{self, MailFormat, SavedReport, Schedule};
use insight::table::TableError;
use serde_json::json;
use tenancy::{DbError, OwnerDatabase, SharedTx, Tenant, TenantId, TenantStatus, TenantTx, chain};

use crate::shops::report_schedule::{self, DueReport};

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mailed {
    /// The reports that were mailed.
    pub reports: usize,
    /// The time of the next run; `None` if no report is mailed.
    pub next: Option<DateTime<Utc>>,
}

/// A report was not mailed.
#[derive(Debug, thiserror::Error)]
enum ReportMailError {
    #[error("a query failed")]
    Db(#[from] DbError),
    #[error(transparent)]
    Table(#[from] TableError),
}

/// The pause before a report is tried again, for example because its business is closed.
const PAUSE: TimeDelta = TimeDelta::minutes(30);

/// Mails the reports that are due.
///
/// # Errors
/// [`DbError`] when the shared tables cannot be read. A report that cannot be read is tried again later.
pub async fn mail_due(owner_database: &OwnerDatabase) -> Result<Mailed, DbError> {
    let mut mailed = Mailed::default();
    let due = owner_database.write_shared(async |tx: &SharedTx| report_schedule::due(tx).await).await?;
    for report in due {
        let next = match look_at(owner_database, report, &mut mailed).await {
            Ok(next) => next,
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(saved_report.id = %report.report_id, %error, "a report was not mailed");
                Some(Utc::now() + PAUSE)
            }
        };
        owner_database
            .write_shared(async |tx: &SharedTx| report_schedule::set(tx, report, next).await)
            .await?;
    }
    let next = async |tx: &SharedTx| report_schedule::next_due(tx).await;
    mailed.next = owner_database.write_shared(next).await?;
    Ok(mailed)
}

/// Mails a report if it is time. Returns when to look at it again.
async fn look_at(
    owner_database: &OwnerDatabase,
    DueReport { report_id: id, tenant_id, .. }: DueReport,
    mailed: &mut Mailed,
) -> Result<Option<DateTime<Utc>>, ReportMailError> {
    let Some(tenant) = owner_database.find_tenant(tenant_id).await? else { return Ok(None) };
    if tenant.status != TenantStatus::Active {
        return Ok(Some(Utc::now() + PAUSE));
    }
    let find = async |tx: &TenantTx| saved_report::find(tx, id).await;
    let Some(saved) = owner_database.write_tenant(&tenant, find).await? else { return Ok(None) };
    let Some(schedule) = saved.schedule() else { return Ok(None) };
    if saved.next_mail_at.is_some_and(|at| at > Utc::now()) {
        return Ok(saved.next_mail_at);
    }
    if !may_be_mailed(owner_database, tenant_id, &saved).await? {
        let stop = async |tx: &TenantTx| saved_report::stop_mails(tx, &saved).await;
        owner_database.write_tenant(&tenant, stop).await?;
        return Ok(None);
    }
    // A later release saved a choice that this one does not know.
    let Some(choice) = saved.choice() else { return Ok(Some(Utc::now() + PAUSE)) };
    let read = async |tx: &TenantTx| choice.read(tx, MaxRows::MAIL).await;
    let report = owner_database.write_tenant(&tenant, read).await?;
    queue(owner_database, &tenant, &saved, &schedule, &report).await?;
    mailed.reports += 1;
    let note = async |tx: &TenantTx| saved_report::note_mail(tx, &saved).await;
    owner_database.write_tenant(&tenant, note).await?;
    Ok(owner_database.write_tenant(&tenant, find).await?.and_then(|saved| saved.next_mail_at))
}

/// Whether the member in whose name a report is mailed may still read and export it.
async fn may_be_mailed(
    owner_database: &OwnerDatabase,
    tenant: TenantId,
    saved: &SavedReport,
) -> Result<bool, DbError> {
    let permissions = [Permission::ReportsRead, Permission::DataExport];
    let holds = async |tx: &SharedTx| membership::holds(tx, saved.mail_by, tenant, &permissions).await;
    owner_database.write_shared(holds).await
}

/// Gives the mails to the post. Their ids depend on the report and its time, so that a process that was
/// interrupted sends nothing twice.
async fn queue(
    owner_database: &OwnerDatabase,
    tenant: &Tenant,
    saved: &SavedReport,
    schedule: &Schedule,
    report: &ReadReport,
) -> Result<(), ReportMailError> {
    let (content, kind, extension) = match schedule.format {
        MailFormat::Csv => (report.table.csv()?, "text/csv", "csv"),
        MailFormat::Xlsx => {
            let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            (report.table.xlsx()?, kind, "xlsx")
        }
    };
    let parameters = json!({
        "business": tenant.name, "report": saved.name,
        "from": report.span.map(|span| span.first), "to": report.span.map(|span| span.last),
        "rows": report.table.rows.len(), "hasMore": report.table.has_more,
        "attachment": {
            "name": format!("{}.{extension}", report.table.name), "type": kind,
            "base64": BASE64_STANDARD.encode(content),
        },
    });
    for address in &schedule.to {
        let id = mail_id(saved, address.as_str());
        let queue = async |tx: &SharedTx| {
            mails::queue_as(tx, id, mails::Template::Report, Some(tenant.id), address.as_str(), &parameters)
                .await
        };
        match owner_database.write_shared(queue).await {
            Err(error) if !mails::is_repeated(&error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn mail_id(saved: &SavedReport, address: &str) -> MailId {
    let moment = saved.next_mail_at.map_or(0, |at| at.timestamp_micros());
    let hash = digest(&SHA256, format!("{} {moment} {address}", saved.id).as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    MailId::from(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
