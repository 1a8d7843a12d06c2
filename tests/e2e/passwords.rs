//! Passwords: changed, renewed, refused, and guessed in vain.

use std::time::{Duration, Instant};

use harness::{Client, Mailbox, PASSWORD, Program, Reply, TestApp, join_all, token_in, until};
use serde_json::{Value, json};

const OTHER: &str = "kijani mlima nyota saba";

async fn login(client: &Client<'_>, email: &str, password: &str) -> Reply {
    client.post("/api/v1/auth/login", &json!({"email": email, "password": password})).await
}

async fn change(client: &Client<'_>, from: &str, to: &str) -> Reply {
    client.post("/api/v1/auth/password/change", &json!({"currentPassword": from, "newPassword": to})).await
}

/// A sign-in that changes the password.
fn with_new(password: &str, new_password: &str) -> Value {
    json!({"email": "ann@acme.test", "password": password, "newPassword": new_password})
}

#[tokio::test]
async fn changing_the_password_ends_all_other_sessions() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    let here = login(&acme, "ann@acme.test", PASSWORD).await.body;
    let there = login(&acme, "ann@acme.test", PASSWORD).await.body;
    let (ann, other) =
        (acme.with_token(here["accessToken"].as_str()), acme.with_token(there["accessToken"].as_str()));
    for (from, to, code) in [
        ("wrong password", OTHER, "wrong_password"),
        (PASSWORD, PASSWORD, "weak_password"),
        (PASSWORD, "short", "weak_password"),
        (PASSWORD, "passwordpassword", "weak_password"),
        (PASSWORD, "ann@acme.test", "weak_password"),
        (PASSWORD, "a bell\u{7} in a password", "weak_password"),
    ] {
        let refused = change(&ann, from, to).await;
        assert_eq!((refused.status, refused.code()), (422, code), "{to}: {refused:?}");
    }
    assert_eq!(change(&ann, PASSWORD, OTHER).await.status, 204);
    until("the other session has ended", async || {
        other.get("/api/v1/auth/me").await.code() == "session_ended"
    })
    .await;
    assert_eq!(ann.get("/api/v1/auth/me").await.status, 200);
    assert_eq!(login(&acme, "ann@acme.test", PASSWORD).await.code(), "invalid_credentials");
    assert_eq!(login(&acme, "ann@acme.test", OTHER).await.status, 200);
    // Ten changes at the same time: one takes effect.
    let changes = join_all(
        (0..10)
            .map(|n| {
                change(&ann, OTHER, if n % 2 == 0 { "bahari samawati tatu" } else { "milima ya buluu nane" })
            })
            .collect(),
    )
    .await;
    assert_eq!(changes.iter().filter(|reply| reply.status == 204).count(), 1, "{changes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_somebody_else_chose_is_changed_at_the_first_sign_in() {
    let app = TestApp::start().await;
    let program = Program::beside(&app);
    let made = program.run(&[
        "tenant",
        "create",
        "acme",
        "--name",
        "Acme",
        "--owner-email",
        "ann@acme.test",
        "-o",
        "json",
    ]);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let first = made["owner"]["password"].as_str().unwrap();
    let acme = app.stranger("acme.localhost");
    let refused = login(&acme, "ann@acme.test", first).await;
    assert_eq!((refused.status, refused.code()), (403, "password_change_required"), "{refused:?}");
    // However often: the password is right.
    for _ in 0..12 {
        assert_eq!(login(&acme, "ann@acme.test", first).await.code(), "password_change_required");
        assert_eq!(acme.post("/api/v1/auth/login", &with_new(first, "short")).await.code(), "weak_password");
    }
    assert_eq!(login(&acme, "ann@acme.test", "wrong").await.code(), "invalid_credentials");
    for (password, new, code) in [
        (first, first, "weak_password"),
        (first, "short", "weak_password"),
        ("wrong", OTHER, "invalid_credentials"),
        // Whoever does not know the password learns nothing about the new one, and costs no estimate.
        ("wrong", "short", "invalid_credentials"),
    ] {
        assert_eq!(acme.post("/api/v1/auth/login", &with_new(password, new)).await.code(), code);
    }
    let reply = acme.post("/api/v1/auth/login", &with_new(first, OTHER)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(acme.with_token(reply.body["accessToken"].as_str()).get("/api/v1/products").await.status, 200);
    assert_eq!(login(&acme, "ann@acme.test", OTHER).await.status, 200);
    assert_eq!(login(&acme, "ann@acme.test", first).await.code(), "invalid_credentials");
    // A reset by the operator is like the first password; one that the operator typed is not.
    let reset = program.run(&["user", "reset-password", "ann@acme.test"]);
    let again = reset.out.split_whitespace().next().unwrap().to_owned();
    assert_eq!(login(&acme, "ann@acme.test", &again).await.code(), "password_change_required", "{reset:?}");
    let typed =
        program.run_with_input(&["user", "reset-password", "ann@acme.test", "--password-stdin"], PASSWORD);
    assert_eq!(typed.code, Some(0), "{typed:?}");
    assert_eq!(login(&acme, "ann@acme.test", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_hash_is_renewed_at_the_next_sign_in_when_cost_or_key_changes() {
    let more = r#"
        [identity]
        bcrypt_cost = 5
        password_key = "another password key, which is long enough, too"
        former_password_keys = ["a password key of the tests, long enough"]"#;
    let app = TestApp::start_with(more).await;
    app.onboard("acme", "ann@acme.test").await;
    let owner = app.database.as_owner().await;
    // As an earlier release stored it: with the key of that time, which had no name, and a lower cost.
    let old = old_hash("a password key of the tests, long enough", PASSWORD);
    owner.execute("UPDATE shared.users SET password_hash = $1, password_key = NULL", &[&old]).await.unwrap();
    let acme = app.stranger("acme.localhost");
    let stored = async || {
        let row = owner.query_one("SELECT password_hash, password_key FROM shared.users", &[]).await.unwrap();
        (row.get::<_, String>(0), row.get::<_, Option<String>>(1))
    };
    assert_eq!(login(&acme, "ann@acme.test", "wrong").await.code(), "invalid_credentials");
    assert_eq!(stored().await, (old.clone(), None));
    assert_eq!(login(&acme, "ann@acme.test", PASSWORD).await.status, 200);
    let renewed = stored().await;
    assert!(renewed.0.starts_with("$2b$05$") && renewed.1.is_some(), "{renewed:?}");
    assert_eq!(login(&acme, "ann@acme.test", PASSWORD).await.status, 200);
    assert_eq!(stored().await, renewed);
}

/// A hash as an earlier release made it.
fn old_hash(key: &str, password: &str) -> String {
    use base64::Engine as _;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.as_bytes());
    let keyed = aws_lc_rs::hmac::sign(&key, password.as_bytes());
    bcrypt::hash(base64::engine::general_purpose::STANDARD_NO_PAD.encode(keyed), 4).unwrap()
}

#[tokio::test]
async fn guessing_is_slowed_down_and_locks_nobody_out() {
    let more = "[identity]\nfailures_per_account = 5\nfailures_per_network = 20";
    let app = TestApp::start_with(more).await;
    let (acme, _) =
        (app.onboard("acme", "ann@acme.test").await, app.onboard("zenith", "zoe@zenith.test").await);
    app.member_with("bob@acme.test", &acme, &["STAFF"]).await;
    let (at_acme, at_zenith) = (app.stranger("acme.localhost"), app.stranger("zenith.localhost"));
    assert_eq!(login(&at_acme, "ann@acme.test", PASSWORD).await.status, 200);
    // At every business together, and for unknown users in the same way.
    for email in ["bob@acme.test", "nobody@acme.test"] {
        for n in 0..5 {
            let at = if n % 2 == 0 { &at_acme } else { &at_zenith };
            assert_eq!(login(at, email, "wrong").await.code(), "invalid_credentials", "{email} {n}");
        }
        let blocked = login(&at_acme, email, PASSWORD).await;
        assert_eq!((blocked.status, blocked.code()), (429, "too_many_attempts"), "{blocked:?}");
        let wait: u64 = blocked.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    // Others are not concerned, and after the wait the password is right again.
    assert_eq!(login(&at_acme, "ann@acme.test", PASSWORD).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(login(&at_acme, "bob@acme.test", PASSWORD).await.status, 200);
    // Strangers who guess do not keep a user out of a place from which the user has signed in before.
    for _ in 0..5 {
        login(&at_acme, "bob@acme.test", "wrong").await;
    }
    assert_eq!(login(&at_acme, "bob@acme.test", PASSWORD).await.status, 200);
    // One network that tries many accounts.
    let mut blocked = 0;
    for n in 0..25 {
        blocked += usize::from(login(&at_acme, &format!("n{n}@acme.test"), "x").await.status == 429);
    }
    assert!(blocked > 0);
    const LONGEST: &str =
        "SELECT max(blocked_until) - now() < interval '61 seconds' FROM shared.sign_in_attempts";
    assert!(app.database.as_owner().await.query_one(LONGEST, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn guessing_is_slowed_down_where_the_user_has_signed_in_too() {
    let app = TestApp::start_with("[identity]\nfailures_per_account = 5\nfailures_per_network = 0").await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    assert_eq!(login(&acme, "ann@acme.test", PASSWORD).await.status, 200);
    let mut guesses = 0;
    while guesses < 30 && login(&acme, "ann@acme.test", "wrong").await.status == 401 {
        guesses += 1;
    }
    // Five that anybody has, five from this place, and what a slow machine adds.
    assert!((10..20).contains(&guesses), "{guesses}");
}

#[tokio::test]
async fn a_wrong_current_password_is_slowed_down_too() {
    let app = TestApp::start_with("[identity]\nfailures_per_account = 3").await;
    let acme = app.tenant("acme").await;
    for _ in 0..3 {
        assert_eq!(change(&acme, "wrong", OTHER).await.code(), "wrong_password");
    }
    assert_eq!(change(&acme, PASSWORD, OTHER).await.code(), "too_many_attempts");
}

/// 200 tries of each kind, in turn, so that each kind meets the same noise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_takes_the_same_time_whether_the_login_is_known_or_not() {
    let more = "[identity]\nbcrypt_cost = 7\nfailures_per_account = 0\nfailures_per_network = 0";
    let app = TestApp::start_with(more).await;
    let acme = app.onboard("acme", "ann@acme.test").await;
    app.onboard("zenith", "zoe@zenith.test").await;
    for email in ["cheap@acme.test", "costly@acme.test", "disabled@acme.test"] {
        app.member_with(email, &acme, &["STAFF"]).await;
    }
    let owner = app.database.as_owner().await;
    const ID: &str = "SELECT user_id FROM shared.user_logins WHERE value = $1";
    let id = async |email: &str| owner.query_one(ID, &[&email]).await.unwrap().get::<_, uuid::Uuid>(0);
    let disabled_id = id("disabled@acme.test").await;
    // One hash costs more than new ones do, as after the cost was lowered.
    for (email, cost) in [("cheap@acme.test", 4), ("costly@acme.test", 8)] {
        const STORE: &str = "UPDATE shared.users SET password_hash = $2 WHERE id = $1";
        let hash = bcrypt::hash("x", cost).unwrap();
        owner.execute(STORE, &[&id(email).await, &hash]).await.unwrap();
    }
    owner
        .execute("UPDATE shared.users SET status = 'disabled' WHERE id = $1", &[&disabled_id])
        .await
        .unwrap();
    let client = app.stranger("acme.localhost").with("x-request-id", "same");
    let kinds = [
        ("wrong password", "ann@acme.test", "wrong"),
        ("unknown", "nobody@acme.test", "wrong"),
        ("cheap hash", "cheap@acme.test", "wrong"),
        ("costly hash", "costly@acme.test", "wrong"),
        ("disabled", "disabled@acme.test", PASSWORD),
        ("of another business", "zoe@zenith.test", "wrong"),
    ];
    let mut times = vec![Vec::new(); kinds.len()];
    let first = login(&client, "ann@acme.test", "wrong").await.body;
    for _ in 0..200 {
        for (times, (kind, email, password)) in times.iter_mut().zip(kinds) {
            let asked = Instant::now();
            let reply = login(&client, email, password).await;
            times.push(asked.elapsed());
            assert_eq!(reply.body, first, "{kind}");
        }
    }
    let medians: Vec<Duration> = times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times[times.len() / 2]
        })
        .collect();
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(most.as_secs_f64() < least.as_secs_f64() * 1.2, "{kinds:?} took {medians:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_wrong_passwords_at_one_business_keeps_nobody_else_out() {
    let more = "[identity]\nbcrypt_cost = 9\nfailures_per_account = 0\nfailures_per_network = 0";
    let app = TestApp::start_with(more).await;
    app.onboard("acme", "ann@acme.test").await;
    app.onboard("zenith", "zoe@zenith.test").await;
    let (acme, zenith) = (app.stranger("acme.localhost"), app.stranger("zenith.localhost"));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let flood = (0..32).map(|n| {
        let (acme, stop) = (&acme, &stop);
        async move {
            let mut refused = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let reply = login(acme, &format!("nobody{n}@acme.test"), "wrong").await;
                refused += usize::from(reply.code() == "too_busy");
            }
            refused
        }
    });
    let others = async {
        for _ in 0..10 {
            let reply = login(&zenith, "zoe@zenith.test", PASSWORD).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (refused, ()) = futures_util::future::join(join_all(flood.collect()), others).await;
    assert!(refused.iter().sum::<usize>() > 0, "the flood was no flood");
}

async fn forgot(client: &Client<'_>, email: &str) -> Reply {
    client.post("/api/v1/auth/password/forgot", &json!({"email": email})).await
}

async fn reset(client: &Client<'_>, token: &str, password: &str) -> Reply {
    client.post("/api/v1/auth/password/reset", &json!({"token": token, "newPassword": password})).await
}

#[tokio::test]
async fn a_forgotten_password_is_set_by_a_mailed_link_once() {
    let (mailbox, app) = Mailbox::with_app().await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    let session = login(&acme, "ann@acme.test", PASSWORD).await.body;
    let known = forgot(&acme, "Ann@Acme.test").await;
    let unknown = forgot(&acme, "nobody@acme.test").await;
    assert_eq!((known.status, &known.body), (202, &unknown.body));
    assert_eq!(known.status, unknown.status);
    let sent = mailbox.read(&app).await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].contains("To: ann@acme.test") && sent[0].contains("acme Ltd"), "{}", sent[0]);
    assert!(sent[0].contains("http://acme.localhost:") && sent[0].contains("text/html"), "{}", sent[0]);
    let token = token_in(&sent[0]);
    let owner = app.database.as_owner().await;
    let stored =
        owner.query_one("SELECT row(m, t)::text FROM shared.mails m, shared.one_time_tokens t LIMIT 1", &[]);
    assert!(!stored.await.unwrap().get::<_, String>(0).contains(&token), "no table holds a token");

    assert_eq!(reset(&acme, "x", OTHER).await.code(), "invalid_link");
    assert_eq!(reset(&acme, &token, "ann@acme.test!").await.code(), "weak_password");
    // A second link ends the first one when either is used.
    forgot(&acme, "ann@acme.test").await;
    let second = token_in(&mailbox.read(&app).await[0]);
    let both = join_all(vec![
        reset(&acme, &token, OTHER),
        reset(&acme, &token, "bahari samawati tatu"),
        reset(&acme, &second, OTHER),
    ])
    .await;
    assert_eq!(both.iter().filter(|reply| reply.status == 204).count(), 1, "{both:?}");
    assert_eq!(both.iter().filter(|reply| reply.code() == "invalid_link").count(), 2, "{both:?}");
    until("all sessions end", async || {
        let client = acme.with_token(session["accessToken"].as_str());
        client.get("/api/v1/auth/me").await.code() == "session_ended"
    })
    .await;
    assert_eq!(login(&acme, "ann@acme.test", PASSWORD).await.code(), "invalid_credentials");
    let notice = mailbox.read(&app).await;
    assert!(notice.len() == 1 && notice[0].contains("was changed"), "{notice:?}");

    // An expired link, and too many requests.
    forgot(&acme, "ann@acme.test").await;
    let late = token_in(&mailbox.read(&app).await[0]);
    owner
        .execute("UPDATE shared.one_time_tokens SET expires_at = expires_at - interval '30 minutes'", &[])
        .await
        .unwrap();
    assert_eq!(reset(&acme, &late, OTHER).await.code(), "invalid_link");
    for _ in 0..10 {
        assert_eq!(forgot(&acme, "ann@acme.test").await.status, 202);
    }
    let waiting: i64 = owner
        .query_one("SELECT count(*) FROM shared.mails WHERE state = 'queued'", &[])
        .await
        .unwrap()
        .get(0);
    assert!(waiting < 5, "{waiting}");
}

#[tokio::test]
async fn a_business_mails_its_members_alone_and_nobody_too_often() {
    let (mailbox, app) = Mailbox::with_app().await;
    app.onboard("acme", "ann@acme.test").await;
    app.onboard("zenith", "zoe@zenith.test").await;
    let owner = app.database.as_owner().await;
    // Somebody asks at a business of which the user is no member.
    assert_eq!(forgot(&app.stranger("acme.localhost"), "zoe@zenith.test").await.status, 202);
    // The clock of the request was ahead of that of the sender.
    const AHEAD: &str = "UPDATE shared.mails SET due_at = clock_timestamp() + interval '900 milliseconds'";
    owner.execute(AHEAD, &[]).await.unwrap();
    let sent = mailbox.read(&app).await;
    assert!(sent.len() == 1 && !sent[0].contains("acme"), "{sent:?}");
    // A link that could not be mailed in time is not mailed later.
    assert_eq!(forgot(&app.stranger("zenith.localhost"), "zoe@zenith.test").await.status, 202);
    const AGE: &str = "UPDATE shared.mails SET created_at = created_at - interval '31 minutes'";
    owner.execute(AGE, &[]).await.unwrap();
    assert!(mailbox.read(&app).await.is_empty());
    // Ten links a day, however slowly somebody asks.
    for _ in 0..12 {
        owner.execute("DELETE FROM shared.sign_in_attempts", &[]).await.unwrap();
        assert_eq!(forgot(&app.stranger("zenith.localhost"), "zoe@zenith.test").await.status, 202);
    }
    let written = owner.query_one("SELECT count(*) FROM shared.mails", &[]).await.unwrap();
    assert_eq!(written.get::<_, i64>(0), 10);
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_written() {
    let app = TestApp::start().await;
    app.onboard("acme", "ann@acme.test").await;
    assert_eq!(forgot(&app.stranger("acme.localhost"), "ann@acme.test").await.status, 202);
    let owner = app.database.as_owner().await;
    let written = owner.query_one("SELECT count(*) FROM shared.mails", &[]).await.unwrap();
    assert_eq!(written.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_mail_that_the_server_does_not_take_is_sent_later_and_delays_nobody() {
    let more = format!("[mail]\nsmtp_url = \"smtp://127.0.0.1:{}\"", harness::free_port());
    let app = TestApp::start_with(&more).await;
    app.onboard("acme", "ann@acme.test").await;
    let acme = app.stranger("acme.localhost");
    assert_eq!(forgot(&acme, "ann@acme.test").await.status, 202);
    let post = app.settings.post().unwrap().unwrap();
    let owner_database = app.onboarding().owner_database();
    assert_eq!(post.send_due(owner_database).await.unwrap(), (0, 1));
    assert_eq!(post.send_due(owner_database).await.unwrap(), (0, 0), "it waits before it tries again");
    let owner = app.database.as_owner().await;
    let row = owner
        .query_one("SELECT state, attempts, failure, due_at > now() FROM shared.mails", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, String>(0), row.get::<_, i32>(1)), ("queued".to_owned(), 1));
    assert!(row.get::<_, String>(2).contains("mail server") && row.get::<_, bool>(3), "{row:?}");
    // After a day of attempts it is dead, and is kept for somebody to look at.
    owner.execute("UPDATE shared.mails SET attempts = 11, due_at = now()", &[]).await.unwrap();
    assert_eq!(post.send_due(owner_database).await.unwrap(), (0, 1));
    let row = owner.query_one("SELECT state FROM shared.mails", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "dead");
}
