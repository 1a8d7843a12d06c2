//! Receipts: chained, printed, mailed and signed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{self, BoxFuture, FutureExt as _};
use harness::till::{Cashier, open_shift, refund, register, sell, sell_units};
use harness::{Business, Client, Mailbox, Reply, TestApp, a_product, join_all};
use platform::receipt_signing;
use serde_json::{Value, json};
use till::fiscal_device::{FiscalDevice, FiscalDevices, FiscalError, FiscalReceipt, Signed};

use crate::orders::{made, stocked};
use crate::shifts::refused;

#[tokio::test]
async fn a_changed_or_missing_receipt_is_found() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = app.database.as_admin().await;
    let bolt = stocked(&acme, "BOLT", "1000").await;
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "100").await;
    let mut sales = Vec::new();
    for _ in 0..12 {
        sales.push(made(sell_units(&acme, &till, &bolt, "1").await));
    }
    made(refund(&acme, &till, &sales[2], json!({})).await);
    let path = format!("sales/{}/void", sales[3]["id"].as_str().unwrap());
    assert_eq!(acme.submit(&path, &json!({"reason": "mistyped"})).await.status, 200);
    let (schema, second) = (acme.tenant.schema.as_str(), sales[1]["id"].as_str().unwrap());
    let change = async |sql: &str| {
        // Turns triggers and foreign keys off, as a forger with access to the database would.
        let sql = sql.replace("$schema", schema).replace("$id", second);
        let sql = format!("SET session_replication_role = replica; {sql}; RESET session_replication_role");
        admin.batch_execute(&sql).await.unwrap();
    };
    let faults = async || -> Vec<(String, String)> {
        let faults = acme.get("/api/v1/stock/ledger").await.body["faults"].clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let of = |fault: &Value| (text(&fault["fault"]), text(&fault["subject"]));
        faults.as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(faults().await, []);
    let series = sales[0]["series"].as_str().unwrap();
    let chain = |number: usize| vec![("chain".to_owned(), format!("{series}-{number:06}"))];
    for (number, changed, back) in [
        (2, "sales SET note = 'x' WHERE id = '$id'", "sales SET note = NULL WHERE id = '$id'"),
        (
            2,
            "sales SET sold_at = sold_at - interval '1 day' WHERE id = '$id'",
            "sales SET sold_at = sold_at + interval '1 day' WHERE id = '$id'",
        ),
        (
            2,
            "sale_lines SET name = name || 's' WHERE sale_id = '$id'",
            "sale_lines SET name = left(name, -1) WHERE sale_id = '$id'",
        ),
        (
            2,
            "sale_payments SET method = 'card' WHERE sale_id = '$id'",
            "sale_payments SET method = 'cash' WHERE sale_id = '$id'",
        ),
        (
            13,
            "sale_returns SET is_restocked = NOT is_restocked",
            "sale_returns SET is_restocked = NOT is_restocked",
        ),
        (
            4,
            "sales SET void_reason = 'stolen' WHERE number = 4",
            "sales SET void_reason = 'mistyped' WHERE number = 4",
        ),
    ] {
        change(&format!("UPDATE $schema.{changed}")).await;
        let found = faults().await;
        assert_eq!(found, chain(number), "{changed}");
        change(&format!("UPDATE $schema.{back}")).await;
        assert_eq!(faults().await, []);
    }

    // A void that never was, and hashes that never were.
    change(
        "UPDATE $schema.sales SET voided_by = NULL, voided_at = NULL, void_reason = NULL, void_hash = NULL
          WHERE number = 4",
    )
    .await;
    assert_eq!(faults().await, [("void".to_owned(), sales[3]["id"].as_str().unwrap().to_owned())]);
    change(
        "UPDATE $schema.sales SET voided_by = '$id', voided_at = now(), void_reason = 'x' WHERE number = 4",
    )
    .await;
    change("CREATE TABLE $schema.kept AS SELECT id, chain_hash FROM $schema.sales").await;
    change("UPDATE $schema.sales SET chain_hash = NULL WHERE number > 1").await;
    assert_eq!(faults().await.len(), 12);
    change("UPDATE $schema.sales s SET chain_hash = k.chain_hash FROM $schema.kept k WHERE k.id = s.id")
        .await;

    // A receipt that vanishes with all its parts, and one that forgets its hash.
    let vanish = ["sale_lines WHERE sale_id", "sale_payments WHERE sale_id", "sales WHERE id"]
        .map(|from| format!("DELETE FROM $schema.{from} = (SELECT id FROM $schema.sales WHERE number = 8)"));
    change(&vanish.join(";")).await;
    let found = faults().await;
    let numbers = ("numbers".to_owned(), series.to_owned());
    assert_eq!(found, [vec![numbers], chain(4), chain(9)].concat());
    change("UPDATE $schema.sales SET chain_hash = NULL WHERE number = 12").await;
    assert!(faults().await.contains(&chain(12)[0]));
}

async fn print(client: &Client<'_>, sale: &Value, what: Value) -> Reply {
    client.submit(&format!("sales/{}/receipt/prints", sale["id"].as_str().unwrap()), &what).await
}

/// The text of a print on narrow paper.
async fn text(client: &Client<'_>, sale: &Value) -> String {
    let what = json!({"format": "text", "width": "58mm"});
    made(print(client, sale, what).await)["content"].as_str().unwrap().to_owned()
}

/// A business with a name, an address and a tax, and a lamp at 11.60 with 16 % in it.
async fn shop(business: &Business<'_>) -> Value {
    let profile = json!({
        "tradingName": "Acme <Bolts> & Nuts", "legalName": "Acme Ltd", "address": "1 High Street\nNairobi",
        "phone": "+254 20 1234", "taxNumber": "P051234567A", "email": "shop@acme.test",
    });
    assert_eq!(business.patch("/api/v1/business", &profile).await.status, 200);
    let set = business.put("/api/v1/business/till-number", &json!({"tillNumber": "522533"})).await;
    assert_eq!(set.status, 204, "{set:?}");
    let texts = json!({
        "receiptHeader": "Open 8 to 6", "receiptFooter": "Thank you\nand come again",
        "timeZone": "Africa/Nairobi",
    });
    assert_eq!(business.patch("/api/v1/settings", &texts).await.status, 200);
    let class = json!({"name": "VAT", "inclusive": true, "rates": [{"name": "VAT", "percent": "16"}]});
    let class = made(business.post("/api/v1/tax-classes", &class).await)["id"].clone();
    let mut lamp = a_product("LAMP");
    (lamp["name"], lamp["taxClassId"], lamp["variants"][0]["price"]) =
        (json!("Lamp for the garden, with a long cable"), class, json!("11.60"));
    let lamp = business.create_product(&lamp).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&lamp, "100").await.status, 201);
    lamp
}

#[tokio::test]
async fn a_receipt_is_printed_once_and_then_copied() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lamp = shop(&acme).await;
    let bolt = stocked(&acme, "BOLT", "10").await;
    let set = json!({
        "name": "Gift set", "kind": "bundle",
        "variants": [{"sku": "SET", "price": "20", "components": [
            {"variantId": bolt, "quantity": "2"}, {"variantId": lamp, "quantity": "1"},
        ]}],
    });
    let set = acme.create_product(&set).await["variants"][0]["id"].clone();
    let till = register(&acme, "R1").await;
    let ann = Cashier::sign_in(&app, &acme, "cashier").await;
    open_shift(&ann, &till, "100").await;
    let lines = json!([
        {"variantId": lamp, "quantity": "2", "discount": "10%", "note": "with a ribbon"},
        {"variantId": bolt, "quantity": "1.5"},
        {"variantId": set, "quantity": "1"},
    ]);
    let payments = json!([
        {"method": "card", "amount": "20", "reference": "AUTH 77"}, {"method": "cash", "amount": "50"},
    ]);
    let sale = made(sell(&ann, &till, lines, payments).await);
    let shown = ann.get(&format!("/api/v1/sales/{}/receipt", sale["id"].as_str().unwrap())).await.body;
    assert_eq!(
        (&shown["issueCount"], &shown["business"]["tillNumber"]),
        (&json!(0), &json!("522533")),
        "{shown}"
    );
    assert_eq!(
        shown["taxes"],
        json!([{"mark": "A", "name": "VAT", "percent": "16", "net": "24.33", "tax": "3.89"}])
    );

    let original = text(&ann, &sale).await;
    let (time, hash) = (shown["localTime"].as_str().unwrap(), shown["hash"].as_str().unwrap());
    let time = time[..16].replace('T', " ");
    let reference = sale["reference"].as_str().unwrap();
    let expected = format!(
        "      Acme <Bolts> & Nuts
            Acme Ltd
         1 High Street
            Nairobi
       Tel. +254 20 1234
      Tax no. P051234567A
        Till no. 522533
          Open 8 to 6
--------------------------------
Receipt           {reference}
Till R1         {time}
--------------------------------
Lamp for the garden, with a long
cable
  2 x 11.60              23.20 A
  Discount                 -2.32
  with a ribbon
Product BOLT
  1.5 x 10.00              15.00
Gift set
  1 x                    20.00 A
  - 2 Product BOLT
  - 1 Lamp for the garden, with
  a long cable
--------------------------------
Subtotal                   58.20
Discount                   -2.32
TOTAL EUR                  55.88
Card                       20.00
  Reference              AUTH 77
Cash                       50.00
Change                     14.12
--------------------------------
A VAT 16% of 24.33          3.89
--------------------------------
           Thank you
         and come again
        {hash}
"
    );
    assert_eq!(original, expected, "{original}");
    let copy = text(&ann, &sale).await;
    assert_eq!(copy, expected.replace("Open 8 to 6\n", "Open 8 to 6\n             COPY 1\n"), "{copy}");

    // Every form, and each of them counts.
    let bytes = made(print(&ann, &sale, json!({"format": "escpos"})).await);
    assert_eq!(
        (&bytes["number"], &bytes["encoding"], &bytes["width"]),
        (&json!(3), &json!("base64"), &json!("80mm"))
    );
    let page = made(print(&ann, &sale, json!({"format": "html"})).await);
    let page = page["content"].as_str().unwrap();
    for part in ["Acme &lt;Bolts&gt; &amp; Nuts", "COPY 3", "<svg", "55.88"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let pdf = made(print(&ann, &sale, json!({"format": "pdf"})).await);
    assert!(pdf["content"].as_str().unwrap().starts_with("JVBERi0"), "%PDF-");

    // The same request again prints the same, and counts nothing; others at the same time get their own
    // numbers.
    let path = format!("/api/v1/sales/{}/receipt/prints", sale["id"].as_str().unwrap());
    let keyed = ann.with("idempotency-key", "print-1");
    let first = keyed.post(&path, &json!({"format": "text"})).await;
    let again = keyed.post(&path, &json!({"format": "text"})).await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    let prints = join_all((0..8).map(|_| print(&ann, &sale, json!({"format": "text"}))).collect()).await;
    let mut numbers: Vec<i64> = prints.iter().map(|reply| reply.body["number"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (7..15).collect::<Vec<_>>());
    let shown = acme.get(&format!("/api/v1/sales/{}/receipt", sale["id"].as_str().unwrap())).await.body;
    assert_eq!((&shown["issueCount"], &shown["issues"][0]["number"]), (&json!(14), &json!(14)));
    assert_eq!(shown["issues"][13]["issuedBy"], ann.user);
    refused(&print(&ann, &sale, json!({"format": "mail"})).await, 422, "invalid_value");
    refused(&print(&ann, &json!({"id": lamp}), json!({"format": "text"})).await, 404, "not_found");
}

#[tokio::test]
async fn a_receipt_says_what_it_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lamp = shop(&acme).await;
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "100").await;
    let sale = made(sell_units(&acme, &till, &lamp, "3").await);
    let back = made(
        refund(
            &acme,
            &till,
            &sale,
            json!({"returns": [{"lineId": sale["lines"][0]["id"], "quantity": "1"}]}),
        )
        .await,
    );
    let printed = text(&acme, &back).await;
    let reference = sale["reference"].as_str().unwrap();
    for part in [
        format!("Refund            {}", back["reference"].as_str().unwrap()),
        format!("Returned from     {reference}"),
        "  1 returned            -11.60 A".to_owned(),
        "TOTAL EUR                 -11.60".to_owned(),
        "A VAT 16% of -10.00        -1.60".to_owned(),
    ] {
        assert!(printed.contains(&part), "{part:?} in {printed}");
    }

    // A voucher: its code is on the original alone.
    let gift = json!([{"method": "cash", "amount": "50"}, {"method": "voucher", "amount": "-50"}]);
    let gift = made(sell(&acme, &till, json!([]), gift).await);
    let code = gift["payments"][1]["voucherCode"].as_str().unwrap().to_owned();
    let (original, copy) = (text(&acme, &gift).await, text(&acme, &gift).await);
    assert!(original.contains(&code) && !copy.contains(&code), "{original}\n{copy}");
    assert!(copy.contains(&code[code.len() - 4..]), "{copy}");
    let shown = acme.get(&format!("/api/v1/sales/{}/receipt", gift["id"].as_str().unwrap())).await.body;
    assert!(!shown.to_string().contains(&code), "{shown}");

    // Nobody else reads the code by printing the original, and no mail has it.
    let gift = json!([{"method": "cash", "amount": "50"}, {"method": "voucher", "amount": "-50"}]);
    let gift = made(sell(&acme, &till, json!([]), gift).await);
    let bob = Cashier::sign_in(&app, &acme, "cashier").await;
    let code = gift["payments"][1]["voucherCode"].as_str().unwrap();
    let printed = text(&bob, &gift).await;
    assert!(!printed.contains(code) && !printed.contains("COPY"), "{printed}");

    // White space of any kind before a text.
    let note = format!("gift\n{}for Ann", "\u{3000}".repeat(20));
    let noted = json!([{"variantId": lamp, "quantity": "1", "note": note}]);
    let noted = made(sell(&acme, &till, noted, json!([{"method": "cash"}])).await);
    assert!(text(&acme, &noted).await.contains("for Ann"));

    let other = made(sell_units(&acme, &till, &lamp, "1").await);
    let path = format!("sales/{}/void", other["id"].as_str().unwrap());
    assert_eq!(acme.submit(&path, &json!({"reason": "mistyped"})).await.status, 200);
    assert!(text(&acme, &other).await.contains("              VOID\n"));
}

#[tokio::test]
async fn a_receipt_is_mailed_once_to_the_customer() {
    let (mailbox, app) = Mailbox::with_app().await;
    let acme = app.tenant("acme").await;
    let lamp = shop(&acme).await;
    let till = register(&acme, "R1").await;
    open_shift(&acme, &till, "100").await;
    let sale = made(sell_units(&acme, &till, &lamp, "1").await);
    let path = format!("/api/v1/sales/{}/receipt/mails", sale["id"].as_str().unwrap());
    let keyed = acme.with("idempotency-key", "mail-1");
    let to = json!({"email": "Ann@Customer.test"});
    for _ in 0..3 {
        let reply = keyed.post(&path, &to).await;
        assert_eq!((reply.status, &reply.body["number"]), (201, &json!(1)), "{reply:?}");
    }
    let mails = mailbox.read(&app).await;
    assert_eq!(mails.len(), 1);
    let (mail, reference) = (&mails[0], sale["reference"].as_str().unwrap());
    for part in [
        format!("Subject: Your receipt {reference} from "),
        "Reply-To: shop@acme.test".to_owned(),
        "11.60".to_owned(),
        format!("filename=\"{reference}.pdf\""),
        "application/pdf".to_owned(),
    ] {
        assert!(mail.contains(&part), "{part:?} in {mail}");
    }
    assert!(mail.to_lowercase().contains("to: ann@customer.test"), "{mail}");
    // A second mail of the receipt is a copy.
    made(acme.submit(&format!("sales/{}/receipt/mails", sale["id"].as_str().unwrap()), &to).await);
    assert!(mailbox.read(&app).await[0].contains("COPY 1"));
    refused(&keyed.post(&path, &json!({"email": "nobody"})).await, 422, "invalid_value");
    let owner = app.database.as_owner().await;
    let kept = "SELECT count(*) FROM shared.mails WHERE template = 'receipt' AND parameters <> '{}'";
    assert_eq!(owner.query_one(kept, &[]).await.unwrap().get::<_, i64>(0), 0, "a sent receipt is not kept");

    // The limit of the day refuses before anything is counted, and not what was sent before.
    let fill = format!(
        "INSERT INTO shared.mails (id, tenant_id, template, address, parameters, state, due_at, created_at)
         SELECT gen_random_uuid(), '{}', 'receipt', 'ann@customer.test', '{{}}', 'sent', now(), now()
           FROM generate_series(1, 20)",
        acme.tenant.id
    );
    app.database.as_admin().await.batch_execute(&fill).await.unwrap();
    let again = acme.submit(&format!("sales/{}/receipt/mails", sale["id"].as_str().unwrap()), &to).await;
    refused(&again, 429, "too_many_mails");
    assert_eq!(keyed.post(&path, &to).await.status, 201);
    let shown = acme.get(&format!("/api/v1/sales/{}/receipt", sale["id"].as_str().unwrap())).await.body;
    assert_eq!(shown["issueCount"], 2);
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = format!("sales/{}/receipt/mails", uuid::Uuid::now_v7());
    let without = acme.submit(&path, &json!({"email": "ann@customer.test"})).await;
    refused(&without, 409, "no_mail");
}

/// A device that signs when the test lets it.
struct Late(AtomicBool);

impl FiscalDevice for Late {
    fn name(&self) -> &'static str {
        "unplugged"
    }

    fn sign<'a>(&'a self, receipt: &'a FiscalReceipt) -> BoxFuture<'a, Result<Signed, FiscalError>> {
        let signed = match self.0.load(Ordering::Relaxed) {
            true => Ok(Signed {
                serial_number: "LATE-7".to_owned(),
                signature: format!("signed {}", receipt.reference),
                qr_text: None,
            }),
            false => Err(FiscalError::NoAnswer("out of paper".to_owned())),
        };
        future::ready(signed).boxed()
    }
}

#[tokio::test]
async fn a_fiscal_device_signs_each_receipt_now_or_later() {
    let app = TestApp::start_with("[till]\nfiscal_devices = [\"simulator\", \"unplugged\"]\n").await;
    let acme = app.tenant("acme").await;
    let lamp = shop(&acme).await;
    let till = register(&acme, "R1").await;
    let path = format!("/api/v1/registers/{}", till.as_str().unwrap());
    let device = async |device: Value| acme.patch(&path, &json!({"fiscalDevice": device})).await;
    refused(&device(json!("etims")).await, 422, "unknown_fiscal_device");
    assert_eq!(device(json!("simulator")).await.body["fiscalDevice"], "simulator");
    open_shift(&acme, &till, "100").await;
    let receipt = async |sale: &Value| {
        acme.get(&format!("/api/v1/sales/{}/receipt", sale["id"].as_str().unwrap())).await.body
    };

    let sale = made(sell_units(&acme, &till, &lamp, "1").await);
    let shown = receipt(&sale).await;
    assert_eq!(shown["fiscal"]["serialNumber"], "SIM-0001", "{shown}");
    assert!(shown["qrText"].as_str().unwrap().starts_with("https://tax.example/SIM-0001/R1-"), "{shown}");
    let printed = text(&acme, &sale).await;
    let signature = shown["fiscal"]["signature"].as_str().unwrap();
    assert!(printed.contains("Fiscal device           SIM-0001") && printed.contains(signature), "{printed}");
    let void = format!("sales/{}/void", sale["id"].as_str().unwrap());
    refused(&acme.submit(&void, &json!({"reason": "mistyped"})).await, 409, "fiscal_receipt");
    let back = made(refund(&acme, &till, &sale, json!({})).await);
    assert_eq!(receipt(&back).await["fiscal"]["serialNumber"], "SIM-0001");

    // The device does not answer: the sale stands, and its receipt says that it is not signed.
    device(json!("unplugged")).await;
    let mut sales = Vec::new();
    for _ in 0..3 {
        sales.push(made(sell_units(&acme, &till, &lamp, "1").await));
    }
    let shown = receipt(&sales[0]).await;
    assert_eq!(
        (&shown["fiscal"]["signature"], &shown["fiscal"]["failure"]),
        (&Value::Null, &json!("the device does not answer"))
    );
    assert!(text(&acme, &sales[0]).await.contains("         NOT SIGNED YET\n"));

    // The job asks again until the device answers, oldest first, and a signature is kept.
    let late = Arc::new(Late(AtomicBool::new(false)));
    let devices = FiscalDevices::new(vec![late.clone()]);
    let database = app.onboarding().owner_database();
    let ask = async || {
        let signing = receipt_signing::sign_all(database, &devices).await.unwrap();
        (signing.signed, signing.failed)
    };
    assert_eq!(ask().await, (0, 1), "a device that does not answer is asked once");
    assert_eq!(receipt(&sales[0]).await["fiscal"]["failure"], "out of paper");
    late.0.store(true, Ordering::Relaxed);
    assert_eq!((ask().await, ask().await), ((3, 0), (0, 0)));
    let shown = receipt(&sales[2]).await;
    let expected = format!("signed {}", sales[2]["reference"].as_str().unwrap());
    assert_eq!(
        (&shown["fiscal"]["signature"], &shown["fiscal"]["failure"]),
        (&json!(expected), &Value::Null)
    );

    // Without a device, receipts are not signed.
    device(Value::Null).await;
    let plain = made(sell_units(&acme, &till, &lamp, "1").await);
    assert_eq!(receipt(&plain).await["fiscal"], Value::Null);
    crate::orders::assert_books_hold(&app, &acme).await;
}
