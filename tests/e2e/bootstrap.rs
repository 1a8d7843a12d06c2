//! `tenantry db init`, which the administrator runs once.

use harness::{Cluster, Program, TestDatabase};
use std::io::Write;
use std::process::{Command, Stdio};

#[tokio::test]
async fn a_second_bootstrap_changes_nothing() {
    let database = TestDatabase::new().await;
    let ran = Program::on(&database).run(&["db", "init", "--admin-url", &database.admin_url()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("nothing to do"), "{ran:?}");
    let status = Program::on(&database).run(&["db", "status", "-o", "json"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert_eq!(status.out.matches("\"problem\": null").count(), 2, "{status:?}");
}

#[tokio::test]
async fn the_printed_sql_runs_in_psql() {
    let database = TestDatabase::new().await;
    let printed = Program::on(&database).run(&["db", "init", "--print-sql"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(
        printed.out.contains("SCRAM-SHA-256$") && !printed.out.contains("test-login-password"),
        "the SQL must not contain a password in plain text"
    );
    let mut psql = Command::new("psql")
        .args(["-v", "ON_ERROR_STOP=1", "-q", &database.admin_url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(printed.out.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_without_superuser_rights_can_bootstrap() {
    let cluster = Cluster::start();
    let superuser = cluster.as_admin("postgres").await;
    for name in ["dba", "second"] {
        let create = format!("CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD 'dba-password'");
        superuser.batch_execute(&create).await.unwrap();
    }
    let by = |name: &str, program: &Program| {
        let admin_url = cluster.url(&format!("{name}:dba-password"), "postgres");
        program.run(&["db", "init", "--admin-url", &admin_url])
    };
    let create = ["tenant", "create", "acme", "--name", "Acme", "--owner-email", "a@b.test"];
    let program = cluster.program("server", "owner", "shops");
    for _ in 0..2 {
        let ran = by("dba", &program);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let ran = program.run(&create);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // From PostgreSQL 16 on, another administrator needs what the first one has: the reason is told, and the
    // statement that is told solves it.
    let program = cluster.program("other_server", "other_owner", "other");
    let mut ran = by("second", &program);
    if let Some((_, rest)) = ran.err.split_once("to run `") {
        superuser.batch_execute(rest.split('`').next().unwrap()).await.unwrap();
        ran = by("second", &program);
    }
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = program.run(&create);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test]
async fn every_failure_names_a_solution() {
    let database = TestDatabase::new().await;
    let admin = database.admin_url();
    let other_port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let refused = format!("postgres://postgres:x@127.0.0.1:{other_port}/postgres");
    let wrong_password = admin.replace("postgres:", "postgres:wrong").replacen("wrong//", "//", 1);
    let weak = database.url();
    let missing = format!("{}_none", database.url().split('?').next().unwrap());
    for (url, words) in [
        (refused.as_str(), ["no server is listening", "Start PostgreSQL"]),
        (wrong_password.as_str(), ["password", "wrong"]),
        (weak.as_str(), ["lacks a privilege", "superuser"]),
        (missing.as_str(), ["there is no database", "db init"]),
        ("postgres://u@h.invalid/d", ["cannot connect", "host"]),
        ("mysql://u@h/d", ["postgres://", "must have the form"]),
    ] {
        let ran = Program::on(&database).run(&["db", "init", "--admin-url", url]);
        assert_ne!(ran.code, Some(0), "{url}: {ran:?}");
        for word in words {
            assert!(ran.err.contains(word), "{url}: the message must contain {word:?}: {}", ran.err);
        }
        assert!(!ran.err.contains("panicked"), "{ran:?}");
    }
    let one = Program::on(&database).with("TENANTRY__DATABASE__OWNER_URL", &database.url()).run(&[
        "db",
        "init",
        "--admin-url",
        &admin,
    ]);
    assert!(one.err.contains("same login"), "{one:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_somebody_prepared_is_used_or_refused_with_the_reason() {
    let cluster = Cluster::start();
    let admin = cluster.as_admin("postgres").await;
    let init = |database: &str, server: &str, owner: &str| {
        let program = cluster.program(server, owner, database);
        let ran = program.run(&["db", "init", "--admin-url", &cluster.admin_url]);
        (program, ran)
    };
    admin
        .batch_execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
        .await
        .unwrap();
    let (_, ran) = init("ascii", "a_server", "a_owner");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("encoding SQL_ASCII") && ran.err.contains("name another database"), "{ran:?}");

    admin.batch_execute("CREATE DATABASE theirs").await.unwrap();
    let theirs = cluster.as_admin("theirs").await;
    theirs.batch_execute("CREATE SCHEMA shared; CREATE TABLE shared.things (id integer)").await.unwrap();
    let (_, ran) = init("theirs", "b_server", "b_owner");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("another program"), "{ran:?}");
    let kept = theirs.query_one("SELECT count(*) FROM shared.things", &[]).await;
    assert!(kept.is_ok(), "nothing of theirs is touched");

    admin.batch_execute("CREATE ROLE mighty LOGIN SUPERUSER PASSWORD 'a-password'").await.unwrap();
    let (_, ran) = init("c", "mighty", "c_owner");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("is a superuser") && ran.err.contains("logins of their own"), "{ran:?}");

    // Schemas, the extension, logins and roles are there, and belong to others or lack rights.
    admin
        .batch_execute(
            "CREATE ROLE d_owner LOGIN PASSWORD 'a-password';
             CREATE ROLE d_server LOGIN INHERIT PASSWORD 'a-password';
             CREATE ROLE prepared_role_maker NOLOGIN;
             CREATE ROLE prepared_business_1 NOLOGIN",
        )
        .await
        .unwrap();
    admin.batch_execute("CREATE DATABASE prepared").await.unwrap();
    cluster
        .as_admin("prepared")
        .await
        .batch_execute(
            "REVOKE ALL ON DATABASE prepared FROM PUBLIC;
             CREATE EXTENSION pg_trgm;
             CREATE SCHEMA shared;
             CREATE SCHEMA extensions",
        )
        .await
        .unwrap();
    let (program, ran) = init("prepared", "d_server", "d_owner");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = program.run(&["tenant", "create", "acme", "--name", "Acme", "--owner-email", "a@b.test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let doctor = program.run(&["doctor"]);
    assert!(!doctor.out.contains("FAIL  roles") && !doctor.out.contains("FAIL  drift"), "{doctor:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_ends_its_report_whatever_the_logins_can_do() {
    let cluster = Cluster::start();
    let right = cluster.program("server", "owner", "shops");
    let unprepared = right.run(&["doctor"]);
    assert_eq!(unprepared.code, Some(1), "{unprepared:?}");
    assert!(unprepared.out.contains("db init") && unprepared.out.contains("disk"), "{unprepared:?}");

    let ran = right.run(&["db", "init", "--admin-url", &cluster.admin_url]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let admin = cluster.as_admin("shops").await;
    admin.batch_execute("CREATE DATABASE empty").await.unwrap();
    admin.batch_execute("CREATE ROLE stranger LOGIN PASSWORD 'a-password'").await.unwrap();
    admin.batch_execute("GRANT CONNECT ON DATABASE shops TO stranger").await.unwrap();
    for (program, words) in [
        (cluster.program("owner", "server", "shops"), "are swapped"),
        (cluster.program("server", "stranger", "shops"), "but owner owns the schemas"),
        (cluster.program("server", "nobody", "shops"), "database.owner_url"),
        (cluster.program("nobody", "owner", "shops"), "database.url"),
        (cluster.program("server", "owner", "empty"), "is not prepared"),
    ] {
        let ran = program.run(&["doctor"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.contains(words) && ran.out.contains("disk"), "{words}: {ran:?}");
    }
    // One login cannot open a connection any more. The other checks are made.
    admin.batch_execute("ALTER ROLE server CONNECTION LIMIT 0").await.unwrap();
    let ran = right.run(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("ALTER ROLE server CONNECTION LIMIT -1"), "{ran:?}");
    assert!(ran.out.contains("every schema matches its version"), "{ran:?}");
}
