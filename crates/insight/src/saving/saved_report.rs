//! Saved reports: a business keeps the choice of a report under a name, and may have it mailed.

use chrono::{DateTime, NaiveTime, Utc};
use const_format::concatcp;
use inventory::Stale;
use inventory::audit::{self, Action, Subject};
use serde_json::json;
use tenancy::{DbError, TenantTx};
use tokio_postgres::types::ToSql;
use values::{ActorId, Email, IfVersion, Name, Page, PageRequest};

use crate::saving::choice::{Choice, Period, ReportName};

values::ids! {
    /// The id of a saved report.
    SavedReportId,
}

values::words! {
    /// How often a report is mailed.
    pub enum MailEvery {
        /// Every day.
        Day = "day",
        /// Every week.
        Week = "week",
        /// Every month.
        Month = "month",
    }

    /// The format of the mailed file.
    pub enum MailFormat {
        /// A table for spreadsheets (RFC 4180).
        Csv = "csv",
        /// An XLSX workbook.
        Xlsx = "xlsx",
    }
}

/// When and to whom a report is mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// How often.
    pub every: MailEvery,
    /// The time of the day, in the time zone of the business.
    pub at: NaiveTime,
    /// The day of the week from 1 for Monday, or of the month from 1 to 28; `None` for every day.
    pub day: Option<i16>,
    /// The format of the file.
    pub format: MailFormat,
    /// The addresses.
    pub to: Vec<Email>,
}

/// A schedule is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The day does not fit.
    #[error(
        "day must be from 1 for Monday to 7 if every is week, from 1 to 28 if every is month, \
        and left out otherwise"
    )]
    Day,
    /// There are no addresses, or too many.
    #[error("to must have 1 to {MAX_RECIPIENTS} addresses")]
    Recipients,
}

/// The most addresses to which a report is mailed.
pub const MAX_RECIPIENTS: usize = 5;

impl Schedule {
    /// # Errors
    /// [`ScheduleError`].
    pub fn check(&self) -> Result<(), ScheduleError> {
        let fits = match (self.every, self.day) {
            (MailEvery::Day, day) => day.is_none(),
            (MailEvery::Week, day) => day.is_some_and(|day| (1..=7).contains(&day)),
            (MailEvery::Month, day) => day.is_some_and(|day| (1..=28).contains(&day)),
        };
        match (fits, self.to.len()) {
            (false, _) => Err(ScheduleError::Day),
            (true, 1..=MAX_RECIPIENTS) => Ok(()),
            (true, _) => Err(ScheduleError::Recipients),
        }
    }
}

/// A report to be saved.
#[derive(Debug, Clone)]
pub struct NewSavedReport {
    /// The name, which no other saved report has.
    pub name: Name,
    /// The choice.
    pub choice: Choice,
    /// The schedule; `None` if it is not mailed. It is mailed in the name of the member who saves it.
    pub schedule: Option<Schedule>,
}

/// A saved report.
#[derive(Debug, Clone)]
pub struct SavedReport {
    /// The id.
    pub id: SavedReportId,
    /// The name.
    pub name: Name,
    report: ReportName,
    grouping: Option<String>,
    period: Option<Period>,
    days: Option<i16>,
    mail_every: Option<MailEvery>,
    mail_at: Option<NaiveTime>,
    mail_day: Option<i16>,
    mail_format: Option<MailFormat>,
    mail_to: Option<Vec<Email>>,
    /// The member in whose name it is mailed.
    pub mail_by: ActorId,
    /// The time of the next mail; `None` if it is not mailed.
    pub next_mail_at: Option<DateTime<Utc>>,
    /// The time of the last mail.
    pub last_mailed_at: Option<DateTime<Utc>>,
    /// The user or program that saved it.
    pub created_by: ActorId,
    /// The time at which it was saved.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
    /// Counts the changes of the row; clients see it as the ETag.
    pub version: i32,
}

tenancy::from_row!(SavedReport {
    id,
    name,
    report,
    grouping,
    period,
    days,
    mail_every,
    mail_at,
    mail_day,
    mail_format,
    mail_to,
    mail_by,
    next_mail_at,
    last_mailed_at,
    created_by,
    created_at,
    updated_at,
    version,
});

impl SavedReport {
    /// The choice. `None` if a later release stored a grouping that this one does not know.
    pub fn choice(&self) -> Option<Choice> {
        Choice::of(self.report, self.grouping.as_deref(), self.period, self.days).ok()
    }

    /// The schedule; `None` if it is not mailed.
    pub fn schedule(&self) -> Option<Schedule> {
        Some(Schedule {
            every: self.mail_every?,
            at: self.mail_at?,
            day: self.mail_day,
            format: self.mail_format?,
            to: self.mail_to.clone()?,
        })
    }
}

/// A report was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SavedReportError {
    /// There is no such saved report.
    #[error("there is no such saved report")]
    NotFound,
    /// Somebody has changed it since.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Another saved report has the name.
    #[error("another saved report has the name {0}; choose another name")]
    DuplicateName(Name),
    /// The business has too many saved reports.
    #[error("a business may save {MAX_REPORTS} reports; delete one that nobody needs")]
    TooMany,
    /// The business has too many saved reports that are mailed.
    #[error("a business may have {MAX_MAILED} reports mailed; stop the mails of one that nobody needs")]
    TooManyMailed,
    /// The schedule is not valid.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A query failed.
    #[error("a query about saved reports failed")]
    Db(#[from] DbError),
}

/// The most saved reports of a business.
pub const MAX_REPORTS: i64 = 200;
/// The most saved reports of a business that are mailed.
pub const MAX_MAILED: i64 = 20;

const SELECT: &str = "
    SELECT id, name, report, grouping, period, days, mail_every, mail_at, mail_day, mail_format, mail_to,
           mail_by, next_mail_at, last_mailed_at, created_by, created_at, updated_at, version
      FROM saved_reports ";

/// # Errors
/// [`DbError`]; an unknown id is `None`.
pub async fn find(tx: &TenantTx, id: SavedReportId) -> Result<Option<SavedReport>, DbError> {
    const FIND: &str = concatcp!(SELECT, "WHERE id = $1");
    tx.row_opt(FIND, &[&id]).await
}

/// A page of the saved reports, oldest first.
///
/// # Errors
/// [`DbError`].
pub async fn list(tx: &TenantTx, page: &PageRequest<SavedReportId>) -> Result<Page<SavedReport>, DbError> {
    const LIST: &str = concatcp!(SELECT, "WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2");
    let rows = tx.rows(LIST, &[&page.after, &page.limit.and_one()]).await?;
    Ok(page.page(rows, |report: &SavedReport| report.id))
}

/// The next time of a schedule after `$1`, in the time zone of the business: `$2` is how often, `$3` the time
/// of the day, and `$4` the day. A time that the clocks pass over is an hour later.
const NEXT: &str = "
    SELECT min((day::date + $3::time) AT TIME ZONE s.time_zone)
      FROM settings s,
           generate_series(($1::timestamptz AT TIME ZONE s.time_zone)::date,
                           ($1::timestamptz AT TIME ZONE s.time_zone)::date + 62, interval '1 day') AS day
     WHERE (day::date + $3::time) AT TIME ZONE s.time_zone > $1
       AND CASE $2 WHEN 'week' THEN extract(isodow FROM day) = $4::smallint
       WHEN 'month' THEN extract(day FROM day) = $4::smallint
                   ELSE true END";

async fn next_mail_at(tx: &TenantTx, schedule: Option<&Schedule>) -> Result<Option<DateTime<Utc>>, DbError> {
    let Some(Schedule { every, at, day, .. }) = schedule else { return Ok(None) };
    tx.value(NEXT, &[&tx.now(), every, at, day]).await
}

/// Saves a report.
///
/// # Errors
/// [`SavedReportError`]; the caller rolls back.
pub async fn insert(
    tx: &TenantTx,
    id: SavedReportId,
    new: &NewSavedReport,
    actor: ActorId,
) -> Result<(), SavedReportError> {
    const COUNT: &str = "SELECT count(*) FROM saved_reports";
    const INSERT: &str = "
        INSERT INTO saved_reports (id, name, name_key, report, grouping, period, days, mail_every, mail_at,
                                   mail_day, mail_format, mail_to, mail_by, next_mail_at, created_at,
                                   updated_at, created_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16)";
    if tx.value::<i64>(COUNT, &[]).await? >= MAX_REPORTS {
        return Err(SavedReportError::TooMany);
    }
    let (columns, now) = (Columns::of(tx, id, new, actor).await?, tx.now());
    let mut params = columns.params(&id, &new.name, &now).to_vec();
    params.push(&actor);
    tx.execute(INSERT, &params).await.map_err(|error| on_write(error, &new.name))?;
    record(tx, id, Action::SavedReportCreated, &new.name, actor).await
}

/// Replaces a saved report, with the row locked.
///
/// # Errors
/// [`SavedReportError`]; the caller rolls back.
pub async fn replace(
    tx: &TenantTx,
    id: SavedReportId,
    new: &NewSavedReport,
    if_version: IfVersion,
    actor: ActorId,
) -> Result<(), SavedReportError> {
    const REPLACE: &str = "
        UPDATE saved_reports
           SET name = $2, name_key = $3, report = $4, grouping = $5, period = $6, days = $7, mail_every = $8,
               mail_at = $9, mail_day = $10, mail_format = $11, mail_to = $12, mail_by = $13,
               next_mail_at = $14, updated_at = $15, version = version + 1
         WHERE id = $1";
    lock(tx, id, if_version).await?;
    let (columns, now) = (Columns::of(tx, id, new, actor).await?, tx.now());
    tx.execute(REPLACE, &columns.params(&id, &new.name, &now))
        .await
        .map_err(|error| on_write(error, &new.name))?;
    record(tx, id, Action::SavedReportChanged, &new.name, actor).await
}

/// Deletes a saved report.
///
/// # Errors
/// [`SavedReportError`]; the caller rolls back.
pub async fn delete(
    tx: &TenantTx,
    id: SavedReportId,
    if_version: IfVersion,
    actor: ActorId,
) -> Result<(), SavedReportError> {
    let report = lock(tx, id, if_version).await?;
    tx.execute("DELETE FROM saved_reports WHERE id = $1", &[&id]).await?;
    record(tx, id, Action::SavedReportDeleted, &report.name, actor).await
}

async fn lock(
    tx: &TenantTx,
    id: SavedReportId,
    if_version: IfVersion,
) -> Result<SavedReport, SavedReportError> {
    const LOCK: &str = concatcp!(SELECT, "WHERE id = $1 FOR UPDATE");
    let report: SavedReport = tx.row_opt(LOCK, &[&id]).await?.ok_or(SavedReportError::NotFound)?;
    if !if_version.allows(report.version) {
        return Err(Stale.into());
    }
    Ok(report)
}

/// The columns of a saved report.
struct Columns {
    name_key: String,
    report: ReportName,
    grouping: Option<&'static str>,
    period: Option<Period>,
    days: Option<i16>,
    every: Option<MailEvery>,
    at: Option<NaiveTime>,
    day: Option<i16>,
    format: Option<MailFormat>,
    to: Option<Vec<Email>>,
    by: Option<ActorId>,
    next_mail_at: Option<DateTime<Utc>>,
}

impl Columns {
    async fn of(
        tx: &TenantTx,
        id: SavedReportId,
        new: &NewSavedReport,
        actor: ActorId,
    ) -> Result<Self, SavedReportError> {
        const OTHERS: &str = "SELECT count(*) FROM saved_reports WHERE mail_to IS NOT NULL AND id <> $1";
        let NewSavedReport { name, choice, schedule } = new;
        let schedule = schedule.as_ref();
        if let Some(schedule) = schedule {
            schedule.check()?;
            if tx.value::<i64>(OTHERS, &[&id]).await? >= MAX_MAILED {
                return Err(SavedReportError::TooManyMailed);
            }
        }
        Ok(Self {
            name_key: name.key(),
            report: choice.report(),
            grouping: choice.by(),
            period: choice.period(),
            days: choice.days(),
            every: schedule.map(|schedule| schedule.every),
            at: schedule.map(|schedule| schedule.at),
            day: schedule.and_then(|schedule| schedule.day),
            format: schedule.map(|schedule| schedule.format),
            to: schedule.map(|schedule| schedule.to.clone()),
            by: schedule.map(|_| actor),
            next_mail_at: next_mail_at(tx, schedule).await?,
        })
    }

    /// The parameters `$1` to `$15` of the statements that write a saved report.
    fn params<'a>(
        &'a self,
        id: &'a SavedReportId,
        name: &'a Name,
        now: &'a DateTime<Utc>,
    ) -> [&'a (dyn ToSql + Sync); 15] {
        [
            id,
            name,
            &self.name_key,
            &self.report,
            &self.grouping,
            &self.period,
            &self.days,
            &self.every,
            &self.at,
            &self.day,
            &self.format,
            &self.to,
            &self.by,
            &self.next_mail_at,
            now,
        ]
    }
}

fn on_write(error: DbError, name: &Name) -> SavedReportError {
    match error.constraint() {
        Some("saved_reports_name_key_key") => SavedReportError::DuplicateName(name.clone()),
        _ => error.into(),
    }
}

async fn record(
    tx: &TenantTx,
    id: SavedReportId,
    action: Action,
    name: &Name,
    actor: ActorId,
) -> Result<(), SavedReportError> {
    let changes = json!({"name": {"to": name}});
    Ok(audit::record(tx, actor, action, Subject::SavedReport(id.into()), &changes).await?)
}

/// The ids of the reports that are mailed.
///
/// # Errors
/// [`DbError`].
pub async fn mailed(tx: &TenantTx) -> Result<Vec<SavedReportId>, DbError> {
    tx.values("SELECT id FROM saved_reports WHERE mail_to IS NOT NULL ORDER BY id", &[]).await
}

const NO_MAILS: &str = "
    UPDATE saved_reports
       SET mail_every = NULL, mail_at = NULL, mail_day = NULL, mail_format = NULL, mail_to = NULL,
           mail_by = NULL, next_mail_at = NULL, updated_at = $1, version = version + 1 ";

/// Stops all mails: a copy of a business mails nothing.
///
/// # Errors
/// [`DbError`].
pub async fn stop_all_mails(tx: &TenantTx) -> Result<(), DbError> {
    const STOP: &str = concatcp!(NO_MAILS, "WHERE mail_to IS NOT NULL");
    tx.execute(STOP, &[&tx.now()]).await.map(drop)
}

/// Stops the mails of a report, because the member in whose name it is mailed may not export it any more.
///
/// # Errors
/// [`DbError`].
pub async fn stop_mails(tx: &TenantTx, report: &SavedReport) -> Result<(), DbError> {
    const STOP: &str = concatcp!(NO_MAILS, "WHERE id = $2 AND version = $3");
    let changes = json!({"name": {"to": report.name}, "mail": {"from": report.mail_to, "to": null}});
    if tx.execute(STOP, &[&tx.now(), &report.id, &report.version]).await? == 1 {
        let subject = Subject::SavedReport(report.id.into());
        audit::record(tx, ActorId::SYSTEM, Action::SavedReportChanged, subject, &changes).await?;
    }
    Ok(())
}

/// Notes that a report was mailed at its time, and computes the next one. Another process that mailed it
/// before changes nothing.
///
/// # Errors
/// [`DbError`].
pub async fn note_mail(tx: &TenantTx, report: &SavedReport) -> Result<(), DbError> {
    const NOTE: &str = "
        UPDATE saved_reports SET last_mailed_at = $2, next_mail_at = $3
         WHERE id = $1 AND next_mail_at = $4";
    let next = next_mail_at(tx, report.schedule().as_ref()).await?;
    tx.execute(NOTE, &[&report.id, &tx.now(), &next, &report.next_mail_at]).await.map(drop)
}
