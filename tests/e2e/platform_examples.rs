//! The preparation of the examples of the platform's operations, before they are sent.

use harness::{Client, TestApp};
use serde_json::{Value, json};
use tenancy::jobs::{self, NewJob};

use crate::stage::Stage;

/// The custom domain that is removed. Another operation adds the host of the example.
const GIVEN_UP: &str = "old.acme.example";

pub async fn register(staff: &Client<'_>, id: &str) {
    let new = json!({"id": id, "app": "inventory", "name": "ERP"});
    assert_eq!(staff.post("/api/v1/platform/clients", &new).await.status, 201);
}

pub async fn queue(app: &TestApp, tenant_id: Option<tenancy::TenantId>) -> String {
    let new = NewJob {
        kind: "test",
        tenant_id,
        // Each job has its own parameters. A second request with the same parameters would get the first job.
        parameters: json!({"n": fastrand::u64(..)}),
        max_attempts: 1,
        requested_by: "test".into(),
    };
    let owner_database = app.onboarding().owner_database();
    let job = owner_database.write_shared(async |tx| jobs::insert(tx, &new).await).await.unwrap();
    job.id.to_string()
}

/// Prepares the business for the operation. Returns the path.
pub async fn prepare(
    app: &TestApp,
    staff: &Client<'_>,
    stage: &Stage<'_>,
    method: &str,
    path: &str,
    body: &mut Value,
) -> String {
    let tenant = &stage.business.tenant;
    let own = format!("/api/v1/platform/tenants/{}", tenant.id);
    let before: &[&str] = match path {
        "/api/v1/platform/tenants/{id}/resume" => &["suspend"],
        "/api/v1/platform/tenants/{id}/unarchive" | "/api/v1/platform/tenants/{id}/drop" => &["archive"],
        _ => &[],
    };
    for step in before {
        assert_eq!(staff.post(&format!("{own}/{step}"), &json!({})).await.status, 200);
    }
    match (method, path) {
        ("POST", "/api/v1/platform/tenants/{id}/drop") => {
            body["slug"] = json!(tenant.slug.as_str());
            body["withoutBackup"] = json!(true);
        }
        ("DELETE", "/api/v1/platform/tenants/{id}/domains/{host}") => {
            let host = json!({"host": GIVEN_UP});
            assert_eq!(staff.post(&format!("{own}/domains"), &host).await.status, 201);
        }
        // A user who becomes the owner of two businesses at the same time must retry, so the copy gets
        // another owner.
        ("POST", "/api/v1/platform/tenants/{id}/clone") => {
            body["slug"] = json!("acme-copy");
            body["owner"]["email"] = json!("ben@acme.example");
        }
        ("GET" | "DELETE", "/api/v1/platform/apps/{slug}") => {
            let definition = json!({"name": "Payroll"});
            let put = staff.put(&path.replace("{slug}", tenant.slug.as_str()), &definition).await;
            assert!(matches!(put.status, 200 | 201), "{put:?}");
        }
        ("PUT", "/api/v1/platform/tenants/{id}/licence") => {
            let basic = staff.put("/api/v1/platform/plans/basic", &json!({"name": "Basic"})).await;
            assert_eq!(basic.status, 200, "{basic:?}");
        }
        ("DELETE", "/api/v1/platform/plans/{key}") => {
            let plan = format!("/api/v1/platform/plans/{}", tenant.slug);
            assert_eq!(staff.put(&plan, &json!({"name": "Old"})).await.status, 200);
        }
        ("POST", "/api/v1/platform/invitations") => body["tenantId"] = json!(tenant.id),
        ("POST", "/api/v1/platform/users") => {
            body["tenantId"] = json!(tenant.id);
            body["app"] = json!("inventory");
        }
        ("POST", "/api/v1/platform/backups") => body["tenantId"] = json!(tenant.id),
        _ => {}
    }
    if path.contains("/jobs/{id}") {
        let job = queue(app, None).await;
        if path.ends_with("retry") {
            let cancelled = staff.post(&format!("/api/v1/platform/jobs/{job}/cancel"), &json!({})).await;
            assert_eq!(cancelled.status, 200, "{cancelled:?}");
        }
        return path.replace("{id}", &job);
    }
    if path.contains("/mails/{id}") {
        stage.invite().await;
        const STOP: &str = "UPDATE shared.mails SET state = 'dead' WHERE tenant_id = $1 RETURNING id";
        let mail =
            app.database.as_owner().await.query_one(STOP, &[&uuid::Uuid::from(tenant.id)]).await.unwrap();
        return path.replace("{id}", &mail.get::<_, uuid::Uuid>(0).to_string());
    }
    if path.contains("/clients/{slug}") {
        let id = format!("of-{}", tenant.slug.as_str());
        register(staff, &id).await;
        return path.replace("{slug}", &id);
    }
    if path.contains("/impersonations/{id}") {
        let started = staff.post(&format!("{own}/impersonations"), &json!({"reason": "A ticket"})).await;
        return path.replace("{id}", started.body["id"].as_str().unwrap());
    }
    if path.contains("/invitations/{id}") {
        return path.replace("{id}", &stage.invite().await);
    }
    if path.contains("/users/{id}") || path.contains("/memberships/{id}") {
        return stage.with_member(path).await;
    }
    path.replace("{id}", &tenant.id.to_string())
        .replace("{host}", GIVEN_UP)
        .replace("{key}", tenant.slug.as_str())
        .replace("{slug}", tenant.slug.as_str())
}
