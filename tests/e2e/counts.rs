//! Stock counts that overlap: the later counting holds, and goods that move meanwhile keep their effect.

use harness::{Business, TestApp, a_product};
use serde_json::{Value, json};

use crate::orders::{level, made, stocked};

async fn opened(business: &Business<'_>) -> String {
    made(business.submit("stock/counts", &json!({})).await)["id"].as_str().unwrap().to_owned()
}

async fn enter(business: &Business<'_>, count: &str, variant: &Value, counted: &str) -> Value {
    let lines = json!({"lines": [{"variantId": variant, "counted": counted}]});
    let entered = business.submit(&format!("stock/counts/{count}/lines"), &lines).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    entered.body
}

async fn posted(business: &Business<'_>, count: &str) -> Value {
    let posted = business.submit(&format!("stock/counts/{count}/post"), &json!({})).await;
    assert_eq!(posted.status, 200, "{posted:?}");
    posted.body
}

/// A line of a count in the model.
#[derive(Clone, Copy)]
struct Counted {
    quantity: i64,
    /// The number of events before it was entered.
    at: usize,
    is_posted: bool,
}

#[tokio::test]
async fn overlapping_counts_end_at_the_later_one_whatever_moves_between_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut random = fastrand::Rng::with_seed(4);
    for round in 0..25 {
        let bolt = stocked(&acme, &format!("BOLT-{round}"), "20").await;
        let counts = [opened(&acme).await, opened(&acme).await, opened(&acme).await];
        let mut entered: [Option<Counted>; 3] = [None; 3];
        // Goods that moved, in the order of events. A counting moves nothing.
        let mut moves: Vec<i64> = Vec::new();
        let mut on_hand = 20;
        let mut story = Vec::new();
        for _ in 0..20 {
            let which = random.usize(..3);
            match (random.u8(..4), entered[which]) {
                (0, before) if before.is_none_or(|line| !line.is_posted) => {
                    let quantity = random.i64(0..30);
                    enter(&acme, &counts[which], &bolt, &quantity.to_string()).await;
                    entered[which] = Some(Counted { quantity, at: moves.len(), is_posted: false });
                    moves.push(0);
                    story.push(format!("count {which} sees {quantity}"));
                }
                (1, Some(line)) if !line.is_posted => {
                    let reply = posted(&acme, &counts[which]).await;
                    let is_counted_again =
                        entered.iter().flatten().any(|other| other.is_posted && other.at > line.at);
                    let target = line.quantity + moves[line.at..].iter().sum::<i64>();
                    let is_refused = !is_counted_again && target < 0;
                    if !is_counted_again && !is_refused {
                        on_hand = target;
                    }
                    entered[which] = Some(Counted { is_posted: !is_refused, ..line });
                    if is_refused {
                        assert_eq!(reply["lines"][0]["refusal"], "moved_since", "{story:?}: {reply}");
                        break;
                    }
                    story.push(format!("count {which} is posted"));
                }
                (2, _) => {
                    let quantity = random.i64(1..6);
                    let body = json!({"lines": [{"variantId": bolt, "quantity": quantity.to_string()}]});
                    if acme.submit("orders", &body).await.status == 201 {
                        on_hand -= quantity;
                        moves.push(-quantity);
                        story.push(format!("{quantity} are sold"));
                    }
                }
                (3, _) => {
                    let quantity = random.i64(1..6);
                    assert_eq!(acme.adjust(&bolt, &quantity.to_string()).await.status, 201);
                    on_hand += quantity;
                    moves.push(quantity);
                    story.push(format!("{quantity} are added"));
                }
                _ => {}
            }
            assert_eq!(acme.on_hand(&bolt).await, on_hand.to_string(), "round {round}: {story:?}");
        }
    }
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn a_count_below_the_reserved_quantity_books_the_truth_and_names_the_orders() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let bolt = stocked(&acme, "BOLT", "10").await;
    let reserve = async |quantity: &str| {
        let lines = json!([{"variantId": bolt, "quantity": quantity}]);
        made(acme.submit("orders", &json!({"fulfil": false, "lines": lines})).await)
    };
    let (first, second, third) = (reserve("4").await, reserve("3").await, reserve("2").await);
    let count = opened(&acme).await;
    enter(&acme, &count, &bolt, "5").await;
    let told = posted(&acme, &count).await;
    assert_eq!(told["lines"][0]["posted"], "-5");
    let short = told["shortOrders"].as_array().unwrap();
    let short: Vec<_> = short.iter().map(|order| (&order["orderId"], &order["missing"])).collect();
    assert_eq!(short, [(&second["id"], &json!("2")), (&third["id"], &json!("2"))]);
    assert_eq!(level(&acme, &bolt).await, ("5".into(), "9".into(), "-4".into()));

    // What is there can be fulfilled. What is not there can be cancelled, and nothing new can be reserved.
    let path = |order: &Value, step: &str| format!("orders/{}/{step}", order["id"].as_str().unwrap());
    let lines = json!([{"variantId": bolt, "quantity": "1"}]);
    assert_eq!(acme.submit("orders", &json!({"lines": lines})).await.code(), "insufficient_stock");
    assert_eq!(acme.submit(&path(&first, "fulfil"), &json!({})).await.status, 201);
    let refused = acme.submit(&path(&second, "fulfil"), &json!({})).await;
    assert_eq!(refused.code(), "insufficient_stock", "{refused:?}");
    let shortage = &refused.body["shortages"][0];
    assert_eq!((&shortage["requested"], &shortage["available"]), (&json!("3"), &json!("1")), "{refused:?}");
    assert_eq!(acme.submit(&path(&second, "cancel"), &json!({})).await.status, 200);
    assert_eq!(acme.submit(&path(&third, "cancel"), &json!({})).await.status, 200);
    assert_eq!(level(&acme, &bolt).await, ("1".into(), "0".into(), "1".into()));
    assert_eq!(acme.get("/api/v1/stock/ledger").await.body["holds"], true);
}

#[tokio::test]
async fn a_line_that_cannot_be_posted_does_not_hold_up_the_others_and_lines_can_be_removed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (bolt, nut, pin) = (
        stocked(&acme, "BOLT", "10").await,
        stocked(&acme, "NUT", "10").await,
        stocked(&acme, "PIN", "10").await,
    );
    let count = opened(&acme).await;
    enter(&acme, &count, &bolt, "4").await;
    enter(&acme, &count, &nut, "9").await;
    let lines = enter(&acme, &count, &pin, "0").await["lines"].clone();
    let of_pin = lines.as_array().unwrap().iter().find(|line| line["variantId"] == pin).unwrap();
    let path = format!("/api/v1/stock/counts/{count}/lines/{}", of_pin["id"].as_str().unwrap());
    let left = acme.delete(&path).await;
    assert_eq!((left.status, left.body["lines"].as_array().unwrap().len()), (200, 2), "{left:?}");
    assert_eq!(acme.delete(&path).await.status, 404);
    // 10 bolts are sold, 6 more than were counted.
    let sold = json!({"lines": [{"variantId": bolt, "quantity": "10"}]});
    assert_eq!(acme.submit("orders", &sold).await.status, 201);
    let told = posted(&acme, &count).await;
    let line = |variant: &Value| {
        let lines = told["lines"].as_array().unwrap();
        lines.iter().find(|line| line["variantId"] == *variant).unwrap().clone()
    };
    assert_eq!((&line(&nut)["posted"], &line(&nut)["refusal"]), (&json!("-1"), &Value::Null));
    assert_eq!((&line(&bolt)["posted"], &line(&bolt)["refusal"]), (&Value::Null, &json!("moved_since")));
    assert_eq!(acme.on_hand(&nut).await, "9");
    assert_eq!((acme.on_hand(&bolt).await, acme.on_hand(&pin).await), ("0".into(), "10".into()));
}

#[tokio::test]
async fn a_product_is_counted_bought_and_sold_as_finely_as_it_says() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut product = a_product("CRATE");
    product.as_object_mut().unwrap().remove("quantityDecimals");
    let product = acme.create_product(&product).await;
    assert_eq!(product["quantityDecimals"], 0);
    let crates = &product["variants"][0]["id"];
    let half = acme.adjust(crates, "0.5").await;
    assert_eq!((half.code(), &half.body["errors"][0]["pointer"]), ("too_many_decimals", &json!("/quantity")));
    assert_eq!(acme.adjust(crates, "5").await.status, 201);
    let order = acme.submit("orders", &json!({"lines": [{"variantId": crates, "quantity": "0.5"}]})).await;
    assert_eq!(order.body["errors"][0]["pointer"], "/lines/0/quantity", "{order:?}");
    let count = opened(&acme).await;
    let lines = json!({"lines": [{"variantId": crates, "counted": "4.5"}]});
    let counted = acme.submit(&format!("stock/counts/{count}/lines"), &lines).await;
    assert_eq!(counted.body["errors"][0]["pointer"], "/lines/0/counted", "{counted:?}");

    // A part of a whole unit is refused, too.
    let reserved = json!({"fulfil": false, "lines": [{"variantId": crates, "quantity": "2"}]});
    let order = made(acme.submit("orders", &reserved).await);
    let part = json!({"lines": [{"lineId": order["lines"][0]["id"], "quantity": "0.5"}]});
    let fulfil = format!("orders/{}/fulfil", order["id"].as_str().unwrap());
    assert_eq!(acme.submit(&fulfil, &part).await.code(), "too_many_decimals");

    // Finer at any time; coarser when no quantity needs the decimals.
    let path = format!("/api/v1/products/{}", product["id"].as_str().unwrap());
    assert_eq!(acme.patch(&path, &json!({"quantityDecimals": 4})).await.status, 422);
    assert_eq!(acme.patch(&path, &json!({"quantityDecimals": 1})).await.body["quantityDecimals"], 1);
    assert_eq!(acme.submit(&fulfil, &part).await.status, 201);
    let refused = acme.patch(&path, &json!({"quantityDecimals": 0})).await;
    assert_eq!((refused.status, refused.code()), (409, "quantities_in_use"), "{refused:?}");
    assert_eq!(acme.submit(&fulfil, &json!({})).await.status, 201);
    assert_eq!(acme.patch(&path, &json!({"quantityDecimals": 0})).await.status, 200);
}
