//! Mails, sent to a mail server that nobody here wrote: with STARTTLS and TLS, with a user and a password,
//! and while the server is down or refuses.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use harness::{Program, TestApp, token_in, until};
use serde_json::{Value, json};

/// A mail server in Python, in a folder of its own.
struct MailServer {
    child: Child,
    folder: PathBuf,
}

impl MailServer {
    fn start(port: u16, mode: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tenantry-smtp-{}", uuid::Uuid::now_v7()));
        let mails = folder.join("mails");
        std::fs::create_dir_all(&mails).unwrap();
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, secret) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, key.cert.pem()).unwrap();
        std::fs::write(&secret, key.signing_key.serialize_pem()).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("../target/python/bin/python");
        assert!(python.exists(), "run scripts/test once: it installs {}", python.display());
        let mut child = Command::new(python)
            .arg(here.join("clients/mail_server.py"))
            .args([port.to_string().as_str(), mode])
            .args([&certificate, &secret, &mails])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self { child, folder }
    }

    /// The mails that have arrived.
    fn mails(&self) -> Vec<String> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder.join("mails"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|file| file.extension().is_some_and(|kind| kind == "eml"))
            .collect();
        files.sort();
        let text = |file| std::fs::read_to_string(file).unwrap().replace("=\r\n", "").replace("=3D", "=");
        files.iter().map(text).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Invites somebody by a command, so that a mail is written, and sends the mails that are due.
async fn send(app: &TestApp, server: &MailServer, url: &str, email: &str) -> Vec<Value> {
    let certificate = server.folder.join("certificate.pem").display().to_string();
    let program =
        Program::beside(app).with("TENANTRY__MAIL__SMTP_URL", url).with("SSL_CERT_FILE", &certificate);
    let invited = program.run(&["user", "invite", email, "--tenant", "acme", "--role", "STAFF"]);
    assert!(invited.err.contains("gets a mail"), "{invited:?}");
    let runner = program.start(&["job", "run"]);
    let tried = async || {
        const TRIED: &str = "
            SELECT count(*) FROM shared.mails
             WHERE address = $1 AND (state <> 'queued' OR failure IS NOT NULL)";
        let owner = app.database.as_owner().await;
        owner.query_one(TRIED, &[&email]).await.unwrap().get::<_, i64>(0) == 1
    };
    until(&format!("{email} is tried"), tried).await;
    runner.signal("TERM");
    runner.ended();
    let listed = program.run(&["mail", "list", "-o", "json"]);
    let all: Vec<Value> = serde_json::from_str(&listed.out).unwrap();
    all.into_iter().filter(|mail| mail["address"] == email).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_reach_a_real_mail_server() {
    let app = TestApp::start().await;
    let _acme = app.tenant("acme").await;
    for (mode, scheme, more) in [("starttls", "smtp", "?tls=required"), ("tls", "smtps", "")] {
        let port = harness::free_port();
        let server = MailServer::start(port, mode);
        let url = format!("{scheme}://shop:s3cret%2Fpass@localhost:{port}{more}");
        let email = format!("ann-{mode}@acme.test");
        let sent = send(&app, &server, &url, &email).await;
        assert_eq!((&sent[0]["state"], &sent[0]["failure"]), (&json!("sent"), &Value::Null), "{sent:?}");
        // Mails that waited because of the server before may have arrived, too.
        let to = format!("X-Recipient: {email}");
        let mails: Vec<String> = server.mails().into_iter().filter(|mail| mail.contains(&to)).collect();
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert!(mails[0].contains("acme Ltd invites you") && mails[0].contains("text/html"), "{}", mails[0]);
        let body = json!({"token": token_in(&mails[0]), "password": "kijani mlima nyota saba"});
        let accepted = app.stranger("acme.localhost").post("/api/v1/auth/invitations/accept", &body).await;
        assert_eq!(accepted.status, 200, "{accepted:?}");

        // Wrong passwords, refused addresses, and certificates that nobody vouches for: the mail waits.
        for (address, password, certificate) in
            [("wrong", "other", true), ("reject", "s3cret%2Fpass", true), ("forged", "s3cret%2Fpass", false)]
        {
            let url = format!("{scheme}://shop:{password}@localhost:{port}{more}");
            let other = MailServer::start(harness::free_port(), mode);
            let email = format!("{address}-{mode}@acme.test");
            let tried = send(&app, if certificate { &server } else { &other }, &url, &email).await;
            assert_eq!(
                (&tried[0]["state"], &tried[0]["attempts"]),
                (&json!("queued"), &json!(1)),
                "{tried:?}"
            );
            assert!(tried[0]["failure"].as_str().unwrap().contains("did not take"), "{tried:?}");
            assert!(!tried[0].to_string().contains("s3cret"));
        }
        // A waiting mail may have been sent since, with the right password.
        let is_refused = |mail: &String| mail.contains("reject-") || mail.contains("forged-");
        assert!(!server.mails().iter().any(is_refused));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nobody_waits_while_the_mail_server_is_down() {
    let port = harness::free_port();
    let url = format!("smtp://shop:s3cret%2Fpass@localhost:{port}?tls=required");
    let app = TestApp::start_with(&format!("[mail]\nsmtp_url = \"{url}\"")).await;
    let acme = app.tenant("acme").await;
    let started = Instant::now();
    for n in 0..20 {
        let invitation = json!({"email": format!("p{n}@acme.test"), "roles": ["STAFF"]});
        assert_eq!(acme.post("/api/v1/invitations", &invitation).await.status, 201);
    }
    // No request waits for the mail server, which has a timeout of twenty seconds.
    assert!(started.elapsed().as_secs() < 15, "{:?}", started.elapsed());
    let owner = app.database.as_owner().await;
    const DEAD: &str = "UPDATE shared.mails SET state = 'dead', failure = 'down', attempts = 12";
    owner.execute(DEAD, &[]).await.unwrap();
    let program = Program::beside(&app);
    let dead = program.run(&["mail", "list", "--state", "dead", "-o", "name"]);
    assert_eq!(dead.out.lines().count(), 20, "{dead:?}");
    assert!(program.run(&["doctor"]).out.contains("20 mails could not be sent"));
    // The staff sees them, and tries one again.
    let staff = app.staff("super_admin").await;
    let listed = staff.get("/api/v1/platform/mails?state=dead&limit=5").await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 5);
    assert_eq!(listed["data"][0]["failure"], "down");
    let path = format!("/api/v1/platform/mails/{}/retry", listed["data"][0]["id"].as_str().unwrap());
    assert_eq!(staff.post(&path, &json!({})).await.body["state"], "queued");
    let server = MailServer::start(port, "starttls");
    let certificate = server.folder.join("certificate.pem").display().to_string();
    let program = program.with("TENANTRY__MAIL__SMTP_URL", &url).with("SSL_CERT_FILE", &certificate);
    let retried = program.run(&["mail", "retry", "--all-dead"]);
    assert!(retried.code == Some(0), "{retried:?}");
    // A mail that the server of the test tries, too, is put off for seconds.
    let runner = program.start(&["job", "run"]);
    until("all mails arrive", async || {
        owner
            .execute(
                "UPDATE shared.mails SET due_at = now() WHERE state = 'queued' AND failure IS NOT NULL
                          AND attempts > 0 AND due_at > now() + interval '5 seconds'",
                &[],
            )
            .await
            .unwrap();
        server.mails().len() >= 20
    })
    .await;
    runner.signal("TERM");
    runner.ended();
    let mails = server.mails();
    for n in 0..20 {
        let to = format!("X-Recipient: p{n}@acme.test\r");
        assert!(mails.iter().any(|mail| mail.contains(&to)), "p{n} got no mail");
    }
    let sent = staff.get("/api/v1/platform/mails?state=sent").await.body["data"][0].clone();
    let path = format!("/api/v1/platform/mails/{}/retry", sent["id"].as_str().unwrap());
    assert_eq!(staff.post(&path, &json!({})).await.code(), "mail_not_dead");
}
