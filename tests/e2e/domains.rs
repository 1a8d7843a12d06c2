//! Custom domains.

use harness::{Program, TestApp, TestDns, a_product};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_domain_is_served_after_dns_proves_its_owner() {
    let dns = TestDns::start().await;
    let app = TestApp::start_with(&format!("[domains]\nname_server = \"{}\"", dns.address)).await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    acme.create_product(&a_product("BOLT")).await;
    let staff = app.staff("super_admin").await;
    let of = |tenant: &tenancy::Tenant| format!("/api/v1/platform/tenants/{}/domains", tenant.id);
    let own = acme.on("shop.acme.test");
    assert_eq!(own.get("/api/v1/products").await.code(), "unknown_host");

    let added = staff.post(&of(&acme.tenant), &json!({"host": "Shop.Acme.test"})).await;
    assert_eq!((added.status, &added.body["host"]), (201, &json!("shop.acme.test")), "{added:?}");
    assert_eq!(own.get("/api/v1/products").await.code(), "unknown_host", "an unverified host is not served");
    let verify = format!("{}/shop.acme.test/verify", of(&acme.tenant));
    let refused = staff.post(&verify, &json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "domain_not_verified"));
    assert!(refused.body["detail"].as_str().unwrap().contains("_tenantry-challenge.shop.acme.test"));
    let name = added.body["record"]["name"].as_str().unwrap();
    dns.publish(name, "something else");
    assert_eq!(staff.post(&verify, &json!({})).await.status, 409);
    dns.publish(name, added.body["record"]["value"].as_str().unwrap());
    assert_eq!(staff.post(&verify, &json!({})).await.status, 200);
    assert_eq!(own.until(200).await.body["data"][0]["name"], "Product BOLT");
    // The token of one business is refused at the domain of another business.
    assert_eq!(zenith.on("shop.acme.test").get("/api/v1/products").await.code(), "token_wrong_business");

    let taken = staff.post(&of(&zenith.tenant), &json!({"host": "shop.acme.test"})).await;
    assert_eq!((taken.status, taken.code()), (409, "domain_taken"));
    let again = staff.post(&of(&acme.tenant), &json!({"host": "shop.acme.test"})).await;
    assert_eq!((again.status, again.code()), (409, "domain_taken"));
    for (host, code) in [
        ("zenith.localhost", "domain_of_the_platform"),
        ("localhost", "domain_of_the_platform"),
        ("192.0.2.1", "not_a_name"),
        ("127.1", "not_a_name"),
        ("2130706433", "not_a_name"),
        ("shop.0x7f", "not_a_name"),
        ("com", "not_a_name"),
        ("co.uk", "not_a_name"),
        ("github.io", "not_a_name"),
        ("a b", ""),
    ] {
        let refused = staff.post(&of(&acme.tenant), &json!({"host": host})).await;
        assert_eq!(refused.status, 422, "{host}: {refused:?}");
        assert!(code.is_empty() || refused.code() == code, "{host}: {refused:?}");
    }

    // A name in another script and its punycode form are the same host.
    let idn = staff.post(&of(&acme.tenant), &json!({"host": "bücher.acme.test"})).await;
    assert_eq!(idn.body["host"], "xn--bcher-kva.acme.test", "{idn:?}");
    dns.publish(idn.body["record"]["name"].as_str().unwrap(), idn.body["record"]["value"].as_str().unwrap());
    let path = format!("{}/xn--bcher-kva.acme.test", of(&acme.tenant));
    assert_eq!(staff.post(&format!("{path}/verify"), &json!({})).await.status, 200);
    acme.on("xn--bcher-kva.acme.test").until(200).await;
    assert_eq!(staff.delete(&path).await.status, 204);
    assert_eq!(staff.delete(&path).await.status, 404);
    acme.on("xn--bcher-kva.acme.test").until(404).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_keeps_nobody_from_the_domain() {
    let dns = TestDns::start().await;
    let app = TestApp::start_with(&format!("[domains]\nname_server = \"{}\"", dns.address)).await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    let program = Program::beside(&app).with("TENANTRY__DOMAINS__NAME_SERVER", &dns.address.to_string());
    let add = |slug: &str| -> Value {
        let ran = program.run(&["domain", "add", slug, "shop.test", "-o", "json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str(&ran.out).unwrap()
    };
    let verify = |slug: &str| program.run(&["domain", "verify", slug, "shop.test"]);
    let record = "_tenantry-challenge.shop.test";
    let squatted = add("acme");
    let claimed = add("zenith");
    assert_ne!(squatted["challenge"], claimed["challenge"]);
    assert_eq!(add("zenith")["challenge"], claimed["challenge"], "a second claim keeps the record");
    dns.publish(record, claimed["challenge"].as_str().unwrap());
    assert_eq!(verify("acme").code, Some(4), "the record is another one");
    assert_eq!(verify("zenith").code, Some(0));
    zenith.on("shop.test").until(200).await;

    // The owner of the zone moves the domain to another of their businesses.
    assert_eq!(
        program.run(&["domain", "add", "acme", "shop.test"]).code,
        Some(4),
        "zenith's record is found"
    );
    dns.publish(record, squatted["challenge"].as_str().unwrap());
    assert_eq!(add("acme")["challenge"], squatted["challenge"]);
    assert_eq!(verify("acme").code, Some(0));
    acme.on("shop.test").until(200).await;
    assert!(!program.run(&["domain", "list", "zenith"]).out.contains("shop.test"));
    let audit = app.staff("super_admin").await.get("/api/v1/platform/audit").await;
    assert!(audit.body.to_string().contains("domain.lost"), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_expire_and_verified_domains_are_verified_again() {
    let dns = TestDns::start().await;
    let app = TestApp::start_with(&format!("[domains]\nname_server = \"{}\"", dns.address)).await;
    let acme = app.tenant("acme").await;
    let program = Program::beside(&app).with("TENANTRY__DOMAINS__NAME_SERVER", &dns.address.to_string());
    for host in ["kept.test", "lost.test", "claimed.test"] {
        let added = program.run(&["domain", "add", "acme", host, "-o", "json"]);
        let added: Value = serde_json::from_str(&added.out).unwrap();
        dns.publish(&format!("_tenantry-challenge.{host}"), added["challenge"].as_str().unwrap());
    }
    for host in ["kept.test", "lost.test"] {
        assert_eq!(program.run(&["domain", "verify", "acme", host]).code, Some(0));
    }
    assert_eq!(program.run(&["domain", "primary", "acme", "lost.test", "--redirect"]).code, Some(0));
    acme.literally().until(308).await;

    let operator = platform::Operator {
        owner_database: app.database.owner_database(),
        actor: platform::Actor::named("test"),
    };
    let resolver = platform::dns::Dns::new(Some(dns.address));
    let tend = async || {
        let terms = platform::DomainTerms { claim_days: 14, missing_days: 7 };
        json!(platform::domain_upkeep::tend(&operator, &resolver, terms).await.unwrap())
    };
    let admin = app.database.as_admin().await;
    let days_pass = async |days: i32| {
        let sql = "UPDATE shared.domains
                      SET checked_at = checked_at - make_interval(days => $1),
                          missing_since = missing_since - make_interval(days => $1),
                          expires_at = expires_at - make_interval(days => $1)";
        admin.execute(sql, &[&days]).await.unwrap();
    };
    assert_eq!(tend().await, json!({"found": 0, "missing": 0, "withdrawn": 0, "expired": 0}));
    dns.publish("_tenantry-challenge.lost.test", "nothing of the kind");
    days_pass(2).await;
    assert_eq!(tend().await, json!({"found": 1, "missing": 1, "withdrawn": 0, "expired": 0}));
    let doctor = program.run(&["doctor", "--skip-drift"]);
    assert!(
        doctor.out.contains("TXT records of these custom domains are missing: lost.test of acme"),
        "{doctor:?}"
    );
    let listed = program.run(&["domain", "list", "acme"]).out;
    assert!(listed.contains("verified; record missing since"), "{listed}");
    acme.on("lost.test").until(200).await;

    days_pass(6).await;
    assert_eq!(tend().await, json!({"found": 1, "missing": 1, "withdrawn": 0, "expired": 0}));
    days_pass(7).await;
    assert_eq!(tend().await, json!({"found": 1, "missing": 0, "withdrawn": 1, "expired": 1}));
    acme.on("lost.test").until(404).await;
    acme.on("kept.test").until(200).await;
    acme.literally().until(200).await;
    let listed = program.run(&["domain", "list", "acme"]).out;
    assert!(listed.contains("not verified; removed after") && !listed.contains("claimed.test"), "{listed}");
    days_pass(15).await;
    assert_eq!(tend().await["expired"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_hosts_serve_or_redirect_to_the_primary_domain() {
    let dns = TestDns::start().await;
    let app = TestApp::start_with(&format!("[domains]\nname_server = \"{}\"", dns.address)).await;
    let acme = app.tenant("acme").await.literally();
    let program = Program::beside(&app).with("TENANTRY__DOMAINS__NAME_SERVER", &dns.address.to_string());
    for host in ["shop.acme.test", "www.acme.test"] {
        let added = program.run(&["domain", "add", "acme", host, "-o", "json"]);
        let added: Value = serde_json::from_str(&added.out).unwrap();
        dns.publish(&format!("_tenantry-challenge.{host}"), added["challenge"].as_str().unwrap());
    }
    let early = program.run(&["domain", "primary", "acme", "shop.acme.test"]);
    assert!(early.err.contains("must be verified"), "{early:?}");
    for host in ["shop.acme.test", "www.acme.test"] {
        assert_eq!(program.run(&["domain", "verify", "acme", host]).code, Some(0));
    }
    assert_eq!(program.run(&["domain", "verify", "acme", "nobody.test"]).code, Some(3));
    assert_eq!(program.run(&["domain", "primary", "acme", "shop.acme.test"]).code, Some(0));
    acme.until(200).await;
    acme.on("www.acme.test").until(200).await;

    assert_eq!(program.run(&["domain", "primary", "acme", "shop.acme.test", "--redirect"]).code, Some(0));
    let moved = acme.until(308).await;
    assert_eq!(moved.header("location"), "http://shop.acme.test:443/api/v1/products");
    acme.on("www.acme.test").until(308).await;
    acme.on("shop.acme.test").until(200).await;
    // A request that names the business in the path is not redirected.
    let by_path = acme.on("app.localhost").get("/acme/api/v1/products").await;
    assert_eq!(by_path.status, 200, "{by_path:?}");
    assert!(program.run(&["domain", "list", "acme"]).out.contains("shop.acme.test  yes"));
    assert_eq!(program.run(&["domain", "primary", "acme"]).code, Some(0));
    acme.until(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_allowed_only_for_served_hosts() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = app.database.as_admin().await;
    let insert =
        "INSERT INTO shared.domains (host, tenant_id, verified_at, created_at) VALUES ($1, $2, $3, now())";
    let now = std::time::SystemTime::now();
    admin.execute(insert, &[&"shop.acme.test", &acme.tenant.id, &Some(now)]).await.unwrap();
    let never: Option<std::time::SystemTime> = None;
    admin.execute(insert, &[&"waits.acme.test", &acme.tenant.id, &never]).await.unwrap();
    let ask = async |domain: &str| {
        let url = format!("http://{}/tls-ask?domain={domain}", app.running().metrics_address.unwrap());
        reqwest::get(url).await.unwrap().status().as_u16()
    };
    for (domain, status) in [
        ("acme.localhost", 200),
        ("shop.acme.test", 200),
        ("admin.localhost", 200),
        ("app.localhost", 200),
        ("localhost", 200),
        ("waits.acme.test", 404),
        ("nobody.localhost", 404),
        ("evil.test", 404),
        ("192.0.2.1", 404),
        ("a%20b", 400),
    ] {
        assert_eq!(ask(domain).await, status, "{domain}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x_forwarded_host_is_accepted_only_from_a_trusted_proxy() {
    let believing = TestApp::start_with("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]").await;
    let acme = believing.tenant("acme").await.literally();
    believing.tenant("zenith").await;
    let forwarded = acme.on("inside.proxy.test").with("x-forwarded-host", "acme.localhost");
    assert_eq!(forwarded.get("/api/v1/products").await.status, 200);
    let other = acme.with("x-forwarded-host", "zenith.localhost");
    assert_eq!(other.get("/api/v1/products").await.code(), "token_wrong_business");

    let wary = TestApp::start().await;
    let acme = wary.tenant("acme").await.literally();
    wary.tenant("zenith").await;
    let lied = acme.with("x-forwarded-host", "zenith.localhost");
    assert_eq!(lied.get("/api/v1/products").await.status, 200, "the Host header must count");
}
