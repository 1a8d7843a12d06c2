//! Saved reports.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike as _, Utc};
use identity::Permission;
use insight::adjustment_report::AdjustedBy;
use insight::choice::{Choice, Period, ReportName};
use insight::payment_report::PaymentsBy;
use insight::sales_report::SalesBy;
use insight::saved_report::{
    self, MailEvery, MailFormat, NewSavedReport, SavedReport, SavedReportId, Schedule,
};
use insight::stock_report::StockBy;
use insight::table::{Cell, Table};
use platform::report_schedule;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tenancy::{SharedScope, SharedTx, TenantTx};
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};
use values::macros::words_schema;
use values::{ActorId, Currency, Email, Name};

use crate::http::caller::{Caller, may, role_lacks};
use crate::http::codes::Code;
use crate::http::etag::{self, Tag};
use crate::http::extract::{IfMatch, Json, PathId, Query};
use crate::http::lists::{List, NoParameters, PageView, Paging};
use crate::http::problem::Problem;
use crate::http::state::State;
use crate::http::submission::{Answer, Key, Submission};
use crate::routes::insight::reports::{ReportFormat, file};
use crate::routes::people::invitations::refuse_without_mail;

/// The groups of all reports, for the API document.
pub struct ReportGrouping;

impl PartialSchema for ReportGrouping {
    fn schema() -> RefOr<Schema> {
        let words = SalesBy::ALL.iter().map(|by| by.as_str());
        let words = words.chain(PaymentsBy::ALL.iter().map(|by| by.as_str()));
        let words = words.chain(AdjustedBy::ALL.iter().map(|by| by.as_str()));
        let words: BTreeSet<&str> = words.chain(StockBy::ALL.iter().map(|by| by.as_str())).collect();
        let words: Vec<(&str, &str)> = words.into_iter().map(|word| (word, "")).collect();
        words_schema("The group that one row of a report stands for. Each report has some of them.", &words)
    }
}

impl ToSchema for ReportGrouping {}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "name": "Payments of yesterday", "report": "payments", "by": "method", "period": "yesterday",
    "mail": {"every": "day", "at": "07:00", "to": ["owner@acme.example"]},
}))]
pub struct SaveReport {
    /// The name. No other saved report of the business has it.
    name: Name,
    report: ReportName,
    /// What each row stands for, in the words of the parameter by of the report. Not allowed for taxes and
    /// dead_stock. Defaults to that of the report.
    #[schema(example = "method")]
    #[schema(value_type = Option<ReportGrouping>)]
    by: Option<String>,
    /// The days that the report covers, seen from the day on which it is read. Not allowed for stock and
    /// dead_stock. Defaults to last_30_days.
    period: Option<Period>,
    /// The days without a sale, 1 to 1000, for dead_stock alone. Defaults to 90.
    #[schema(minimum = 1, maximum = 1000)]
    days: Option<i16>,
    /// When the report is mailed. Requires the permission data.export. Defaults to never.
    mail: Option<MailSchedule>,
}

/// When and to whom a report is mailed.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailSchedule {
    every: MailEvery,
    /// The time of the day, in the time zone of the business.
    #[schema(value_type = String, example = "07:00")]
    at: ClockTime,
    /// The day of the week, from 1 (Monday) to 7, or the day of the month, from 1 to 28. Required if every is
    /// week or month. Not allowed if every is day.
    #[schema(example = 1)]
    day: Option<i16>,
    /// The format of the file. Defaults to xlsx.
    format: Option<MailFormat>,
    /// The addresses, 1 to 5.
    #[schema(min_items = 1, max_items = 5)]
    to: Vec<Email>,
}

/// A time of the day in whole minutes.
#[derive(Debug, Clone, Copy)]
pub struct ClockTime(NaiveTime);

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        values::from_text(deserializer, "a string")
    }
}

impl std::str::FromStr for ClockTime {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| text.len() == 5);
        time.map(Self).ok_or("the time must be from 00:00 to 23:59, such as 07:00")
    }
}

impl Serialize for ClockTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02}:{:02}", self.0.hour(), self.0.minute()))
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedReportView {
    id: SavedReportId,
    /// The name.
    #[schema(example = "Payments of yesterday")]
    name: Name,
    /// The report. null if a later release saved it.
    report: Option<ReportName>,
    /// What each row stands for. null for reports with one kind of rows.
    #[schema(example = "method")]
    #[schema(value_type = Option<ReportGrouping>)]
    by: Option<&'static str>,
    /// The days that the report covers. null for reports on the present.
    period: Option<Period>,
    /// The days without a sale, for dead_stock. null for other reports.
    days: Option<i16>,
    /// When the report is mailed. null: never.
    mail: Option<MailSchedule>,
    /// The time of the next mail. null if the report is not mailed.
    next_mail_at: Option<DateTime<Utc>>,
    /// The time of the last mail. null if the report was not mailed yet.
    last_mailed_at: Option<DateTime<Utc>>,
    /// The user or program that saved the report; null for the platform.
    created_by: ActorId,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<SavedReport> for SavedReportView {
    fn from(saved: SavedReport) -> Self {
        let choice = saved.choice();
        let mail = saved.schedule().map(|schedule| MailSchedule {
            every: schedule.every,
            at: ClockTime(schedule.at),
            day: schedule.day,
            format: Some(schedule.format),
            to: schedule.to,
        });
        Self {
            id: saved.id,
            report: choice.map(Choice::report),
            by: choice.and_then(Choice::by),
            period: choice.and_then(Choice::period),
            days: choice.and_then(Choice::days),
            mail,
            next_mail_at: saved.next_mail_at,
            last_mailed_at: saved.last_mailed_at,
            created_by: saved.created_by,
            created_at: saved.created_at,
            updated_at: saved.updated_at,
            name: saved.name,
        }
    }
}

/// The result of a saved report.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedReportResultView {
    /// The first day. null for a report on the present.
    from: Option<NaiveDate>,
    /// The last day, which is included. null for a report on the present.
    to: Option<NaiveDate>,
    /// The currency of all amounts.
    #[schema(example = "EUR")]
    currency: Currency,
    /// The sum of all rows, as in the report.
    #[schema(value_type = Object)]
    total: Value,
    /// The rows, as in the report.
    #[schema(value_type = Vec<Object>, example = json!([{
        "key": "019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10", "name": "Hex bolt", "sku": "BOLT-M8", "onHand": "978",
        "cost": "537.85", "value": "978.00",
    }]))]
    data: Vec<Value>,
    /// Whether the report has more rows than data.
    more: bool,
}

fn checked(
    state: &State,
    caller: &Caller<may::ReportsRead>,
    body: SaveReport,
) -> Result<NewSavedReport, Problem> {
    let choice = Choice::of(body.report, body.by.as_deref(), body.period, body.days)?;
    if body.mail.is_some() {
        if !caller.may(Permission::DataExport) {
            return Err(role_lacks(Permission::DataExport));
        }
        refuse_without_mail(state)?;
    }
    let schedule = match body.mail {
        Some(mail) => {
            caller.require_member()?;
            let format = mail.format.unwrap_or(MailFormat::Xlsx);
            Some(Schedule { every: mail.every, at: mail.at.0, day: mail.day, format, to: mail.to })
        }
        None => None,
    };
    Ok(NewSavedReport { name: body.name, choice, schedule })
}

/// Lets a job look at the schedule of a report soon, which finds it after the commit.
async fn touch(state: &State, caller: &Caller<may::ReportsRead>, id: SavedReportId) -> Result<(), Problem> {
    let tenant = caller.tenant.id;
    let touch = async |tx: &SharedTx| report_schedule::touch(tx, tenant, id).await;
    Ok(state.database.write_shared(SharedScope::Tenant(tenant), touch).await?)
}

/// List saved reports
///
/// Returns the saved reports, oldest first.
#[utoipa::path(tag = "insight", operation_id = "listSavedReports", params(Paging),
    responses((status = 200, body = PageView<SavedReportView>)))]
#[get("/saved-reports")]
pub async fn list(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    List { page, .. }: List<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let page = page.request()?;
    let page = state.database.read(&caller.scope(), async |tx| saved_report::list(tx, &page).await).await?;
    Ok(HttpResponse::Ok().json(PageView::new(page, SavedReportView::from)))
}

/// Save a report
///
/// Keeps the choice of a report under a name. Read its result at any time, or have it mailed every day, week
/// or month: that requires a signed-in member with the permission data.export. The mails stop when the member
/// no longer has this permission.
#[utoipa::path(tag = "insight", operation_id = "saveReport", request_body = SaveReport,
    responses((status = 201, body = SavedReportView)))]
#[post("/saved-reports")]
pub async fn create(
    state: web::Data<State>,
    Submission { once, body }: Submission<may::ReportsRead, SaveReport>,
) -> Result<HttpResponse, Problem> {
    let new = checked(&state, &once.caller, body)?;
    let id = SavedReportId::new();
    let touch = async || match new.schedule {
        Some(_) => touch(&state, &once.caller, id).await,
        None => Ok(()),
    };
    touch().await?;
    let answer = once
        .run(&state.database, Key::Optional, async |tx| {
            saved_report::insert(tx, id, &new, once.actor()).await?;
            let saved = saved_report::find(tx, id).await?.ok_or_else(Problem::not_found)?;
            let tag = Tag::of_version(saved.version);
            Answer::created(format!("/api/v1/saved-reports/{id}"), tag, &SavedReportView::from(saved))
        })
        .await?;
    touch().await?;
    Ok(answer)
}

/// Read a saved report
///
/// Returns the settings of a saved report. Its figures are below /result.
#[utoipa::path(tag = "insight", operation_id = "readSavedReport",
    responses((status = 200, body = SavedReportView)), params(("id" = SavedReportId, Path,)))]
#[get("/saved-reports/{id}")]
pub async fn show(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    PathId(id): PathId<SavedReportId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let saved = state.database.read(&caller.scope(), async |tx| saved_report::find(tx, id).await).await?;
    let saved = saved.ok_or_else(Problem::not_found)?;
    Ok(etag::respond(&request, Tag::of_version(saved.version), &SavedReportView::from(saved)))
}

/// Replace a saved report
///
/// Replaces the name, the choice and the mail schedule. A change of a saved report that is mailed requires
/// the permission data.export, too.
#[utoipa::path(tag = "insight", operation_id = "replaceSavedReport", request_body = SaveReport,
    responses((status = 200, body = SavedReportView)), params(("id" = SavedReportId, Path,)))]
#[put("/saved-reports/{id}")]
pub async fn replace(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    PathId(id): PathId<SavedReportId>,
    IfMatch(if_version): IfMatch,
    body: Json<SaveReport>,
) -> Result<HttpResponse, Problem> {
    let new = checked(&state, &caller, body.value)?;
    touch(&state, &caller, id).await?;
    let (actor, may_export) = (caller.actor(), caller.may(Permission::DataExport));
    let replace = async |tx: &TenantTx| {
        refuse_change_of_mails(tx, id, may_export).await?;
        saved_report::replace(tx, id, &new, if_version, actor).await?;
        Ok::<_, Problem>(saved_report::find(tx, id).await?)
    };
    let saved = state.database.write(&caller.scope(), replace).await?.ok_or_else(Problem::not_found)?;
    touch(&state, &caller, id).await?;
    Ok(etag::changed(Tag::of_version(saved.version), &SavedReportView::from(saved)))
}

/// Delete a saved report
///
/// Deletes a saved report and stops its mails. The deletion of a saved report that is mailed requires the
/// permission data.export, too.
#[utoipa::path(tag = "insight", operation_id = "deleteSavedReport",
    responses((status = 204, description = "The saved report was deleted")),
    params(("id" = SavedReportId, Path,)))]
#[delete("/saved-reports/{id}")]
pub async fn remove(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    PathId(id): PathId<SavedReportId>,
    IfMatch(if_version): IfMatch,
) -> Result<HttpResponse, Problem> {
    let (actor, may_export) = (caller.actor(), caller.may(Permission::DataExport));
    let delete = async |tx: &TenantTx| {
        refuse_change_of_mails(tx, id, may_export).await?;
        Ok::<_, Problem>(saved_report::delete(tx, id, if_version, actor).await?)
    };
    state.database.write(&caller.scope(), delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A member without data.export must not change or stop mails that another member set up.
async fn refuse_change_of_mails(tx: &TenantTx, id: SavedReportId, may_export: bool) -> Result<(), Problem> {
    let saved = saved_report::find(tx, id).await?.ok_or_else(Problem::not_found)?;
    match saved.schedule().is_some() && !may_export {
        true => Err(role_lacks(Permission::DataExport)),
        false => Ok(()),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadSavedReport {
    /// The format of the response. Defaults to json.
    format: Option<ReportFormat>,
}

/// Read the result of a saved report
///
/// Reads the report with the days of this moment. The fields of the rows are those of the report.
#[utoipa::path(tag = "insight", operation_id = "readSavedReportResult",
    responses((status = 200, body = SavedReportResultView)),
    params(("id" = SavedReportId, Path,), ReadSavedReport))]
#[get("/saved-reports/{id}/result")]
pub async fn read(
    state: web::Data<State>,
    caller: Caller<may::ReportsRead>,
    PathId(id): PathId<SavedReportId>,
    Query(query): Query<ReadSavedReport>,
) -> Result<HttpResponse, Problem> {
    let format = query.format.unwrap_or(ReportFormat::Json);
    let work = async |tx: &TenantTx| {
        let saved = saved_report::find(tx, id).await?.ok_or_else(Problem::not_found)?;
        let choice = saved.choice().ok_or_else(|| {
            let detail =
                "A newer release saved this report. Replace it, or wait until the servers are upgraded.";
            Problem::new(Code::WrongStatus, detail)
        })?;
        Ok::<_, Problem>(choice.read(tx, format.max_rows()).await?)
    };
    let report = state.database.read_snapshot(&caller.scope(), work).await?;
    if format != ReportFormat::Json {
        return file(&report.table, format);
    }
    Ok(HttpResponse::Ok().json(SavedReportResultView {
        from: report.span.map(|span| span.first),
        to: report.span.map(|span| span.last),
        currency: report.currency.clone(),
        total: object(&report.table, &report.table.total),
        data: report.table.rows.iter().map(|row| object(&report.table, row)).collect(),
        more: report.table.has_more,
    }))
}

/// A row as an object. Counts are numbers; amounts and quantities are decimal strings.
fn object(table: &Table, row: &[Cell]) -> Value {
    let value = |cell: &Cell| match cell {
        Cell::Text(text) if text.is_empty() => Value::Null,
        Cell::Text(text) | Cell::Number(text) => Value::from(text.as_str()),
        Cell::Count(count) => Value::from(*count),
    };
    let fields = table.columns.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), value(cell)));
    Value::Object(fields.collect::<Map<_, _>>())
}
