//! Figures of the tills: each report agrees with the documents, in every grouping and format, and leads to
//! them.

use harness::till::{Cashier, open_shift, refund, register, sell};
use harness::{Business, Client, Mailbox, TestApp, a_product};
use platform::report_mails;
use serde_json::{Value, json};

use crate::orders::made;
use crate::shifts::{refused, refused_at};

async fn read(client: &Client<'_>, path: &str) -> Value {
    let reply = client.get(&format!("/api/v1/{path}")).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.body
}

/// Some members of a row, as text.
fn told(row: &Value, members: &[&str]) -> String {
    let text =
        |member: &&str| row[*member].as_str().map_or_else(|| row[*member].to_string(), ToOwned::to_owned);
    members.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn rows(report: &Value, members: &[&str]) -> Vec<String> {
    report["data"].as_array().unwrap().iter().map(|row| told(row, members)).collect()
}

/// A day of trade: two registers and an order. Lamps (11.60 with 16 % VAT, cost 4), bread (5.50 with 10 %
/// and a levy of 2 %), and a voucher, which is not sold goods. A sale is voided, and a lamp comes back.
struct Day {
    tills: [Value; 2],
    seller: Value,
    refunded: Value,
}

async fn trade(app: &TestApp, acme: &Business<'_>) -> Day {
    let class = async |name: &str, inclusive: bool, rates: Value| {
        let class = json!({"name": name, "inclusive": inclusive, "rates": rates});
        made(acme.post("/api/v1/tax-classes", &class).await)["id"].clone()
    };
    let vat = class("Standard", true, json!([{"name": "VAT", "percent": "16"}])).await;
    let two = json!([{"name": "VAT", "percent": "10"}, {"name": "Levy", "percent": "2"}]);
    let food = class("Food", false, two).await;
    let mut variants = Vec::new();
    for (sku, class, price, cost) in [("LAMP", vat, "11.60", "4"), ("BREAD", food, "5.00", "1")] {
        let mut product = a_product(sku);
        product["taxClassId"] = class;
        (product["variants"][0]["price"], product["variants"][0]["cost"]) = (json!(price), json!(cost));
        let variant = acme.create_product(&product).await["variants"][0]["id"].clone();
        assert_eq!(acme.adjust(&variant, "100").await.status, 201);
        variants.push(variant);
    }
    let tills = [register(acme, "R1").await, register(acme, "R2").await];
    let ann = Cashier::sign_in(app, acme, "shop_admin").await;
    for till in &tills {
        open_shift(&ann, till, "100").await;
    }
    let lamps = |quantity: &str| json!([{"variantId": variants[0], "quantity": quantity}]);
    let bread = json!([{"variantId": variants[1], "quantity": "2"}]);
    let card = json!([{"method": "card"}]);
    let sold = made(sell(&ann, &tills[0], lamps("2"), json!([{"method": "cash", "amount": "30"}])).await);
    made(sell(&ann, &tills[1], bread.clone(), card.clone()).await);
    let voided = made(sell(&ann, &tills[1], lamps("5"), card).await);
    let void = format!("sales/{}/void", voided["id"].as_str().unwrap());
    assert_eq!(ann.submit(&void, &json!({"reason": "wrong"})).await.status, 200);
    let back = json!({"returns": [{"lineId": sold["lines"][0]["id"], "quantity": "1"}]});
    let refunded = made(refund(&ann, &tills[1], &sold, back).await);
    let gift = json!({
        "registerId": tills[0],
        "payments": [{"method": "cash", "amount": "50"}, {"method": "voucher", "amount": "-50"}],
    });
    made(ann.submit("sales", &gift).await);
    let order = made(acme.submit("orders", &json!({"fulfil": true, "lines": bread})).await);
    let pay = json!({"method": "bank_transfer", "amount": "11.20"});
    let path = format!("orders/{}/payments", order["id"].as_str().unwrap());
    made(acme.submit(&path, &pay).await);
    Day { tills, seller: ann.user.clone(), refunded }
}

#[tokio::test]
async fn reports_cover_the_tills_and_lead_to_their_documents() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let Day { tills, seller, refunded } = trade(&app, &acme).await;

    // Lamps 23.20 - 11.60, bread 2 x 11.20.
    let by_register = read(&acme, "reports/sales?by=register").await;
    let members = ["key", "name", "orders", "net", "tax", "margin"];
    assert_eq!(told(&by_register["total"], &["orders", "net", "tax", "cost"]), "4 34.00 4.00 8.00");
    let [r1, r2] = [tills[0].as_str().unwrap(), tills[1].as_str().unwrap()];
    assert_eq!(
        rows(&by_register, &members),
        [
            format!("{r1} Till R1 1 23.20 3.20 12.00"),
            "null null 1 11.20 1.20 8.00".to_owned(),
            format!("{r2} Till R2 2 -0.40 -0.40 2.00"),
        ]
    );
    // Each figure leads to its documents, which add up to it.
    let documents = async |query: &str| {
        let mut found = Vec::new();
        let mut next = Value::Null;
        loop {
            let cursor = next.as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
            let path = format!("reports/sales/documents?limit=1&{query}{cursor}");
            let page = read(&acme, &path).await;
            found.extend(page["data"].as_array().unwrap().clone());
            next = page["nextCursor"].clone();
            if next.is_null() {
                return found;
            }
        }
    };
    let of_r2 = documents(&format!("by=register&key={r2}")).await;
    let of_r2: Vec<String> = of_r2.iter().map(|one| told(one, &["kind", "net", "tax", "cost"])).collect();
    assert_eq!(of_r2, ["sale -11.60 -1.60 -4.00", "sale 11.20 1.20 2.00"]);
    assert_eq!(documents("by=register").await[0]["kind"], "order");
    let returned = documents("by=taxRate&key=VAT%2016%25").await;
    assert_eq!((&returned[0]["id"], &returned[0]["reference"]), (&refunded["id"], &refunded["reference"]));
    assert_eq!(documents("by=day&key=2001-01-01").await, Vec::<Value>::new());
    for by in [
        "day", "hour", "variant", "product", "kind", "supplier", "taxRate", "category", "customer", "seller",
        "register", "location", "week", "month",
    ] {
        let report = read(&acme, &format!("reports/sales?by={by}")).await;
        let mut in_all = 0;
        for row in report["data"].as_array().unwrap() {
            let key = row["key"]
                .as_str()
                .map(|key| key.replace('%', "%25").replace('+', "%2B").replace(' ', "%20"));
            let key = key.map(|key| format!("&key={key}")).unwrap_or_default();
            let behind = documents(&format!("by={by}{key}")).await;
            let cents = |value: &Value| value.as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
            let sum: i64 = behind.iter().map(|document| cents(&document["net"])).sum();
            assert_eq!(sum, cents(&row["net"]), "{by} {row}");
            in_all += sum;
        }
        assert_eq!(in_all, 3400, "{by}");
    }

    // Taxes by rate add up to those of the sales.
    let taxes = read(&acme, "reports/taxes").await;
    assert_eq!(told(&taxes["total"], &["net", "tax"]), "30.00 4.00");
    assert_eq!(
        rows(&taxes, &["name", "percent", "net", "tax"]),
        ["VAT 10 20.00 2.00", "VAT 16 10.00 1.60", "Levy 2 20.00 0.40"]
    );
    // Payments, without those of the voided sale.
    let payments = read(&acme, "reports/payments").await;
    assert_eq!(told(&payments["total"], &["payments", "received", "paidBack", "net"]), "6 95.60 61.60 34.00");
    assert_eq!(
        rows(&payments, &["key", "received", "paidBack"]),
        ["cash 73.20 11.60", "bank_transfer 11.20 0.00", "card 11.20 0.00", "voucher 0.00 50.00"]
    );
    let by_till = read(&acme, "reports/payments?by=register").await;
    assert_eq!(rows(&by_till, &["name", "net"]), ["Till R1 23.20", "null 11.20", "Till R2 -0.40"]);
    let by_cashier = read(&acme, "reports/payments?by=cashier").await;
    assert_eq!((&by_cashier["data"][0]["key"], &by_cashier["data"][0]["net"]), (&seller, &json!("22.80")));
    for by in ["day", "hour"] {
        assert_eq!(read(&acme, &format!("reports/payments?by={by}")).await["total"]["net"], "34.00");
    }
    // The period before had nothing.
    let compared = read(&acme, "reports/sales?compare=previous&by=seller").await;
    assert_eq!(compared["previous"]["total"]["net"], "0.00");
    assert_eq!(
        compared["previous"]["to"].as_str().unwrap().cmp(compared["from"].as_str().unwrap()),
        std::cmp::Ordering::Less
    );
    assert_eq!(read(&acme, "reports/sales").await["previous"], Value::Null);

    // Today.
    let today = read(&acme, "dashboard/today").await;
    assert_eq!(told(&today["sales"], &["documents", "net", "margin"]), "4 34.00 22.00");
    assert_eq!(told(&today["weekBefore"], &["documents", "net"]), "0 0.00");
    assert_eq!(
        (&today["openShifts"], today["hours"].as_array().unwrap().len() > 2),
        (&json!(2), false),
        "{today}"
    );
    assert_eq!(told(&today["methods"][0], &["key", "net"]), "cash 61.60");
    assert_eq!(told(&today["registers"][0], &["name", "net"]), "Till R1 23.20");
    assert_eq!(today["sellers"][0]["key"], seller);
    // A week later, today is the day before.
    let schema = &acme.tenant.schema;
    let back = format!(
        "UPDATE {schema}.sales SET sold_at = sold_at - interval '7 days';
         UPDATE {schema}.stock_movements SET occurred_at = occurred_at - interval '7 days'"
    );
    app.database.as_owner().await.batch_execute(&back).await.unwrap();
    let today = read(&acme, "dashboard/today").await;
    assert_eq!(told(&today["sales"], &["documents", "net"]), "0 0.00");
    assert_eq!(told(&today["weekBefore"], &["documents", "net"]), "4 34.00");
    assert_eq!(told(&today["wholeDayBefore"], &["documents", "net"]), "4 34.00");
}

#[tokio::test]
async fn shrinkage_and_dead_stock_are_found() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    trade(&app, &acme).await;
    let idle = acme.create_product(&a_product("IDLE")).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&idle, "7").await.status, 201);
    assert_eq!(acme.adjust(&idle, "-2").await.status, 201);
    let by_variant = read(&acme, "reports/adjustments?by=variant").await;
    assert!(rows(&by_variant, &["sku", "added", "removed"]).contains(&"IDLE 7 2".to_owned()), "{by_variant}");
    for by in ["reason", "category", "location"] {
        let report = read(&acme, &format!("reports/adjustments?by={by}")).await;
        assert_eq!(report["total"], by_variant["total"], "{by}");
    }
    // Nothing is dead before it was there for so long.
    assert_eq!(read(&acme, "reports/dead-stock?days=30").await["data"], json!([]));
    let schema = &acme.tenant.schema;
    let age = format!(
        "UPDATE {schema}.stock_movements SET occurred_at = occurred_at - interval '40 days' \
        WHERE kind <> 'sale'"
    );
    app.database.as_owner().await.batch_execute(&age).await.unwrap();
    let dead = read(&acme, "reports/dead-stock?days=30").await;
    assert_eq!(rows(&dead, &["sku", "onHand", "lastSoldAt"]), ["IDLE 5 null"], "{dead}");
    assert_eq!(told(&dead["total"], &["key", "onHand"]), "null 5");
    for path in ["reports/dead-stock?days=0", "reports/dead-stock?days=1001", "reports/sales?format=pdf"] {
        assert_eq!(acme.get(&format!("/api/v1/{path}")).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn a_report_is_a_file_for_spreadsheets() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    trade(&app, &acme).await;
    for report in ["sales", "payments", "taxes", "adjustments", "stock", "dead-stock"] {
        let reply = acme.get(&format!("/api/v1/reports/{report}?format=csv")).await;
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8", "{report}");
        let columns = reply.body.as_str().unwrap().lines().next().unwrap().replace('"', "");
        let view = read(&acme, &format!("reports/{report}")).await;
        let total = view["total"].as_object().unwrap();
        let mut named: Vec<&str> = columns.split(',').collect();
        named.sort_unstable();
        let mut members: Vec<&str> = total.keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(named, members, "the columns of {report} are the members of its rows");
        let reply = acme.get(&format!("/api/v1/reports/{report}?format=xlsx")).await;
        assert_eq!(reply.status, 200, "{report}");
        assert!(reply.header("content-disposition").contains(&format!("{report}.xlsx")));
        // A workbook is a ZIP archive.
        assert!(reply.body.as_str().is_none_or(|text| text.starts_with("PK")), "{report}");
    }
    let sales = acme.get("/api/v1/reports/sales?by=register&format=csv").await.body;
    assert!(
        sales.as_str().unwrap().contains("\"Till R1\",\"\",1,2,0,0.00,23.20,0.00,23.20,3.20,8.00,12.00\r\n"),
        "{sales}"
    );
}

#[tokio::test]
async fn a_saved_report_is_read_and_mailed_by_its_business_alone() {
    let (mailbox, app) = Mailbox::with_app().await;
    let (acme, zenith) = (app.tenant("acme").await, app.tenant("zenith").await);
    trade(&app, &acme).await;
    let manager = app.member_of(&acme.tenant, "MANAGER").await;
    let plain = json!({"name": "Methods", "report": "payments", "period": "today"});
    let saved = made(manager.post("/api/v1/saved-reports", &plain).await);
    assert_eq!(told(&saved, &["report", "by", "period", "mail"]), "payments method today null");
    let result = read(&manager, &format!("saved-reports/{}/result", saved["id"].as_str().unwrap())).await;
    assert_eq!(told(&result["total"], &["payments", "net"]), "6 34.00");
    assert_eq!(told(&result["data"][0], &["key", "received"]), "cash 73.20");
    let path = format!("/api/v1/saved-reports/{}", saved["id"].as_str().unwrap());
    let csv = manager.get(&format!("{path}/result?format=csv")).await;
    assert!(csv.body.as_str().unwrap().starts_with("\"key\",\"name\",\"payments\""), "{csv:?}");
    // It belongs to its business.
    assert_eq!(read(&zenith, "saved-reports").await["data"], json!([]));
    for path in [path.clone(), format!("{path}/result")] {
        refused(&zenith.get(&path).await, 404, "not_found");
    }
    // Every report can be saved.
    for (index, choice) in [
        json!({"report": "sales", "by": "taxRate", "period": "last_month"}),
        json!({"report": "taxes", "period": "this_year"}),
        json!({"report": "adjustments", "by": "variant", "period": "this_week"}),
        json!({"report": "stock", "by": "location"}),
        json!({"report": "dead_stock", "days": 10}),
    ]
    .iter_mut()
    .enumerate()
    {
        choice["name"] = json!(format!("Report {index}"));
        let id = made(manager.post("/api/v1/saved-reports", choice).await)["id"].clone();
        read(&manager, &format!("saved-reports/{}/result", id.as_str().unwrap())).await;
    }
    for (body, status, pointer) in [
        (json!({"name": "methods", "report": "stock"}), 409, "/name"),
        (json!({"name": "A", "report": "sales", "by": "colour"}), 422, "/by"),
        (json!({"name": "A", "report": "stock", "period": "today"}), 422, "/period"),
        (json!({"name": "A", "report": "sales", "days": 3}), 422, "/days"),
        (json!({"name": "A", "report": "secrets"}), 422, "/report"),
    ] {
        let reply = manager.post("/api/v1/saved-reports", &body).await;
        assert_eq!(
            (reply.status, &reply.body["errors"][0]["pointer"]),
            (status, &json!(pointer)),
            "{body}: {reply:?}"
        );
    }

    // Mails need the permission to export.
    let mail = json!({"every": "day", "at": "07:00", "to": ["boss@acme.test", "ann@acme.test"]});
    let mailed = json!({"name": "Mailed", "report": "payments", "period": "last_7_days", "mail": mail});
    refused(&manager.post("/api/v1/saved-reports", &mailed).await, 403, "permission_denied");
    let saved = made(acme.post("/api/v1/saved-reports", &mailed).await);
    assert_eq!(saved["mail"]["format"], "xlsx");
    let path = format!("/api/v1/saved-reports/{}", saved["id"].as_str().unwrap());
    refused(&manager.put(&path, &plain).await, 403, "permission_denied");
    refused(&manager.delete(&path).await, 403, "permission_denied");
    for (mail, pointer) in [
        (json!({"every": "week", "at": "07:00", "to": ["a@b.test"]}), "/mail/day"),
        (json!({"every": "month", "at": "07:00", "day": 29, "to": ["a@b.test"]}), "/mail/day"),
        (json!({"every": "day", "at": "07:00", "to": []}), "/mail/to"),
        (json!({"every": "day", "at": "7", "to": ["a@b.test"]}), "/mail/at"),
        (json!({"every": "day", "at": "24:00", "to": ["a@b.test"]}), "/mail/at"),
    ] {
        let body = json!({"name": "Other", "report": "stock", "mail": mail});
        let reply = acme.post("/api/v1/saved-reports", &body).await;
        assert_eq!(reply.status, 422, "{body}");
        assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{reply:?}");
    }
    let owner = app.database.as_owner().await;
    let due = async || {
        owner
            .batch_execute("UPDATE shared.report_schedules SET due_at = due_at - interval '1 day'")
            .await
            .unwrap();
        report_mails::mail_due(app.onboarding().owner_database()).await.unwrap()
    };
    // It is looked at, and not mailed before its time.
    let looked = due().await;
    let next = saved["nextMailAt"].as_str().unwrap();
    assert_eq!((looked.reports, looked.next.map(|at| json!(at))), (0, Some(json!(next))));
    let schema = &acme.tenant.schema;
    let ready = format!(
        "UPDATE {schema}.saved_reports SET next_mail_at = next_mail_at - interval '1 day' \
        WHERE mail_to IS NOT NULL"
    );
    owner.batch_execute(&ready).await.unwrap();
    assert_eq!(due().await.reports, 1);
    let mails = mailbox.read(&app).await;
    let (first, second) = (&mails[mails.len() - 2], &mails[mails.len() - 1]);
    for mail in [first, second] {
        assert!(mail.contains("Subject: Mailed of acme Ltd"), "{mail}");
        assert!(mail.contains("payments.xlsx") && mail.contains("UEsDB"), "{mail}");
    }
    let now = acme.get(&path).await.body;
    assert_eq!(now["nextMailAt"], next, "{now}");
    assert_ne!(now["lastMailedAt"], Value::Null);
    // The same time is not mailed twice, also by a process that was interrupted before it noted the mail.
    owner.batch_execute(&ready).await.unwrap();
    due().await;
    assert_eq!(mailbox.read(&app).await, Vec::<String>::new());
    // The mails stop when the member who wants them may not export any more.
    let other = app.member_of(&acme.tenant, "OWNER").await;
    let mut theirs = mailed.clone();
    theirs["name"] = json!("Theirs");
    let theirs = made(other.post("/api/v1/saved-reports", &theirs).await);
    owner.batch_execute(&ready).await.unwrap();
    assert_eq!(due().await.reports, 2);
    let left = format!(
        "UPDATE shared.memberships SET status = 'suspended'
          WHERE user_id = (SELECT mail_by FROM {schema}.saved_reports WHERE name = 'Theirs')"
    );
    owner.batch_execute(&left).await.unwrap();
    owner.batch_execute(&ready).await.unwrap();
    assert_eq!(due().await.reports, 1);
    let their_path = format!("/api/v1/saved-reports/{}", theirs["id"].as_str().unwrap());
    let now = acme.get(&their_path).await.body;
    assert_eq!((&now["mail"], &now["nextMailAt"]), (&Value::Null, &Value::Null), "{now}");
    // A deleted report is looked at once more, and forgotten.
    assert_eq!(acme.delete(&path).await.status, 204);
    let left = due().await;
    assert_eq!((left.reports, left.next), (0, None));
    refused(&acme.get(&path).await, 404, "not_found");
    refused_at(
        &acme.post("/api/v1/saved-reports", &json!({"name": "methods", "report": "stock"})).await,
        "/name",
        "duplicate_name",
    );
}
