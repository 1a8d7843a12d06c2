//! Programs in Python and in JavaScript verify our access tokens with the usual libraries of these languages.

use harness::browser::{Browser, authorize, claims_of};
use harness::{Client, PASSWORD, Program, Sample, TestApp, free_port};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// The sample programs, which are the API of the app Payroll.
const SAMPLES: [&str; 2] = ["payroll.py", "payroll.mjs"];

/// A private key that is none of ours (RFC 8410 section 10.3).
const OTHER_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";

/// A server whose provider the samples reach, and its issuer.
async fn server(algorithm: &str) -> (TestApp, String) {
    let port = free_port();
    let issuer = format!("http://id.localhost:{port}");
    let settings = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n\
         [identity]\nissuer = \"{issuer}\"\nsigning_algorithm = \"{algorithm}\""
    );
    (TestApp::start_with(&settings).await, issuer)
}

async fn register_payroll(staff: &Client<'_>) {
    let payroll = json!({
        "name": "Payroll", "permissions": [{"key": "payslips.read"}],
        "roles": [{"key": "Viewer", "permissions": ["payslips.read"]}, {"key": "Guest", "permissions": []}],
    });
    let made = staff.put("/api/v1/platform/apps/payroll", &payroll).await;
    assert!([200, 201].contains(&made.status), "{made:?}");
}

/// The answer of a sample to somebody with this header.
async fn payslips(sample: &Sample, authorization: Option<&str>) -> (StatusCode, Value) {
    let request = reqwest::Client::new().get(format!("{}/payslips", sample.address));
    let request = match authorization {
        Some(authorization) => request.header("authorization", authorization),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let (status, challenge) = (answer.status(), answer.headers().get("www-authenticate").cloned());
    assert_eq!(challenge.is_some(), [401, 403].contains(&status.as_u16()), "{challenge:?}");
    (status, answer.json().await.unwrap())
}

async fn token_of(app: &TestApp, email: &str, place: &str) -> String {
    let login = json!({"email": email, "password": PASSWORD, "app": place});
    let reply = app.stranger("acme.localhost").post("/api/v1/auth/login", &login).await;
    reply.body["accessToken"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

/// The same token with one change, signed with a key.
fn changed(token: &str, pem: &str, change: impl FnOnce(&mut Header, &mut Value)) -> String {
    let (mut header, mut claims) = (jsonwebtoken::decode_header(token).unwrap(), claims_of(token));
    change(&mut header, &mut claims);
    let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

/// The same token with another algorithm in its header, and no signature.
fn unsigned(token: &str, algorithm: &str) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut header = serde_json::to_value(jsonwebtoken::decode_header(token).unwrap()).unwrap();
    header["alg"] = json!(algorithm);
    let claims = token.split('.').nth(1).unwrap();
    format!("{}.{claims}.", base64.encode(header.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_in_python_and_javascript_verify_access_tokens() {
    let (app, issuer) = server("EdDSA").await;
    let (acme, staff) = (app.tenant("acme").await, app.staff("super_admin").await);
    register_payroll(&staff).await;
    for (email, role) in [("alice@acme.test", "Viewer"), ("bob@acme.test", "Guest")] {
        app.member_of_app(email, "payroll", Some(&acme.tenant), &[role]).await;
    }
    let alice = token_of(&app, "alice@acme.test", "payroll").await;
    let bob = token_of(&app, "bob@acme.test", "payroll").await;
    const BACK: &str = "https://payroll.example.com/callback";
    let client = json!({"id": "payroll-web", "app": "payroll", "name": "Payroll", "redirectUris": [BACK],
                        "isPublic": true});
    assert_eq!(staff.post("/api/v1/platform/clients", &client).await.status, 201);
    let open = authorize("payroll-web", BACK, &[]);
    let left = Browser::new(&app).enter(&open, "alice@acme.test").await;
    let tokens = app.redeem("payroll-web", BACK, &left.parameter("code")).await;

    let ours = app.key_pem();
    let unchanged = changed(&alice, ours, |_, _| {});
    let cut = &alice[..alice.len() - 6];
    let refused = [
        ("of another app", acme.token.clone().unwrap()),
        ("an ID token", tokens.text("id_token")),
        ("of another type", changed(&alice, ours, |header, _| header.typ = Some("JWT".into()))),
        ("without a type", changed(&alice, ours, |header, _| header.typ = None)),
        ("cut off", cut.to_owned()),
        ("no token", "nonsense".to_owned()),
        ("empty", String::new()),
        ("without a signature", unsigned(&alice, "none")),
        ("with another algorithm", unsigned(&alice, "HS256")),
        ("with the claims of another", {
            let (one, other): (Vec<&str>, Vec<&str>) = (alice.split('.').collect(), bob.split('.').collect());
            format!("{}.{}.{}", one[0], other[1], one[2])
        }),
        ("of another key", changed(&alice, OTHER_KEY, |_, _| {})),
        ("of an unknown key", changed(&alice, OTHER_KEY, |header, _| header.kid = Some("other".into()))),
        ("without the name of a key", changed(&alice, OTHER_KEY, |header, _| header.kid = None)),
        (
            "expired",
            changed(&alice, ours, |_, claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 60)),
        ),
        (
            "without an end",
            changed(&alice, ours, |_, claims| {
                claims.as_object_mut().unwrap().remove("exp");
            }),
        ),
        (
            "of another issuer",
            changed(&alice, ours, |_, claims| claims["iss"] = json!("http://id.evil.test")),
        ),
        (
            "for others, too, but not for this app",
            changed(&alice, ours, |_, claims| claims["aud"] = json!(["pos"])),
        ),
    ];
    for file in SAMPLES {
        let sample = Sample::start(file, &[&issuer]);
        let (status, body) = payslips(&sample, None).await;
        assert_eq!((status.as_u16(), &body["error"]), (401, &json!("token_missing")), "{file}");
        for token in [&alice, &unchanged, &tokens.text("access_token")] {
            let (status, body) = payslips(&sample, Some(&format!("Bearer {token}"))).await;
            assert_eq!(status, 200, "{file}: {body}");
            assert_eq!(
                (&body["person"], &body["business"]),
                (&claims_of(token)["sub"], &json!(acme.tenant.id)),
                "{file}"
            );
        }
        let (status, body) = payslips(&sample, Some(&format!("bearer {bob}"))).await;
        assert_eq!((status.as_u16(), &body["error"]), (403, &json!("insufficient_scope")), "{file}");
        for (which, token) in &refused {
            let (status, body) = payslips(&sample, Some(&format!("Bearer {token}"))).await;
            assert_eq!((status.as_u16(), &body["error"]), (401, &json!("invalid_token")), "{file}, {which}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_verify_the_tokens_of_the_next_key_and_of_programs() {
    let (app, issuer) = server("ES256").await;
    let (acme, staff) = (app.tenant("acme").await, app.staff("super_admin").await);
    register_payroll(&staff).await;
    app.member_of_app("alice@acme.test", "payroll", Some(&acme.tenant), &["Viewer"]).await;
    let client = json!({"id": "payroll-sync", "app": "payroll", "name": "Sync"});
    let secret = staff.post("/api/v1/platform/clients", &client).await.body["secret"].clone();
    let allowed = json!({"permissions": ["payslips.read"]});
    let account = acme.put("/api/v1/service-accounts/payroll-sync", &allowed).await;
    assert_eq!(account.status, 201, "{account:?}");
    let of_program =
        app.program_token("payroll-sync", secret.as_str().unwrap(), "http://acme.localhost").await;
    let program = Program::beside(&app).with("TENANTRY__IDENTITY__SIGNING_ALGORITHM", "ES256");
    assert_eq!(program.run(&["keys", "rotate"]).code, Some(0));
    let published =
        async || app.stranger("localhost").get("/.well-known/jwks.json").await.body["keys"].clone();
    while published().await.as_array().unwrap().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // They ask for the keys when they get the first token.
    let samples = SAMPLES.map(|file| Sample::start(file, &[&issuer]));
    let of_first_key = token_of(&app, "alice@acme.test", "payroll").await;
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let open = async |token: &str| {
        for sample in &samples {
            let (status, body) = payslips(sample, Some(&format!("Bearer {token}"))).await;
            assert_eq!(status, 200, "{body}");
        }
    };
    open(&of_first_key).await;
    open(&of_program).await;
    assert_eq!(program.run(&["keys", "rotate", "--now"]).code, Some(0));
    let mut of_next_key = token_of(&app, "alice@acme.test", "payroll").await;
    while kid(&of_next_key) == kid(&of_first_key) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        of_next_key = token_of(&app, "alice@acme.test", "payroll").await;
    }
    assert_eq!(jsonwebtoken::decode_header(&of_next_key).unwrap().alg, Algorithm::ES256);
    // They have its key already.
    for token in [&of_next_key, &of_first_key, &of_program] {
        open(token).await;
    }
}
