//! Background work: run by one process at a time, seen, cancelled, retried.

use std::sync::Arc;
use std::time::Duration;

use harness::{Program, TestApp, TestDatabase, a_product};
use platform::migrations;
use serde_json::{Value, json};
use tenancy::jobs::{self, Job, JobKind, JobRunner, JobState, NewJob};
use tenancy::{DbError, Provisioner};
use tokio::sync::watch;

fn job(kind: &'static str, max_attempts: i32) -> NewJob {
    NewJob { kind, tenant_id: None, parameters: json!({}), max_attempts, requested_by: "test".into() }
}

/// Runs jobs on a thread of its own until dropped.
struct Runner {
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Runner {
    fn start(provisioner: Arc<Provisioner>, kinds: Vec<JobKind>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(JobRunner::new(provisioner, kinds).run(stopped));
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

async fn queue(provisioner: &Provisioner, new: NewJob) -> Job {
    let queued: Result<_, DbError> = provisioner.write_shared(async |tx| jobs::insert(tx, &new).await).await;
    queued.unwrap()
}

async fn until(provisioner: &Provisioner, job: &Job, state: JobState) -> Job {
    for _ in 0..200 {
        let found: Result<_, DbError> =
            provisioner.write_shared(async |tx| jobs::find(tx, job.id).await).await;
        let found = found.unwrap().unwrap();
        if found.state == state {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("job {} never became {}", job.kind, state.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_tells_how_far_it_is_and_keeps_its_result_or_its_failure() {
    let database = TestDatabase::new().await;
    let provisioner = database.provisioner();
    let fine = JobKind::new("fine", async |context| {
        context.progress(1, Some(2), "half-way").await?;
        Ok(json!({"answer": 42}))
    });
    let bad = JobKind::new("bad", async |_| Err("it cannot be done".into()));
    let slow = JobKind::new("slow", async |_| {
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(json!(null))
    });
    let _runner = Runner::start(provisioner.clone(), vec![fine, bad, slow]);
    let (fine, bad) = (queue(&provisioner, job("fine", 1)).await, queue(&provisioner, job("bad", 1)).await);
    let fine = until(&provisioner, &fine, JobState::Succeeded).await;
    assert_eq!((fine.result.unwrap()["answer"].as_i64(), fine.total), (Some(42), Some(2)));
    let bad = until(&provisioner, &bad, JobState::Failed).await;
    assert!(bad.message.unwrap().contains("it cannot be done"));

    let slow = queue(&provisioner, job("slow", 1)).await;
    until(&provisioner, &slow, JobState::Running).await;
    provisioner.write_shared(async |tx| jobs::cancel(tx, slow.id).await).await.unwrap();
    until(&provisioner, &slow, JobState::Cancelled).await;
    provisioner.write_shared(async |tx| jobs::retry(tx, slow.id).await).await.unwrap();
    until(&provisioner, &slow, JobState::Running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_runs_jobs_and_another_takes_over_what_it_left() {
    let database = TestDatabase::new().await;
    let (one, other) = (database.provisioner(), database.provisioner());
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
    // A second process stands by and touches nothing.
    let _second = Runner::start(other.clone(), kinds(false));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    until(&one, &work, JobState::Running).await;
    drop(first);
    let done = until(&one, &work, JobState::Succeeded).await;
    assert_eq!(done.result.unwrap()["attempt"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_keeps_spare_schemas_and_runs_what_the_platform_asks_for() {
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
        panic!("never filled: {}", spares().await);
    };
    enough().await;
    let acme = app.tenant("acme").await;
    let zenith = app.tenant("zenith").await;
    assert!(acme.tenant.number.get() <= 3, "it took a spare schema");
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
    // The business sees its own job, another does not, and neither sees the platform's.
    let id = job["id"].as_str().unwrap();
    assert_eq!(acme.get(&format!("/api/v1/jobs/{id}")).await.body["state"], "succeeded");
    assert_eq!(zenith.get(&format!("/api/v1/jobs/{id}")).await.status, 404);
    let all = staff.get("/api/v1/platform/jobs?limit=100").await.body;
    let spare_job = all["data"].as_array().unwrap().iter().find(|job| job["kind"] == "spares.fill").unwrap();
    let path = format!("/api/v1/jobs/{}", spare_job["id"].as_str().unwrap());
    assert_eq!(acme.get(&path).await.status, 404);
    let repeated = format!("/api/v1/platform/jobs/{}/cancel", spare_job["id"].as_str().unwrap());
    assert_eq!(staff.post(&repeated, &json!({})).await.code(), "wrong_job_state");

    // The ledgers of all businesses: the job fails where one does not hold, and names it.
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
    assert!(states[1].1.as_str().unwrap().contains("acme (1 levels)"), "{states:?}");

    let migrations = staff.get("/api/v1/platform/migrations").await.body;
    assert_eq!(migrations["latest"], migrations::of_tenant().unwrap().latest());
    let asked = staff.post("/api/v1/platform/migrations", &json!({})).await;
    assert_eq!(asked.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_shows_jobs() {
    let database = TestDatabase::new().await;
    let program = Program::on(&database);
    let provisioner = database.provisioner();
    let waiting = queue(&provisioner, job("waits.for.nobody", 1)).await;
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
