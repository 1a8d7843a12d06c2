//! `tenantry db init`, which the administrator runs once.

use harness::{Program, TestDatabase};
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

#[tokio::test]
async fn an_administrator_without_superuser_rights_can_bootstrap() {
    let database = TestDatabase::new().await;
    let admin = database.as_admin().await;
    let name = format!("{}_dba", database.name);
    let created = database.name.replacen("tt_", "dba_", 1);
    admin
        .batch_execute(&format!("CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD 'dba-password'"))
        .await
        .unwrap();
    let replace = |url: String, login: &str| {
        let (_, rest) = url.split_once('@').unwrap();
        let (host, _) = rest.split_once('/').unwrap();
        format!("postgres://{login}@{host}/")
    };
    let admin_url = replace(database.url(), &format!("{name}:dba-password")) + "postgres";
    let program = Program::bare()
        .with(
            "TENANTRY__DATABASE__URL",
            &(replace(database.url(), &format!("{created}_server:x")) + &created),
        )
        .with(
            "TENANTRY__DATABASE__OWNER_URL",
            &(replace(database.url(), &format!("{created}_owner:x")) + &created),
        )
        .with("TENANTRY__IDENTITY__PASSWORD_KEY", "a password key of the tests, long enough");
    for _ in 0..2 {
        let ran = program.run(&["db", "init", "--admin-url", &admin_url]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let ran = program.run(&["tenant", "create", "acme", "--name", "Acme", "--owner-email", "a@b.test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    admin.batch_execute(&format!("DROP DATABASE {created} WITH (FORCE)")).await.unwrap();
    // The roles must be dropped before the administrator that created them. The test database drops the
    // administrator.
    for role in [
        format!("{created}_business_1"),
        format!("{created}_reader"),
        format!("{created}_role_maker"),
        format!("{created}_server"),
        format!("{created}_owner"),
    ] {
        admin.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
    }
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
