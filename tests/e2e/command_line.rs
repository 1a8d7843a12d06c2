//! The binary, as an operator uses it.

use harness::{PASSWORD, Program, TestApp};
use serde_json::{Value, json};

#[tokio::test]
async fn one_command_onboards_a_business() {
    let app = TestApp::start().await;
    let program = Program::beside(&app)
        .with("TENANTRY__SERVER__PUBLIC_SCHEME", "http")
        .with("TENANTRY__SERVER__PUBLIC_PORT", "8080");
    let ran =
        program.run(&["tenant", "create", "acme", "--name", "Acme Ltd", "--owner-email", "Ann@Acme.test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("http://acme.localhost:8080"), "{ran:?}");
    let password = ran
        .out
        .lines()
        .find_map(|line| line.strip_prefix("password"))
        .unwrap()
        .trim()
        .split(' ')
        .next()
        .unwrap();
    let login = app
        .stranger("acme.localhost")
        .post(
            "/api/v1/auth/login",
            &json!({
                "email": "ann@acme.test", "password": password, "newPassword": "kijani mlima nyota saba",
            }),
        )
        .await;
    assert_eq!(login.status, 200, "the business must be usable at once: {login:?}");

    let listed: Value = serde_json::from_str(&program.run(&["tenant", "list", "-o", "json"]).out).unwrap();
    assert_eq!((&listed[0]["slug"], &listed[0]["status"]), (&json!("acme"), &json!("active")));
    assert!(program.run(&["tenant", "list"]).out.starts_with("SLUG"));
    let shown: Value =
        serde_json::from_str(&program.run(&["tenant", "show", "acme", "-o", "json"]).out).unwrap();
    assert_eq!(shown["schema"], "business_1");
}

#[tokio::test]
async fn each_kind_of_failure_has_its_own_exit_code() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let program = Program::beside(&app);
    let create =
        |slug: &'static str| ["tenant", "create", slug, "--name", "A", "--owner-email", "new@acme.test"];
    let codes = [
        (program.run(&["--help"]), 0, ""),
        (program.run(&[]), 2, "Usage"),
        (program.run(&["tenant", "create", "AC"]), 2, "a slug must have 3 to 40"),
        (program.run(&create("admin")), 2, "reserved"),
        (program.run(&["tenant", "show", "nobody"]), 3, "tenant list"),
        (program.run(&create("acme")), 4, "taken"),
        (
            program.run(&[
                "user",
                "create",
                "--email",
                "ann@acme.test",
                "--tenant",
                "acme",
                "--role",
                "STAFF",
            ]),
            4,
            "already a member",
        ),
        (
            program.run(&["user", "create", "--email", "x@acme.test", "--tenant", "acme", "--role", "KING"]),
            1,
            "use MANAGER, OWNER or STAFF",
        ),
        (
            program.run(&[
                "user",
                "create",
                "--email",
                "x@acme.test",
                "--tenant",
                "nobody",
                "--role",
                "STAFF",
            ]),
            3,
            "no business",
        ),
        (Program::bare().run(&["tenant", "list"]), 1, "TENANTRY__DATABASE__URL"),
        (Program::bare().run(&["serve"]), 1, "TENANTRY__DATABASE__URL"),
        (program.with("TENANTRY__SERVER__WORKERS", "999").run(&["tenant", "list"]), 1, "server.workers"),
        (Program::bare().with("TENANTRY__SEVER__X", "1").run(&["tenant", "list"]), 1, "sever"),
    ];
    for (ran, code, words) in codes {
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.err.contains(words), "the message must contain {words:?}: {ran:?}");
        assert!(code == 0 || ran.out.is_empty(), "messages must go to standard error: {ran:?}");
    }
}

#[tokio::test]
async fn the_server_does_not_start_with_wrong_secrets_or_a_used_port() {
    let app = TestApp::start().await;
    let beside = || Program::beside(&app);
    for (program, words) in [
        (beside().with("TENANTRY__IDENTITY__PASSWORD_KEY", "short"), "identity.password_key"),
        (beside().with("TENANTRY__IDENTITY__SIGNING_KEY_FILE", "/none.pem"), "openssl genpkey"),
        (beside().with("TENANTRY__IDENTITY__SIGNING_KEY_FILE", "/etc/hostname"), "Ed25519"),
        (beside().with("TENANTRY__SERVER__LISTEN", &format!("127.0.0.1:{}", app.port())), "server.listen"),
    ] {
        let ran = program.run(&["serve"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains(words), "the message must contain {words:?}: {ran:?}");
    }
}

#[tokio::test]
async fn users_get_roles_and_keep_their_passwords() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let program = Program::beside(&app);
    let new = program.run_with_input(
        &[
            "user",
            "create",
            "--email",
            "bob@acme.test",
            "--tenant",
            "acme",
            "--role",
            "STAFF",
            "--password-stdin",
        ],
        &format!("{PASSWORD}\n"),
    );
    assert_eq!(new.code, Some(0), "{new:?}");
    assert!(!new.out.contains(PASSWORD), "a password from standard input must not be printed");
    let login = json!({"email": "bob@acme.test", "password": PASSWORD});
    assert_eq!(
        app.stranger("acme.localhost").post("/api/v1/auth/login", &login).await.body["membership"]["roles"],
        json!(["STAFF"])
    );
    let staff =
        program.run(&["user", "create", "--email", "bob@acme.test", "--platform", "--role", "support"]);
    assert_eq!(staff.code, Some(0), "{staff:?}");
    assert!(staff.out.contains("unchanged"), "{staff:?}");
    assert_eq!(app.stranger("admin.localhost").post("/api/v1/auth/login", &login).await.status, 200);
    let short = program.run_with_input(
        &[
            "user",
            "create",
            "--email",
            "c@acme.test",
            "--tenant",
            "acme",
            "--role",
            "STAFF",
            "--password-stdin",
        ],
        "short",
    );
    assert!(short.code == Some(1) && short.err.contains("at least 12"), "{short:?}");
}

#[tokio::test]
async fn demo_data_is_written_only_to_a_development_database() {
    let app = TestApp::start().await;
    let refused = Program::beside(&app).run(&["seed", "demo"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("development"), "{refused:?}");
    let program = Program::beside(&app).with("TENANTRY_ENV", "development");
    let first = program.run(&["seed", "demo"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let again = program.run(&["seed", "demo"]);
    assert!(again.code == Some(0) && again.err.contains("nothing to do"), "{again:?}");
    for (host, email) in [
        ("business1", "owner1"),
        ("business1", "manager1"),
        ("business1", "staff1"),
        ("business1", "cashier1"),
        ("business2", "owner2"),
        ("admin", "admin"),
    ] {
        let body = json!({"email": format!("{email}@test.com"), "password": "password123"});
        let login = app.stranger(&format!("{host}.localhost")).post("/api/v1/auth/login", &body).await;
        assert_eq!(login.status, 200, "{email}: {login:?}");
        if host != "admin" {
            let client = app.stranger(&format!("{host}.localhost"));
            let figures =
                client.with_token(login.body["accessToken"].as_str()).get("/api/v1/dashboard").await.body;
            assert!(figures["totalItems"].as_i64().unwrap() > 4, "{figures}");
        }
    }
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_secrets() {
    let app = TestApp::start().await;
    let ran = Program::beside(&app).run(&["config", "show"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        !ran.out.contains("test-login-password") && !ran.out.contains("a password key of the tests"),
        "{ran:?}"
    );
    let line = |key: &str| ran.out.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("identity.bcrypt_cost").contains("environment"), "{ran:?}");
    assert!(line("server.body_limit_bytes").contains("default"), "{ran:?}");
    assert!(line("database.url").contains("tenantry_test_server:********@"), "{ran:?}");
}

#[test]
fn the_api_document_needs_no_database() {
    let ran = Program::bare().run(&["openapi"]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["info"]["title"], "Tenantry");
}

#[tokio::test]
async fn lost_output_ends_no_work_and_loses_no_password() {
    let app = TestApp::start().await;
    for slug in ["acme", "zenith", "third", "fourth"] {
        app.tenant(slug).await;
    }
    let folder = std::env::temp_dir().join(format!("{}-lost", app.database.name));
    let program = Program::beside(&app).with("TENANTRY__BACKUP__FOLDER", &folder.display().to_string());
    let backups = || -> usize {
        let listed = program.run(&["backup", "list", "-o", "json"]).out;
        serde_json::from_str::<Value>(&listed).unwrap().as_array().unwrap().len()
    };
    // The reader goes away, both of data and of messages. All businesses are backed up.
    for (line, expected) in [
        ("$tenantry backup create --all | head -1; exit ${PIPESTATUS[0]}", 4),
        ("$tenantry backup create --all 2>&1 | head -1; exit ${PIPESTATUS[0]}", 8),
        ("$tenantry backup create --all >&- 2>&-", 12),
    ] {
        let ran = program.run_shell(line);
        assert_eq!((ran.code, backups()), (Some(0), expected), "{line}: {ran:?}");
    }
    // A full disk is a failure, although the work is done.
    let full = program.run_shell("$tenantry backup create --all > /dev/full");
    assert_eq!((full.code, backups()), (Some(1), 16), "{full:?}");
    assert!(full.err.contains("standard output cannot be written"), "{full:?}");
    let listed = program.run_shell("$tenantry tenant list > /dev/full");
    assert_eq!(listed.code, Some(1), "{listed:?}");
    std::fs::remove_dir_all(folder).unwrap();

    for (line, code) in [
        ("$tenantry tenant create later --name Later --owner-email new@a.test > /dev/full", 1),
        ("$tenantry user reset-password new@a.test > /dev/full", 1),
        ("$tenantry user create --email other@a.test --tenant later --role STAFF > /dev/full", 1),
    ] {
        let ran = program.run_shell(line);
        assert_eq!(ran.code, Some(code), "{line}: {ran:?}");
        assert!(ran.err.contains("shown once"), "the password is shown elsewhere: {line}: {ran:?}");
    }
    // In the format `name`, the password goes to standard error.
    let named =
        program.run(&["tenant", "create", "named", "--name", "N", "--owner-email", "n@n.test", "-o", "name"]);
    assert_eq!(named.out, "named\n");
    assert!(named.err.contains("password ") && named.err.contains("shown once"), "{named:?}");
    // Nobody could see the password, so there is no business.
    for line in [
        "$tenantry tenant create unseen --name Unseen --owner-email u@u.test > /dev/full 2>&1",
        "$tenantry tenant create unseen --name Unseen --owner-email u@u.test -o json > /dev/full 2>&1",
        "$tenantry tenant clone acme unseen --owner-email u@u.test > /dev/full 2>&1",
    ] {
        let ran = program.run_shell(line);
        assert_eq!(ran.code, Some(1), "{line}: {ran:?}");
        assert_eq!(program.run(&["tenant", "show", "unseen"]).code, Some(3), "{line}");
    }
}

#[tokio::test]
async fn a_business_that_cannot_be_read_hides_no_other() {
    let app = TestApp::start().await;
    for slug in ["acme", "zenith"] {
        app.tenant(slug).await;
    }
    let program = Program::beside(&app);
    app.database.as_admin().await.batch_execute("DROP TABLE business_1.stock_levels CASCADE").await.unwrap();
    let ran = program.run(&["ledger", "verify", "--all"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("acme could not be read") && ran.out.contains("zenith"), "{ran:?}");
    assert_eq!(program.run(&["ledger", "verify", "acme"]).code, Some(1));
    assert_eq!(program.run(&["ledger", "verify", "zenith"]).code, Some(0));
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_printed_in_every_format() {
    let app = TestApp::start().await;
    for slug in ["zenith", "acme", "middle"] {
        app.tenant(slug).await;
    }
    let program = Program::beside(&app);
    let run = |arguments: &[&str]| {
        let ran = program.run(&[&["tenant", "list"][..], arguments].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.out
    };
    assert_eq!(run(&["-o", "name", "--sort", "slug"]), "acme\nmiddle\nzenith\n");
    assert_eq!(run(&["-o", "name", "--sort", "number", "--desc", "--limit", "2"]), "middle\nacme\n");
    assert_eq!(run(&["-o", "name", "--search", "MIDDLE L"]), "middle\n");
    assert_eq!(program.run(&["tenant", "suspend", "acme"]).code, Some(0));
    assert_eq!(run(&["-o", "name", "--status", "suspended"]), "acme\n");
    assert_eq!(run(&["-o", "name", "--behind"]), "");
    let csv = run(&["-o", "csv", "--limit", "1"]);
    assert!(csv.starts_with("id,number,slug,name,status,schema,"), "{csv}");
    assert_eq!(csv.lines().count(), 2);
    assert!(run(&["-o", "yaml"]).contains("slug: zenith\n"));
    let unknown = program.run(&["tenant", "list", "--sort", "size"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("the members are id, number"), "{unknown:?}");
    assert!(program.run(&["tenant", "show", "zenit"]).err.contains("did you mean zenith?"));
    assert!(program.run(&["tenant", "shwo", "zenith"]).err.contains("similar"));
    program.run(&["tenant", "limit", "zenith", "--max-transactions", "3"]);
    let shown: Value =
        serde_json::from_str(&program.run(&["tenant", "show", "zenith", "-o", "json"]).out).unwrap();
    assert_eq!(shown["limits"], json!({"statementTimeoutMs": null, "maxTransactions": 3}));
    let quiet = program.run(&["-q", "tenant", "resume", "acme"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "{quiet:?}");
    assert!(program.run(&["-q", "tenant", "show", "nobody"]).err.contains("error: there is no business"));
}

#[tokio::test]
async fn the_name_changes_and_the_currency_only_before_it_is_used() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let program = Program::beside(&app);
    let set = |arguments: &[&str]| program.run(&[&["tenant", "set", "acme"][..], arguments].concat());
    assert_eq!(set(&[]).code, Some(2));
    assert_eq!(set(&["--name", "Acme International", "--currency", "JPY"]).code, Some(0));
    let settings = acme.get("/api/v1/settings").await;
    assert_eq!((&settings.body["currency"], &settings.body["currencyDecimals"]), (&json!("JPY"), &json!(0)));
    let shown = program.run(&["tenant", "show", "acme"]).out;
    assert!(shown.contains("Acme International"), "{shown}");
    let history = program.run(&["tenant", "history", "acme", "--action", "tenant.currency"]).out;
    assert!(history.contains(r#"{"from":"EUR","to":"JPY"}"#), "{history}");
    let mut product = harness::a_product("BOLT");
    product["variants"][0]["price"] = json!("950");
    acme.create_product(&product).await;
    let refused = set(&["--currency", "EUR"]);
    assert!(refused.code == Some(4) && refused.err.contains("cannot change"), "{refused:?}");
    assert_eq!(set(&["--currency", "JPY"]).code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_amount_is_stored_in_the_currency_of_before() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let program = Program::beside(&app);
    // A product is being stored by a transaction that has read the currency.
    let schema = acme.tenant.schema.to_string();
    let mut owner = app.database.as_owner().await;
    let storing = owner.transaction().await.unwrap();
    let sql = "SELECT currency FROM SCHEMA.settings;
               INSERT INTO SCHEMA.products (id, name, option_names, created_at, updated_at)
               VALUES ('01a216a2-c61a-7761-b20c-f0c30c77aa21', 'Bolt', '{}', now(), now());
               INSERT INTO SCHEMA.variants
                      (id, product_id, sku, sku_key, price, options, created_at, updated_at)
               VALUES ('01a216a2-c61a-7761-b20c-f0c30c77aa22', '01a216a2-c61a-7761-b20c-f0c30c77aa21',
                       'BOLT', 'bolt', 9.55, '{}', now(), now())";
    storing.batch_execute(&sql.replace("SCHEMA", &schema)).await.unwrap();
    let changing = program.start(&["tenant", "set", "acme", "--currency", "JPY"]);
    app.database.until_a_lock_is_awaited().await;
    storing.commit().await.unwrap();
    let changed = tokio::task::spawn_blocking(move || changing.ended()).await.unwrap();
    assert!(changed.code == Some(4) && changed.err.contains("cannot change"), "{changed:?}");
    assert_eq!(acme.get("/api/v1/settings").await.body["currency"], "EUR");
}

#[test]
fn completions_and_man_pages_are_made() {
    let program = Program::bare();
    for shell in ["bash", "zsh", "fish"] {
        let ran = program.run(&["completions", shell]);
        assert!(ran.code == Some(0) && ran.out.contains("tenantry"), "{ran:?}");
    }
    let checked = program.run_shell("$tenantry completions bash | bash -n");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let folder = std::env::temp_dir().join(format!("tenantry-man-{}", uuid::Uuid::now_v7()));
    assert_eq!(program.run(&["man", &folder.display().to_string()]).code, Some(1), "the folder is missing");
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(program.run(&["man", &folder.display().to_string()]).code, Some(0));
    let page = std::fs::read_to_string(folder.join("tenantry-tenant-create.1")).unwrap();
    assert!(page.contains("owner\\-email"), "{page}");
    std::fs::remove_dir_all(folder).unwrap();
}
