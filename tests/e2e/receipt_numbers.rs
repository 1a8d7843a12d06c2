//! The numbers of receipts have no gap, whatever becomes of the transactions that take them.

use std::cell::RefCell;

use harness::till::{open_shift, register};
use harness::{Program, TestApp, a_product, in_lanes};
use inventory::Requested;
use serde_json::{Value, json};
use till::asked_line::AskedLine;
use till::sale_error::SaleError;
use till::sale_method::SaleMethod;
use till::sale_payment::NewSalePayment;
use till::selling::{self, NewSale};
use till::{RegisterId, SaleId};
use uuid::Uuid;
use values::{ActorId, Positive, Quantity};

use crate::trading::{assert_books_hold, free_port, send_and_go};

/// A sale of one unit for cash, as the domain function takes it.
fn one_of(variant: &Value, register: &Value) -> NewSale {
    let register_id = register.as_str().unwrap().parse::<RegisterId>().unwrap();
    let variant = variant.as_str().unwrap().parse::<inventory::VariantId>().unwrap();
    NewSale {
        request: Requested::by_program(SaleId::new()),
        register_id,
        customer_id: None,
        lines: vec![AskedLine {
            article: variant.into(),
            quantity: Some(Positive::new(Quantity::parse("1").unwrap()).unwrap()),
            price: None,
            discount: None,
            note: None,
        }],
        discount: None,
        may_set_prices: false,
        refunded: None,
        back: Vec::new(),
        may_take_back: false,
        reason: None,
        note: None,
        payments: vec![NewSalePayment {
            method: SaleMethod::Cash,
            amount: None,
            reference: None,
            mobile_payment_id: None,
            voucher_code: None,
            expires_on: None,
        }],
        made_offline: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_have_no_gap_after_rollbacks_and_killed_servers() {
    let app = &TestApp::start().await;
    let acme = &app.tenant("acme").await;
    let bolt = acme.create_product(&a_product("BOLT")).await["variants"][0]["id"].clone();
    assert_eq!(acme.adjust(&bolt, "1000").await.status, 201);
    let tills = &[register(acme, "R1").await, register(acme, "R2").await];
    for till in tills {
        open_shift(acme, till, "0").await;
    }
    let (bolt, ports) = (&bolt, [free_port(), free_port()]);
    let other = &RefCell::new(Program::beside(app).serve(ports[0]));
    let http = &reqwest::Client::new();
    let database = &app.running().state().database;
    let acknowledged = &RefCell::new(Vec::new());
    let work = (0..100_usize).map(|seed| async move {
        let till = &tills[seed % 2];
        let sale = json!({
            "registerId": till, "lines": [{"variantId": bolt, "quantity": "1"}],
            "payments": [{"method": "cash"}],
        });
        match seed % 10 {
            // Three of ten sales are rolled back after they have taken a number.
            0..3 => {
                let new = one_of(bolt, till);
                let work = async |tx: &tenancy::TenantTx| {
                    selling::complete(tx, &new, ActorId::SYSTEM).await?;
                    Err::<(), _>(SaleError::NotFound)
                };
                let rolled_back = database.write(&acme.tenant.scope(), work).await;
                assert!(matches!(rolled_back, Err(SaleError::NotFound)), "{rolled_back:?}");
            }
            3 => send_and_go(app.port(), "sales", acme, &sale),
            // A second server beside this one. It is killed twice and restarted once.
            4..7 => {
                if seed == 44 || seed == 84 {
                    other.borrow().signal("KILL");
                }
                if seed == 54 {
                    *other.borrow_mut() = Program::beside(app).serve(ports[1]);
                }
                let port = ports[usize::from(seed >= 54)];
                let sent = http
                    .post(format!("http://127.0.0.1:{port}/api/v1/sales"))
                    .header("host", "acme.localhost")
                    .bearer_auth(acme.token.as_deref().unwrap())
                    .header("idempotency-key", Uuid::now_v7().to_string())
                    .json(&sale)
                    .send()
                    .await;
                if let Ok(answer) = sent
                    && answer.status() == 201
                {
                    let sale = answer.json::<Value>().await.unwrap();
                    acknowledged.borrow_mut().push(sale["id"].clone());
                }
            }
            _ => {
                let reply = acme.submit("sales", &sale).await;
                assert_eq!(reply.status, 201, "{reply:?}");
                acknowledged.borrow_mut().push(reply.body["id"].clone());
            }
        }
    });
    in_lanes(8, work).await;
    app.database.until_no_transaction_is_open().await;
    let acknowledged = acknowledged.take();
    assert!(acknowledged.len() > 40);
    for id in &acknowledged {
        assert_eq!(acme.get(&format!("/api/v1/sales/{}", id.as_str().unwrap())).await.status, 200);
    }
    // The books compare the numbers with the counters.
    assert_books_hold(app, acme).await;
    assert!(acme.get("/api/v1/stock/ledger").await.body["receipts"].as_u64().unwrap() > 40);
}
