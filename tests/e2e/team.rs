//! The team of a business: who its members are, what they may do, and how they come and go.

use harness::{Business, Client, PASSWORD, Program, SecondServer, TestApp, join_all};
use serde_json::{Value, json};

async fn sign_in(client: &Client<'_>, login: Value) -> harness::Reply {
    client.post("/api/v1/auth/login", &login).await
}

fn path(membership: &Value) -> String {
    format!("/api/v1/memberships/{}", membership["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_business_lists_its_own_members() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    for (email, tenant, role) in [
        ("ann@acme.test", &acme.tenant, "STAFF"),
        ("bo@acme.test", &acme.tenant, "MANAGER"),
        ("cy@zenith.test", &zenith.tenant, "STAFF"),
        // A member of both.
        ("ann@acme.test", &zenith.tenant, "MANAGER"),
    ] {
        app.member_with(email, tenant, &[role]).await;
    }
    app.member_of_app("ann@acme.test", "pos", Some(&acme.tenant), &["cashier"]).await;
    const NAME: &str = "
        UPDATE shared.users u SET full_name = $2 FROM shared.user_logins l
         WHERE l.user_id = u.id AND l.value = $1";
    let owner = app.database.as_owner().await;
    owner.execute(NAME, &[&"bo@acme.test", &"Bjørn Ægir Šimůnek"]).await.unwrap();

    let emails = async |query: &str| -> Vec<String> {
        let reply = acme.get(&format!("/api/v1/users{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        let data = reply.body["data"].as_array().unwrap();
        data.iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["owner@acme.test", "ann@acme.test", "bo@acme.test"];
    assert_eq!(emails("").await, all);
    assert_eq!(emails("?app=pos").await, ["ann@acme.test"]);
    assert_eq!(emails("?role=MANAGER").await, ["bo@acme.test"]);
    assert_eq!(emails("?app=inventory&role=OWNER&status=active").await, ["owner@acme.test"]);
    assert_eq!(emails("?status=suspended").await, [""; 0]);
    for q in ["bo@acme", "BJORN", "aegir", "simunek%20bj", "%C5%A1im%C5%AFnek"] {
        assert_eq!(emails(&format!("?q={q}")).await, ["bo@acme.test"], "{q}");
    }
    for q in ["cy@zenith", "%25", "zenith"] {
        assert_eq!(emails(&format!("?q={q}")).await, [""; 0], "{q}");
    }
    let first = acme.get("/api/v1/users?limit=2").await.body;
    let rest = emails(&format!("?limit=2&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!((first["data"].as_array().unwrap().len(), rest), (2, vec!["bo@acme.test".to_owned()]));

    // A business sees nothing of what its members are elsewhere.
    let ann = acme.get("/api/v1/users?q=ann").await.body["data"][0].clone();
    let apps: Vec<&str> =
        ann["memberships"].as_array().unwrap().iter().map(|each| each["app"].as_str().unwrap()).collect();
    assert_eq!(apps, ["inventory", "pos"]);
    assert!(!ann.to_string().contains("zenith") && !ann.to_string().contains("MANAGER"), "{ann}");
    let cy = zenith.get("/api/v1/users?q=cy").await.body["data"][0].clone();
    let id = cy["id"].as_str().unwrap();
    assert_eq!(acme.get(&format!("/api/v1/users/{id}")).await.status, 404);
    assert_eq!(acme.delete(&format!("/api/v1/users/{id}/sessions")).await.status, 404);
    let theirs = path(&cy["memberships"][0]);
    for (method, path) in [
        ("GET", theirs.clone()),
        ("DELETE", theirs.clone()),
        ("POST", format!("{theirs}/suspend")),
        ("POST", format!("{theirs}/resume")),
    ] {
        assert_eq!(acme.send(method, &path, None).await.status, 404, "{method}");
    }
    assert_eq!(acme.put(&theirs, &json!({"roles": ["OWNER"]})).await.status, 404);
    for query in ["?status=gone", "?role=a%20b", "?tenantId=x", "?limit=101"] {
        assert_eq!(acme.get(&format!("/api/v1/users{query}")).await.code(), "invalid_query", "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_members_bite_within_a_second_in_every_server() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let second = SecondServer::start(&app);
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let token = ann.token.clone().unwrap();
    let is_refused = async || {
        harness::until("the second server refuses", async || {
            second.status("acme.localhost", &token).await == 401
        })
        .await;
        ann.until(401).await;
    };
    assert_eq!(second.status("acme.localhost", &token).await, 200);
    let member = acme.membership("ann", "inventory").await;
    let read = acme.get(&path(&member)).await;
    let tag = read.header("etag").to_owned();
    assert_eq!((read.status, &read.body), (200, &member));
    assert_eq!(acme.with("if-none-match", &tag).get(&path(&member)).await.status, 304);

    // Other roles.
    let roles = json!({"roles": ["MANAGER", "STAFF"]});
    let stale = acme.with("if-match", "\"77\"").put(&path(&member), &roles).await;
    assert_eq!((stale.status, stale.code()), (412, "stale"));
    let changed = acme.with("if-match", &tag).put(&path(&member), &roles).await;
    assert_eq!((changed.status, &changed.body["roles"]), (200, &json!(["MANAGER", "STAFF"])));
    is_refused().await;
    assert_eq!(ann.get("/api/v1/products").await.code(), "roles_changed");
    let again = acme.put(&path(&member), &json!({"roles": ["STAFF", "MANAGER"]})).await;
    assert_eq!(again.header("etag"), changed.header("etag"), "the same roles again change nothing");
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    assert_eq!(ann.get("/api/v1/reports/stock").await.status, 200);

    // Suspension, and back.
    let suspended = acme.post(&format!("{}/suspend", path(&member)), &json!({})).await;
    assert_eq!((suspended.status, &suspended.body["status"]), (200, &json!("suspended")));
    let token = ann.token.clone().unwrap();
    harness::until("the second server refuses", async || {
        second.status("acme.localhost", &token).await == 401
    })
    .await;
    assert_eq!(ann.until(401).await.code(), "session_ended");
    let login = json!({"email": "ann@acme.test", "password": PASSWORD});
    assert_eq!(sign_in(&acme, login.clone()).await.code(), "no_membership");
    let again = acme.post(&format!("{}/suspend", path(&member)), &json!({})).await;
    assert_eq!(again.header("etag"), suspended.header("etag"));
    assert_eq!(acme.post(&format!("{}/resume", path(&member)), &json!({})).await.status, 200);
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    assert_eq!(ann.get("/api/v1/products").await.status, 200);

    // Sessions alone.
    let id = member["userId"].as_str().unwrap();
    assert_eq!(acme.delete(&format!("/api/v1/users/{id}/sessions")).await.status, 204);
    harness::until("session_ended", async || ann.get("/api/v1/products").await.code() == "session_ended")
        .await;
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;

    // The end.
    assert_eq!(acme.delete(&path(&member)).await.status, 204);
    harness::until("session_ended", async || ann.get("/api/v1/products").await.code() == "session_ended")
        .await;
    assert_eq!(sign_in(&acme, login).await.code(), "no_membership");
    assert_eq!(acme.get(&format!("/api/v1/users/{id}")).await.status, 404);
    assert_eq!(acme.delete(&path(&member)).await.status, 404);

    // The log says who did it, and from where.
    for action in ["member.roles_changed", "member.suspended", "member.resumed", "member.removed"] {
        let event = acme.get(&format!("/api/v1/auth-events?action={action}")).await.body["data"][0].clone();
        assert_eq!((&event["address"], &event["userId"]), (&json!("127.0.0.1"), &json!(id)), "{event}");
        assert_eq!(event["actorName"], "owner@acme.test");
    }
}

#[tokio::test]
async fn nobody_gives_or_takes_what_they_do_not_have() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let permissions: Vec<String> = acme.get("/api/v1/roles/inventory/OWNER").await.body["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    let lead = json!({"name": "Lead", "permissions": ["team.manage", "catalogue.read"]});
    let deputy = json!({"name": "Deputy", "permissions": permissions});
    for (key, role) in [("lead", &lead), ("deputy", &deputy)] {
        assert_eq!(acme.put(&format!("/api/v1/roles/inventory/{key}"), role).await.status, 201);
    }
    let watcher = json!({"name": "Watcher", "permissions": ["catalogue.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/watcher", &watcher).await.status, 201);
    for (email, role) in [
        ("lea@acme.test", "lead"),
        ("dee@acme.test", "deputy"),
        ("max@acme.test", "MANAGER"),
        ("wim@acme.test", "watcher"),
    ] {
        app.member_with(email, &acme.tenant, &[role]).await;
    }
    let lea = app.signed_in(acme.tenant.clone(), "lea@acme.test").await;
    let dee = app.signed_in(acme.tenant.clone(), "dee@acme.test").await;
    let (owner, manager, watcher, leader) = (
        acme.membership("owner", "inventory").await,
        acme.membership("max", "inventory").await,
        acme.membership("wim", "inventory").await,
        acme.membership("lea", "inventory").await,
    );
    // Somebody with few permissions manages those who have no more.
    assert_eq!(lea.put(&path(&watcher), &json!({"roles": ["lead"]})).await.status, 200);
    assert_eq!(lea.put(&path(&watcher), &json!({"roles": ["watcher"]})).await.status, 200);
    for (roles, of) in [
        (json!(["watcher", "STAFF"]), &watcher),
        (json!(["watcher"]), &manager),
        (json!(["MANAGER", "watcher"]), &leader),
        (json!(["OWNER"]), &leader),
    ] {
        let refused = lea.put(&path(of), &json!({"roles": roles})).await;
        assert_eq!((refused.status, refused.code()), (403, "above_own_permissions"), "{roles}: {refused:?}");
    }
    for of in [&manager, &owner] {
        assert_eq!(lea.delete(&path(of)).await.code(), "above_own_permissions");
        let suspended = lea.post(&format!("{}/suspend", path(of)), &json!({})).await;
        assert_eq!(suspended.code(), "above_own_permissions");
    }
    // All permissions of the app are not ownership.
    assert_eq!(dee.put(&path(&manager), &json!({"roles": ["STAFF"]})).await.status, 200);
    for of in [&manager, &owner] {
        let refused = dee.put(&path(of), &json!({"roles": ["OWNER", "STAFF"]})).await;
        assert_eq!(refused.code(), "above_own_permissions", "{refused:?}");
    }
    // Only owners manage an owner's other apps and sessions.
    let of_owner = format!("/api/v1/users/{}", owner["userId"].as_str().unwrap());
    for client in [&lea, &dee] {
        let till = json!({"app": "pos", "roles": ["cashier"]});
        let refused = client.post(&format!("{of_owner}/memberships"), &till).await;
        assert_eq!(refused.code(), "above_own_permissions");
        assert_eq!(client.delete(&format!("{of_owner}/sessions")).await.code(), "above_own_permissions");
    }
    app.member_of_app("owner@acme.test", "pos", Some(&acme.tenant), &["cashier"]).await;
    let till = acme.membership("owner", "pos").await;
    assert_eq!(dee.delete(&path(&till)).await.code(), "above_own_permissions");
    assert_eq!(
        dee.put(&path(&till), &json!({"roles": ["supervisor"]})).await.code(),
        "above_own_permissions"
    );
    assert_eq!(
        lea.delete(&format!("/api/v1/users/{}/sessions", leader["userId"].as_str().unwrap())).await.status,
        204
    );
    let lea = app.signed_in(acme.tenant.clone(), "lea@acme.test").await;
    assert_eq!(dee.put(&path(&owner), &json!({"roles": ["STAFF"]})).await.code(), "above_own_permissions");
    assert_eq!(dee.delete(&path(&owner)).await.code(), "above_own_permissions");
    let staff = json!({"username": "zed", "roles": ["OWNER"]});
    assert_eq!(dee.post("/api/v1/users", &staff).await.code(), "above_own_permissions");
    let id = leader["userId"].as_str().unwrap();
    let till = json!({"app": "pos", "roles": ["cashier"]});
    let refused = lea.post(&format!("/api/v1/users/{id}/memberships"), &till).await;
    assert_eq!(refused.code(), "above_own_permissions");
    assert_eq!(dee.post(&format!("/api/v1/users/{id}/memberships"), &till).await.status, 201);

    for (body, code) in [
        (json!({"roles": []}), "missing_field"),
        (json!({"roles": ["CHIEF"]}), "unknown_role"),
        (json!({"roles": ["cashier"]}), "unknown_role"),
        (json!({"roles": ["super_admin"]}), "unknown_role"),
        (json!({"roles": "OWNER"}), "invalid_type"),
        (json!({"roles": ["STAFF"], "status": "active"}), "unknown_field"),
    ] {
        assert_eq!(acme.put(&path(&watcher), &body).await.code(), code, "{body}");
    }
    for (body, code) in [
        (json!({"app": "inventory", "roles": ["STAFF"]}), "already_member"),
        (json!({"app": "platform", "roles": ["super_admin"]}), "unknown_app"),
        (json!({"app": "nothing", "roles": ["STAFF"]}), "unknown_app"),
    ] {
        assert_eq!(acme.post(&format!("/api/v1/users/{id}/memberships"), &body).await.code(), code, "{body}");
    }
    let stranger = json!({"app": "pos", "roles": ["cashier"]});
    let unknown = format!("/api/v1/users/{}/memberships", uuid::Uuid::now_v7());
    assert_eq!(acme.post(&unknown, &stranger).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_who_remove_each_other_at_once_leave_one() {
    let app = TestApp::start().await;
    for round in 0..6 {
        let acme = app.tenant(&format!("acme-{round}")).await;
        let email = format!("other-{round}@acme.test");
        app.member_with(&email, &acme.tenant, &["OWNER"]).await;
        let other = app.signed_in(acme.tenant.clone(), &email).await;
        let mine = acme.membership(&format!("owner@acme-{round}"), "inventory").await;
        let theirs = acme.membership("other-", "inventory").await;
        let act = async |actor: &Business<'_>, on: &Value| match round % 3 {
            0 => actor.put(&path(on), &json!({"roles": ["STAFF"]})).await,
            1 => actor.post(&format!("{}/suspend", path(on)), &json!({})).await,
            _ => actor.delete(&path(on)).await,
        };
        let replies = join_all(vec![act(&acme, &theirs), act(&other, &mine)]).await;
        let done = replies.iter().filter(|reply| matches!(reply.status, 200 | 204)).count();
        assert_eq!(done, 1, "{replies:?}");
        let refused = replies.iter().find(|reply| reply.status >= 400).unwrap();
        // The second is too late, or is no owner any more.
        assert!(
            matches!(
                refused.code(),
                "last_owner" | "above_own_permissions" | "session_ended" | "roles_changed"
            ),
            "{refused:?}"
        );
        // The last owner cannot leave.
        let (left, own) = if replies[0].status < 300 { (&acme, &mine) } else { (&other, &theirs) };
        assert_eq!(left.put(&path(own), &json!({"roles": ["STAFF"]})).await.code(), "last_owner");
        assert_eq!(left.delete(&path(own)).await.code(), "last_owner");
        assert_eq!(left.post(&format!("{}/suspend", path(own)), &json!({})).await.code(), "last_owner");
        assert_eq!(left.get("/api/v1/products").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_manages_members_by_commands() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    let ann = app.signed_in(acme.tenant.clone(), "ann@acme.test").await;
    let program = Program::beside(&app);
    let run = |words: &str| program.run(&words.split(' ').collect::<Vec<_>>());
    let listed = run("member list --tenant acme -o csv");
    assert!(listed.out.contains("ann@acme.test") && listed.out.contains("STAFF"), "{listed:?}");
    let set = run("member set-roles ann@acme.test --tenant acme --role MANAGER");
    assert_eq!(set.code, Some(0), "{set:?}");
    harness::until("roles_changed", async || ann.get("/api/v1/products").await.code() == "roles_changed")
        .await;
    assert_eq!(run("member suspend ann@acme.test --tenant acme").code, Some(0));
    harness::until("session_ended", async || ann.get("/api/v1/products").await.code() == "session_ended")
        .await;
    assert!(run("member list --tenant acme --status suspended -o name").out.contains("ann@acme.test"));
    assert_eq!(run("member resume ann@acme.test --tenant acme").code, Some(0));
    for (words, code, text) in [
        ("member suspend owner@acme.test --tenant acme", 4, "no active owner"),
        ("member set-roles owner@acme.test --tenant acme --role STAFF", 4, "no active owner"),
        ("member remove owner@acme.test --tenant acme --yes", 4, "no active owner"),
        // A dry run says what the command would say.
        ("member remove owner@acme.test --tenant acme --dry-run", 4, "no active owner"),
        ("user delete owner@acme.test --dry-run", 4, "only active owner of acme"),
        ("role remove MANAGER --tenant acme --dry-run", 4, "role of the app"),
        ("user create --username x1 --platform --role support", 2, "cannot be used with"),
        ("member set-roles ann@acme.test --tenant acme --role CHIEF", 1, "there is no role"),
        ("member suspend ann@acme.test --tenant acme --app pos", 3, "not a member"),
        ("member suspend nobody@acme.test --tenant acme", 3, "there is no user"),
        ("member suspend nobody --platform", 1, "neither an email nor an id"),
        ("role remove buyer --tenant acme --yes", 3, "has no role buyer"),
        ("role set MANAGER --tenant acme --name M --permission stock.read", 4, "role of the app"),
        ("role set buyer --tenant acme --name Buyer --permission stock.fly", 1, "no permission stock.fly"),
    ] {
        let ran = run(words);
        assert!(ran.code == Some(code) && ran.err.contains(text), "{words}: {ran:?}");
    }
    assert_eq!(run("role set buyer --tenant acme --name Buyer --permission purchasing.write").code, Some(0));
    assert_eq!(run("member set-roles ann@acme.test --tenant acme --role buyer").code, Some(0));
    assert_eq!(run("role remove buyer --tenant acme --yes").code, Some(4));
    let plan = run("member remove ann@acme.test --tenant acme --dry-run");
    assert!(plan.err.contains("nothing was changed"), "{plan:?}");
    assert_eq!(run("member remove ann@acme.test --tenant acme --yes").code, Some(0));
    assert_eq!(run("role remove buyer --tenant acme --yes").code, Some(0));
    assert!(run("role list --tenant acme -o name").out.contains("cashier"));
    assert!(run("permission list -o csv").out.contains("stock.adjust"));
    // The owner reads what the operator did, but not who it was.
    let events = acme.get("/api/v1/auth-events?action=member.removed").await.body["data"][0].clone();
    assert_eq!((&events["operator"], &events["actorId"]), (&json!("operator"), &Value::Null), "{events}");
    let seen = run("auth-event list --tenant acme --action member.removed -o json");
    assert!(seen.out.contains("command line"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_disappears_while_it_is_given_is_not_given() {
    let app = TestApp::start().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    app.member_with("ann@acme.test", &acme.tenant, &["STAFF"]).await;
    app.member_with("bo@acme.test", &acme.tenant, &["STAFF"]).await;
    let ann = acme.membership("ann", "inventory").await;
    let id = harness::uuid(&ann["userId"]);
    let mut owner = app.database.as_owner().await;
    // A role is removed while a member gets it.
    let role = json!({"name": "Watcher", "permissions": ["catalogue.read"]});
    assert_eq!(acme.put("/api/v1/roles/inventory/watcher", &role).await.status, 201);
    let of_bo = path(&acme.membership("bo", "inventory").await);
    let removal = owner.transaction().await.unwrap();
    removal.execute("DELETE FROM shared.roles WHERE key = 'watcher'", &[]).await.unwrap();
    let roles = json!({"roles": ["watcher"]});
    let (reply, ()) = tokio::join!(acme.put(&of_bo, &roles), async {
        app.database.until_a_lock_is_awaited().await;
        removal.commit().await.unwrap();
    });
    assert_eq!(reply.code(), "unknown_role", "{reply:?}");
    assert_eq!(acme.membership("bo", "inventory").await["roles"], json!(["STAFF"]));
    // An account is deleted while it gets a membership.
    let deletion = owner.transaction().await.unwrap();
    deletion.execute("SELECT shared.erase_user($1, now())", &[&id]).await.unwrap();
    let till = json!({"app": "pos", "roles": ["cashier"]});
    let to_ann = format!("/api/v1/users/{id}/memberships");
    let (reply, ()) = tokio::join!(acme.post(&to_ann, &till), async {
        app.database.until_a_lock_is_awaited().await;
        deletion.commit().await.unwrap();
    });
    assert_eq!(reply.status, 404, "{reply:?}");
    const LEFT: &str = "SELECT count(*) FROM shared.memberships WHERE user_id = $1";
    assert_eq!(owner.query_one(LEFT, &[&id]).await.unwrap().get::<_, i64>(0), 0);
    // The same role, made eight times at once, is made once, and the others change nothing.
    let made = join_all((0..8).map(|_| acme.put("/api/v1/roles/inventory/same", &role)).collect()).await;
    let mut statuses: Vec<u16> = made.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    // A query that forgets its business makes no account, sets no password and adds no stranger.
    let server = app.database.as_server().await;
    let as_shared = "SET ROLE tenantry_shared; ";
    let stranger = harness::uuid(&zenith.membership("owner", "inventory").await["userId"]);
    let staff = harness::uuid(&app.staff("support").await.get("/api/v1/auth/me").await.body["user"]["id"]);
    for sql in [
        format!("SELECT shared.create_staff_account('{id}', '{id}', 'x1', NULL, 'x', NULL, true, now())"),
        format!(
            "SET tenantry.tenant = '{}'; INSERT INTO shared.memberships
                 (id, user_id, app, tenant_id, status, created_at, updated_at)
             VALUES ('{}', '{stranger}', 'inventory', '{}', 'active', now(), now())",
            acme.tenant.id,
            uuid::Uuid::now_v7(),
            acme.tenant.id
        ),
    ] {
        assert!(server.batch_execute(&format!("{as_shared}{sql}")).await.is_err(), "{sql}");
        server.batch_execute("RESET ROLE; RESET tenantry.tenant").await.unwrap();
    }
    server.batch_execute(as_shared).await.unwrap();
    let is_set =
        server.query_one("SELECT shared.set_staff_password($1, 'x', NULL, false, now())", &[&staff]).await;
    assert!(!is_set.unwrap().get::<_, bool>(0));
}
