//! The kinds of background jobs. Every kind must be safe to run twice, because an interrupted job runs again.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use events::webhooks::sender::WebhookSender;
use events::webhooks::{delivery, secret};
use identity::logout_notice::{self, LogoutNotifier};
use identity::{
    Post, Sealer, SigningAlgorithm, api_key, auth_event, code, external_identity, invitation, key_ring,
    mails, session, throttle,
};
use inventory::{alert, idempotency};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenancy::fleet::RunOptions;
use tenancy::jobs::{JobContext, JobError, JobKind, JobRunner, NewJob};
use tenancy::{DbError, OwnerDatabase, SharedTx, Tenant, TenantId, TenantTx, tenant};
use till::books::ChainSpan;
use till::fiscal_device::FiscalDevices;
use till::provider::MobileMoney;
use till::{books, overdue};

use crate::backup;
use crate::onboarding::sign_up;
use crate::operator::dns::Dns;
use crate::operator::lifecycle::Operator;
use crate::records::platform_audit::Actor;
use crate::upkeep::domain_upkeep::{self, DomainTerms};
use crate::upkeep::{licence_warning, payment_settling, receipt_signing, report_mails, stats};

const MIGRATE: &str = "migrations.run";
const BACK_UP: &str = "backups.create";
const VERIFY_LEDGERS: &str = "ledgers.verify";
const FILL_SPARES: &str = "spares.fill";
const END_MAINTENANCE: &str = "maintenance.end";
const SAMPLE_SIZES: &str = "sizes.sample";
const FORGET_JOBS: &str = "jobs.forget";
const FORGET_KEYS: &str = "keys.forget";
const PRUNE_EVENTS: &str = "events.prune";
const REVIEW_ALERTS: &str = "alerts.review";
const WATCH_SHIFTS: &str = "shifts.watch";
const TEND_DOMAINS: &str = "domains.tend";
const PRUNE_SESSIONS: &str = "sessions.prune";
const SEND_MAILS: &str = "mails.send";
const TELL_PROGRAMS: &str = "logouts.tell";
const WARN_OF_LICENCES: &str = "licences.warn";
const TEND_KEYS: &str = "keys.tend";
const SIGN_RECEIPTS: &str = "receipts.sign";
const SETTLE_PAYMENTS: &str = "payments.settle";
const MAIL_REPORTS: &str = "reports.mail";
const SEND_WEBHOOKS: &str = "webhooks.send";

/// The settings of background jobs.
#[derive(Clone)]
pub struct JobSettings {
    /// The number of spare schemas to keep ready; 0 turns the pool off.
    pub spare_schemas: usize,
    /// The folder for the files of backup jobs.
    pub backup_folder: PathBuf,
    /// The retention of ended jobs, in days.
    pub keep_days: u32,
    /// The retention of authentication events, in days.
    pub auth_event_days: u32,
    /// The periods of custom domains.
    pub domain_terms: DomainTerms,
    /// Looks up the TXT records of custom domains.
    pub dns: Dns,
    /// Sends mails. `None` if no mail is sent.
    pub post: Option<Post>,
    /// The keys that sign access tokens.
    pub keys: KeySettings,
    /// Whether businesses need a licence to sell, and are warned of its end.
    pub requires_licence: bool,
    /// Tells programs that a session has ended. `None` in an installation without an issuer.
    pub logouts: Option<LogoutNotifier>,
    /// The retention of events, in days.
    pub keep_event_days: u32,
    /// The fiscal devices that sign receipts.
    pub fiscal: FiscalDevices,
    /// The provider of mobile money. `None` if there is none.
    pub mobile_money: Option<MobileMoney>,
    /// Sends events to webhooks.
    pub webhooks: WebhookSender,
}

/// How the keys that sign access tokens are made and replaced.
#[derive(Clone)]
pub struct KeySettings {
    /// Encrypts new keys.
    pub sealer: Sealer,
    /// How new keys sign.
    pub algorithm: SigningAlgorithm,
    /// The age in days at which a key is replaced. 0: never.
    pub rotation_days: u32,
}

/// The parameters of a backup job.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BackUp {
    verify: bool,
}

/// A job that migrates the `shared` schema and all other schemas.
pub fn migrate(requested_by: String) -> NewJob {
    NewJob { kind: MIGRATE, tenant_id: None, parameters: json!({}), max_attempts: 1, requested_by }
}

/// A job that backs up one business, or all businesses when `tenant` is `None`.
pub fn back_up(tenant: Option<TenantId>, verify: bool, requested_by: String) -> NewJob {
    NewJob {
        kind: BACK_UP,
        tenant_id: tenant,
        parameters: json!({"verify": verify}),
        max_attempts: 3,
        requested_by,
    }
}

/// A job that verifies the books of every business.
pub fn verify_ledgers(requested_by: String) -> NewJob {
    NewJob { kind: VERIFY_LEDGERS, tenant_id: None, parameters: json!({}), max_attempts: 1, requested_by }
}

/// The runner of all background jobs, which sends webhooks, too.
pub fn runner(owner_database: Arc<OwnerDatabase>, settings: JobSettings) -> JobRunner {
    let sender = settings.webhooks.clone();
    JobRunner::new(owner_database, kinds(settings))
        .with_service(SEND_WEBHOOKS, move |database, prompted| sender.clone().run(database, prompted))
}

/// All kinds of background jobs.
fn kinds(settings: JobSettings) -> Vec<JobKind> {
    let JobSettings {
        spare_schemas,
        backup_folder,
        keep_days,
        auth_event_days,
        domain_terms,
        dns,
        post,
        keys,
        requires_licence,
        logouts,
        fiscal,
        mobile_money,
        keep_event_days,
        webhooks,
    } = settings;
    let mut kinds = vec![
        JobKind::new(MIGRATE, run_migrations),
        JobKind::new(BACK_UP, move |context| back_businesses_up(context, backup_folder.clone())),
        JobKind::new(VERIFY_LEDGERS, verify_all_ledgers),
        JobKind::new(END_MAINTENANCE, end_maintenance).every(Duration::from_secs(30)),
        JobKind::new(SAMPLE_SIZES, sample_sizes).every(Duration::from_secs(3600)),
        JobKind::new(FORGET_JOBS, move |context| forget_jobs(context, keep_days))
            .every(Duration::from_secs(3600)),
    ];
    kinds.push(JobKind::new(FORGET_KEYS, forget_keys).every(Duration::from_secs(6 * 3600)));
    let prune = JobKind::new(PRUNE_EVENTS, move |context| prune_events(context, keep_event_days));
    kinds.push(prune.every(Duration::from_secs(600)));
    kinds.push(JobKind::new(REVIEW_ALERTS, review_alerts).every(Duration::from_secs(900)));
    kinds.push(JobKind::new(WATCH_SHIFTS, watch_shifts).every(Duration::from_secs(900)));
    let tend = JobKind::new(TEND_DOMAINS, move |context| tend_domains(context, dns.clone(), domain_terms));
    kinds.push(tend.every(Duration::from_secs(3600)));
    let prune = JobKind::new(PRUNE_SESSIONS, move |context| prune_sessions(context, auth_event_days));
    kinds.push(prune.every(Duration::from_secs(3600)));
    let tend =
        JobKind::new(TEND_KEYS, move |context| tend_keys(context, keys.clone(), webhooks.sealer.clone()));
    kinds.push(tend.every(Duration::from_secs(600)));
    if let Some(post) = post {
        let send = JobKind::new(SEND_MAILS, move |context| send_mails(context, post.clone()));
        kinds.push(send.when_prompted());
        kinds.push(JobKind::new(MAIL_REPORTS, mail_reports).when_prompted());
    }
    if let Some(notifier) = logouts {
        let tell = JobKind::new(TELL_PROGRAMS, move |context| tell_programs(context, notifier.clone()));
        kinds.push(tell.when_prompted());
    }
    if requires_licence {
        kinds.push(JobKind::new(WARN_OF_LICENCES, warn_of_licences).every(Duration::from_secs(600)));
    }
    if !fiscal.is_empty() {
        let sign = JobKind::new(SIGN_RECEIPTS, move |context| sign_receipts(context, fiscal.clone()));
        kinds.push(sign.every(Duration::from_secs(60)));
    }
    if let Some(mobile_money) = mobile_money {
        let settle =
            JobKind::new(SETTLE_PAYMENTS, move |context| settle_payments(context, mobile_money.clone()));
        kinds.push(settle.when_prompted());
    }
    if spare_schemas > 0 {
        let fill = JobKind::new(FILL_SPARES, move |context| fill_spares(context, spare_schemas));
        kinds.push(fill.when_prompted());
    }
    kinds
}

async fn fill_spares(context: JobContext, wanted: usize) -> Result<Value, JobError> {
    Ok(json!({"made": context.owner_database.fill_spares(wanted).await?}))
}

/// Every hour, although a domain is verified once a day: a record that was missing is noticed soon after its
/// return.
async fn tend_domains(context: JobContext, dns: Dns, terms: DomainTerms) -> Result<Value, JobError> {
    let owner_database = context.owner_database.clone();
    let operator = Operator { owner_database, actor: Actor::named("schedule") };
    Ok(json!(domain_upkeep::tend(&operator, &dns, terms).await?))
}

async fn end_maintenance(context: JobContext) -> Result<Value, JobError> {
    Ok(json!({"opened": context.owner_database.end_abandoned_maintenance().await?}))
}

async fn sample_sizes(context: JobContext) -> Result<Value, JobError> {
    Ok(json!({"businesses": context.owner_database.write_shared(async |tx| stats::sample(tx).await).await?}))
}

async fn forget_jobs(context: JobContext, keep_days: u32) -> Result<Value, JobError> {
    const FORGET: &str = "
        DELETE FROM shared.jobs
         WHERE state IN ('succeeded', 'failed', 'cancelled') AND finished_at < $1";
    let forgotten = context
        .owner_database
        .write_shared(async |tx| {
            tx.execute(FORGET, &[&(tx.now() - chrono::TimeDelta::days(keep_days.into()))]).await
        })
        .await?;
    Ok(json!({"forgotten": forgotten}))
}

/// The retention of idempotency keys. A client that was offline may repeat its requests for days. After that,
/// the id of a document still identifies a repeated request.
const KEEP_KEYS_DAYS: u32 = 7;

async fn forget_keys(context: JobContext) -> Result<Value, JobError> {
    let forget = async |tx: &TenantTx| idempotency::forget(tx, KEEP_KEYS_DAYS).await;
    let (forgotten, left_out) = in_every_business(&context, forget).await?;
    Ok(json!({"forgotten": forgotten, "businessesLeftOut": left_out.len()}))
}

/// Runs more often than daily, because the day ends at different times in different businesses.
async fn review_alerts(context: JobContext) -> Result<Value, JobError> {
    let review = async |tx: &TenantTx| alert::review_overdue(tx).await;
    let (reviewed, left_out) = in_every_business(&context, review).await?;
    Ok(json!({"reviewed": reviewed, "businessesLeftOut": left_out.len()}))
}

async fn watch_shifts(context: JobContext) -> Result<Value, JobError> {
    let (told, left_out) = in_every_business(&context, async |tx| overdue::tell(tx).await).await?;
    Ok(json!({"overdue": told, "businessesLeftOut": left_out.len()}))
}

async fn sign_receipts(context: JobContext, devices: FiscalDevices) -> Result<Value, JobError> {
    let signing = receipt_signing::sign_all(&context.owner_database, &devices).await?;
    Ok(json!({"signed": signing.signed, "failed": signing.failed}))
}

async fn settle_payments(context: JobContext, mobile_money: MobileMoney) -> Result<Value, JobError> {
    let settled = payment_settling::settle(&context.owner_database, &mobile_money).await?;
    context.run_again_at(settled.next);
    Ok(json!({"delivered": settled.delivered, "ended": settled.ended}))
}

async fn mail_reports(context: JobContext) -> Result<Value, JobError> {
    let mailed = report_mails::mail_due(&context.owner_database).await?;
    context.run_again_at(mailed.next);
    Ok(json!({"mailed": mailed.reports}))
}

/// Runs `work` in every business, each in its own transaction. Returns the sum of the results and the skipped
/// businesses, each with the reason. A business is skipped when its transaction fails, for example during a
/// restore or before a migration. The next run includes the business again.
async fn in_every_business(
    context: &JobContext,
    work: impl AsyncFn(&TenantTx) -> Result<u64, DbError>,
) -> Result<(u64, Vec<String>), JobError> {
    let tenants = context.owner_database.write_shared(async |tx| tenant::all(tx).await).await?;
    let (mut sum, mut left_out) = (0, Vec::new());
    for tenant in &tenants {
        match context.owner_database.write_tenant(tenant, &work).await {
            Ok(count) => sum += count,
            Err(error) => {
                let reason = tenancy::chain(&error);
                let kind = &context.job.kind;
                tracing::debug!(tenant.slug = %tenant.slug, error = %reason, "{kind} skipped the business");
                left_out.push(format!("{}: {reason}", tenant.slug));
            }
        }
    }
    Ok((sum, left_out))
}

/// Fails when the books of a business differ from what they are computed of, or a business cannot be read,
/// and names the businesses.
async fn verify_all_ledgers(context: JobContext) -> Result<Value, JobError> {
    let drifting = RefCell::new(Vec::new());
    let verify = async |tx: &TenantTx| {
        let books = books::verify(tx, ChainSpan::Whole).await?;
        if !books.holds() {
            drifting.borrow_mut().push(format!("{} ({} differences)", tx.tenant().slug, books.differences()));
        }
        Ok(1)
    };
    let (verified, left_out) = in_every_business(&context, verify).await?;
    let drifting = drifting.into_inner();
    let mut failures = Vec::new();
    if !drifting.is_empty() {
        failures.push(format!("the books differ in: {}", drifting.join(", ")));
    }
    if !left_out.is_empty() {
        failures.push(format!("businesses that could not be read: {}", left_out.join(", ")));
    }
    if failures.is_empty() { Ok(json!({"verified": verified})) } else { Err(failures.join("; ").into()) }
}

async fn prune_events(context: JobContext, keep_days: u32) -> Result<Value, JobError> {
    let prune = async |tx: &SharedTx| {
        delivery::prune(tx).await?;
        events::stored::prune(tx, keep_days).await
    };
    Ok(json!({"pruned": context.owner_database.write_shared(prune).await?}))
}

async fn tend_keys(
    context: JobContext,
    keys: KeySettings,
    webhook_sealer: Sealer,
) -> Result<Value, JobError> {
    let KeySettings { sealer, algorithm, rotation_days } = keys;
    let seal = async |tx: &SharedTx| secret::seal_anew(tx, &webhook_sealer).await;
    context.owner_database.write_shared(seal).await?;
    let rotate_after = (rotation_days > 0).then(|| TimeDelta::days(rotation_days.into()));
    let tend = async |tx: &SharedTx| key_ring::tend(tx, &sealer, algorithm, rotate_after).await;
    Ok(json!({"rotated": context.owner_database.write_shared(tend).await?}))
}

/// The most rounds of one run. In between, the job can be cancelled, or taken over.
const ROUNDS_OF_MAILS: usize = 10;

async fn send_mails(context: JobContext, post: Post) -> Result<Value, JobError> {
    let (mut sent, mut failed) = (0, 0);
    // Many mails at once, such as the invitations of a whole staff, do not wait for the next run.
    for _ in 0..ROUNDS_OF_MAILS {
        let round = post.send_due(&context.owner_database).await?;
        (sent, failed) = (sent + round.0, failed + round.1);
        if round == (0, 0) {
            break;
        }
    }
    context.run_again_at(context.owner_database.write_shared(async |tx| mails::next_due(tx).await).await?);
    Ok(json!({"sent": sent, "failed": failed}))
}

async fn tell_programs(context: JobContext, notifier: LogoutNotifier) -> Result<Value, JobError> {
    let (told, failed) = notifier.send_due(&context.owner_database).await?;
    context.run_again_at(
        context.owner_database.write_shared(async |tx| logout_notice::next_due(tx).await).await?,
    );
    Ok(json!({"told": told, "failed": failed}))
}

async fn warn_of_licences(context: JobContext) -> Result<Value, JobError> {
    Ok(json!({"warned": licence_warning::warn(&context.owner_database).await?}))
}

async fn prune_sessions(context: JobContext, auth_event_days: u32) -> Result<Value, JobError> {
    let prune = async |tx: &SharedTx| {
        throttle::prune(tx).await?;
        mails::prune(tx).await?;
        auth_event::prune(tx, auth_event_days).await?;
        invitation::prune(tx, auth_event_days).await?;
        api_key::prune(tx, auth_event_days).await?;
        code::prune(tx).await?;
        external_identity::prune(tx).await?;
        sign_up::prune(tx, auth_event_days).await?;
        session::prune(tx).await
    };
    Ok(json!({"pruned": context.owner_database.write_shared(prune).await?}))
}

async fn run_migrations(context: JobContext) -> Result<Value, JobError> {
    let options = RunOptions::default();
    let (tell, told) = follow(&context);
    let run = context.owner_database.migrate_fleet(&options, |progress| {
        tell(progress.done, progress.total, progress.schema.label());
    });
    let report = tokio::select! {
        report = run => report?,
        never = told => never,
    };
    if report.failed + report.left > 0 {
        let text = format!(
            "{} schemas migrated, {} failed, {} not started; run `tenantry migrate status` for the reasons",
            report.migrated, report.failed, report.left
        );
        return Err(text.into());
    }
    Ok(json!(report))
}

async fn back_businesses_up(context: JobContext, folder: PathBuf) -> Result<Value, JobError> {
    let BackUp { verify } = serde_json::from_value(context.job.parameters.clone())?;
    let tenants = businesses(&context).await?;
    let (tell, told) = follow(&context);
    let files = RefCell::new(Vec::new());
    let failures = RefCell::new(Vec::new());
    let run = backup::create_all(
        &context.owner_database,
        &tenants,
        &folder,
        NonZeroUsize::MIN,
        verify,
        |progress| {
            tell(progress.done, progress.total, progress.tenant.slug.as_str());
            match progress.outcome {
                Ok(backup) => files.borrow_mut().push(backup.file.display().to_string()),
                Err(error) => {
                    let failure = format!("{}: {}", progress.tenant.slug, tenancy::chain(error));
                    failures.borrow_mut().push(failure);
                }
            }
        },
    );
    let failed = tokio::select! {
        failed = run => failed,
        never = told => never,
    };
    if failed > 0 {
        return Err(failures.into_inner().join("; ").into());
    }
    Ok(json!({"files": files.into_inner()}))
}

/// The business of the job, or all businesses.
async fn businesses(context: &JobContext) -> Result<Vec<Arc<Tenant>>, DbError> {
    context
        .owner_database
        .write_shared(async |tx| match context.job.tenant_id {
            Some(id) => Ok(tenant::find_by_id(tx, id).await?.map(Arc::new).into_iter().collect()),
            None => tenant::all(tx).await,
        })
        .await
}

/// Returns a function that takes the progress of a job, and an endless future that stores the latest progress
/// every second.
fn follow<T>(context: &JobContext) -> (impl Fn(usize, usize, &str) + 'static, impl Future<Output = T>) {
    let noted: Rc<RefCell<Option<(usize, usize, String)>>> = Rc::default();
    let note = {
        let noted = noted.clone();
        move |done, total, what: &str| *noted.borrow_mut() = Some((done, total, what.to_owned()))
    };
    let context = context.clone();
    let write = async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let last = noted.borrow_mut().take();
            if let Some((done, total, what)) = last
                && let Err(error) = context.progress(done, Some(total), &what).await
            {
                tracing::debug!(error = %tenancy::chain(&error), "could not store the progress of a job");
            }
        }
    };
    (note, write)
}
