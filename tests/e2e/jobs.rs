//! Background jobs: one process at a time runs them. They can be listed, cancelled and retried.

use std::sync::Arc;
use std::time::Duration;

use harness::{Program, TestApp, TestDatabase, a_product};
use platform::migrations;
use serde_json::{Value, json};
use tenancy::jobs::{self, Job, JobKind, JobRunner, JobState, NewJob};
use tenancy::{DbError, OwnerDatabase};
use tokio::sync::watch;

fn job(kind: &'static str, max_attempts: i32) -> NewJob {
    NewJob { kind, tenant_id: None, parameters: json!({}), max_attempts, requested_by: "test".into() }
}

/// Runs jobs on its own thread until it is dropped.
struct Runner {
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Runner {
    fn start(owner_database: Arc<OwnerDatabase>, kinds: Vec<JobKind>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(JobRunner::new(owner_database, kinds).run(stopped));
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let _ = self.thread.take().unwrap().join();
    }
}

async fn queue(owner_database: &OwnerDatabase, new: NewJob) -> Job {
    let queued: Result<_, DbError> =
        owner_database.write_shared(async |tx| jobs::insert(tx, &new).await).await;
    queued.unwrap()
}

async fn until(owner_database: &OwnerDatabase, job: &Job, state: JobState) -> Job {
    for _ in 0..200 {
        let found: Result<_, DbError> =
            owner_database.write_shared(async |tx| jobs::find(tx, job.id).await).await;
        let found = found.unwrap().unwrap();
        if found.state == state {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("job {} did not become {}", job.kind, state.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_and_stores_its_progress_and_its_result_or_failure() {
    let database = TestDatabase::new().await;
    let owner_database = database.owner_database();
    let fine = JobKind::new("fine", async |context| {
        context.progress(1, Some(2), "half-way").await?;
        Ok(json!({"answer": 42}))
    });
    let bad = JobKind::new("bad", async |_| Err("it cannot be done".into()));
    let broken = JobKind::new("broken", async |_| panic!("nobody expects this"));
    let slow = JobKind::new("slow", async |_| {
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(json!(null))
    });
    let _runner = Runner::start(owner_database.clone(), vec![fine, bad, broken, slow]);
    let (fine, bad) =
        (queue(&owner_database, job("fine", 1)).await, queue(&owner_database, job("bad", 1)).await);
    let fine = until(&owner_database, &fine, JobState::Succeeded).await;
    assert_eq!((fine.result.unwrap()["answer"].as_i64(), fine.total), (Some(42), Some(2)));
    let bad = until(&owner_database, &bad, JobState::Failed).await;
    assert!(bad.message.unwrap().contains("it cannot be done"));
    // A panic of one job ends that job alone.
    let broken = queue(&owner_database, job("broken", 1)).await;
    let broken = until(&owner_database, &broken, JobState::Failed).await;
    assert!(broken.message.unwrap().contains("panicked"));

    let slow = queue(&owner_database, job("slow", 1)).await;
    until(&owner_database, &slow, JobState::Running).await;
    owner_database.write_shared(async |tx| jobs::cancel(tx, slow.id).await).await.unwrap();
    until(&owner_database, &slow, JobState::Cancelled).await;
    owner_database.write_shared(async |tx| jobs::retry(tx, slow.id).await).await.unwrap();
    until(&owner_database, &slow, JobState::Running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_runs_jobs_and_another_takes_over_when_it_stops() {
    let database = TestDatabase::new().await;
    let (one, other) = (database.owner_database(), database.owner_database());
    let kinds = |slow: bool| {
        vec![JobKind::new("work", move |context| async move {
            if slow {
                tokio::time::sleep(Duration::from_secs(600)).await;
            }
            Ok(json!({"attempt": context.job.attempts}))
        })]
    };
    let first = Runner::start(one.clone(), kinds(true));
    let work = queue(&one, job("work", 5)).await;
    until(&one, &work, JobState::Running).await;
    // A second process waits and does not touch the job.
    let admin = database.as_admin().await;
    // A process opens a new session for each attempt to become the runner.
    const SESSIONS: &str = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
    let sessions = async || admin.query_one(SESSIONS, &[]).await.unwrap().get::<_, i64>(0);
    let before = sessions().await;
    let _second = Runner::start(other.clone(), kinds(false));
    harness::until("a second attempt of the other process", async || sessions().await >= before + 2).await;
    until(&one, &work, JobState::Running).await;
    drop(first);
    let done = until(&one, &work, JobState::Succeeded).await;
    assert_eq!(done.result.unwrap()["attempt"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_keeps_spare_schemas_and_runs_jobs_for_the_platform() {
    let app = TestApp::start_with("[provisioning]\nspare_schemas = 3\n[jobs]\nin_server = true").await;
    let staff = app.staff("super_admin").await;
    let spares = async || -> i64 {
        let sql = "SELECT count(*) FROM shared.schemas WHERE state = 'spare'";
        app.database.as_admin().await.query_one(sql, &[]).await.unwrap().get(0)
    };
    let enough = async || {
        for _ in 0..200 {
            if spares().await == 3 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the spare schemas were not created: {}", spares().await);
    };
    enough().await;
    let acme = app.tenant("acme").await;
    let zenith = app.tenant("zenith").await;
    assert!(acme.tenant.number.get() <= 3, "the business must take a spare schema");
    enough().await;

    let asked = staff
        .post("/api/v1/platform/backups", &json!({"tenantId": acme.tenant.id.to_string(), "verify": false}))
        .await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let location = asked.header("location").to_owned();
    let mut job = staff.get(&location).await.body;
    for _ in 0..200 {
        if job["state"] == "succeeded" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        job = staff.get(&location).await.body;
    }
    assert_eq!(job["state"], "succeeded", "{job}");
    let file = job["result"]["files"][0].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&file).exists());
    std::fs::remove_file(file).unwrap();
    assert_eq!(staff.get("/api/v1/platform/backups").await.body["data"][0]["slug"], "acme");
    // The business sees its own job. Another business does not, and neither sees the platform's jobs.
    let id = job["id"].as_str().unwrap();
    assert_eq!(acme.get(&format!("/api/v1/jobs/{id}")).await.body["state"], "succeeded");
    assert_eq!(zenith.get(&format!("/api/v1/jobs/{id}")).await.status, 404);
    let all = staff.get("/api/v1/platform/jobs?limit=100").await.body;
    let spare_job = all["data"].as_array().unwrap().iter().find(|job| job["kind"] == "spares.fill").unwrap();
    let path = format!("/api/v1/jobs/{}", spare_job["id"].as_str().unwrap());
    assert_eq!(acme.get(&path).await.status, 404);
    let repeated = format!("/api/v1/platform/jobs/{}/cancel", spare_job["id"].as_str().unwrap());
    assert_eq!(staff.post(&repeated, &json!({})).await.code(), "wrong_job_state");

    // The job verifies the stock ledgers of all businesses. It fails and names the business if one is wrong.
    let product = acme.create_product(&a_product("BOLT")).await;
    acme.adjust(&product["variants"][0]["id"], "5").await;
    let mut states = Vec::new();
    for on_hand in ["5", "6"] {
        let sql = format!("UPDATE {}.stock_levels SET on_hand = {on_hand}", acme.tenant.schema);
        app.database.as_admin().await.batch_execute(&sql).await.unwrap();
        let asked = staff.post("/api/v1/platform/ledger", &json!({})).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        let path = format!("/api/v1/platform/jobs/{}", asked.body["id"].as_str().unwrap());
        let mut job = asked.body;
        for _ in 0..200 {
            if ["succeeded", "failed"].contains(&job["state"].as_str().unwrap()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            job = staff.get(&path).await.body;
        }
        states.push((job["state"].clone(), job["message"].clone()));
    }
    assert_eq!(states[0].0, "succeeded", "{states:?}");
    assert_eq!(states[1].0, "failed", "{states:?}");
    assert!(states[1].1.as_str().unwrap().contains("acme (1 differences)"), "{states:?}");

    let migrations = staff.get("/api/v1/platform/migrations").await.body;
    assert_eq!(migrations["latest"], migrations::of_tenant().unwrap().latest());
    let asked = staff.post("/api/v1/platform/migrations", &json!({})).await;
    assert_eq!(asked.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_shows_cancels_and_retries_jobs() {
    let database = TestDatabase::new().await;
    let program = Program::on(&database);
    let owner_database = database.owner_database();
    let waiting = queue(&owner_database, job("waits.for.nobody", 1)).await;
    let listed: Value = serde_json::from_str(&program.run(&["job", "list", "-o", "json"]).out).unwrap();
    assert_eq!(listed[0]["state"], "queued");
    let id = waiting.id.to_string();
    assert!(program.run(&["job", "show", &id]).out.contains("waits.for.nobody"));
    assert_eq!(program.run(&["job", "cancel", &id]).code, Some(0));
    assert_eq!(program.run(&["job", "cancel", &id]).code, Some(4));
    assert_eq!(program.run(&["job", "retry", &id]).code, Some(0));
    assert_eq!(program.run(&["job", "retry", "00000000-0000-7000-8000-000000000000"]).code, Some(3));
    assert_eq!(program.run(&["job", "list", "--state", "nonsense"]).code, Some(2));
}
