//! Two requests compete for the last unit of stock, in every pair of ways to take it.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::business::{Business, a_product};
use crate::till::{open_shift, register, sell_units};

const WAYS: [&str; 8] =
    ["order", "reservation", "transfer", "adjustment", "count", "sale", "exchange", "bundle"];

/// Makes each way compete with every way, itself included, for the last unit, `rounds` times. Panics unless
/// exactly one of the two gets the unit, or a count has found that a reserved unit is missing.
pub async fn last_unit(business: &Business<'_>, rounds: usize) {
    let variant = business.create_product(&a_product("LAST-UNIT")).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&variant, "1").await.status, 201);
    let shed = business.post("/api/v1/locations", &json!({"name": "Shed"})).await.body["id"].clone();
    let main = business.get("/api/v1/locations").await.body["data"][0]["id"].clone();
    let till = register(business, "LAST").await;
    open_shift(business, &till, "0").await;
    let worn = business.create_product(&a_product("WORN")).await["variants"][0]["id"].clone();
    let set = json!({
        "name": "Set", "kind": "bundle",
        "variants": [{
            "sku": "SET", "price": "3",
            "components": [{"variantId": worn, "quantity": "1"}, {"variantId": variant, "quantity": "1"}],
        }],
    });
    let set = business.create_product(&set).await["variants"][0]["id"].clone();
    assert_eq!(business.adjust(&worn, "100000").await.status, 201);
    let contest = Contest { business, variant, main, shed, till, worn, set };
    for one in WAYS {
        for other in WAYS {
            for _ in 0..rounds {
                let (got, also) = tokio::join!(contest.want(one), contest.want(other));
                // A count books what is there, even if the last units are reserved.
                let is_short = got && also && (one == "count") != (other == "count");
                assert!(got != also || is_short, "{one} {got}, {other} {also}");
                let (left, found) = if is_short { ("-1", "2") } else { ("0", "1") };
                let level = contest.level().await;
                assert_eq!(level["available"], left, "{one} and {other}: {level}");
                assert_eq!(business.adjust(&contest.variant, found).await.status, 201);
            }
        }
    }
}

struct Contest<'a, 'app> {
    business: &'a Business<'app>,
    variant: Value,
    main: Value,
    shed: Value,
    till: Value,
    /// The article that comes back in an exchange.
    worn: Value,
    /// A bundle of the last unit and another article.
    set: Value,
}

impl Contest<'_, '_> {
    /// Sells another article, and exchanges it for the last unit.
    async fn exchange(&self) -> Reply {
        let Self { business, till, worn, variant, .. } = self;
        assert_eq!(business.adjust(worn, "1").await.status, 201);
        let sold = sell_units(business, till, worn, "1").await.body;
        let body = json!({
            "registerId": till, "reason": "worn", "lines": [{"variantId": variant, "quantity": "1"}],
            "returns": [{"lineId": sold["lines"][0]["id"], "quantity": "1"}],
        });
        business.submit("sales", &body).await
    }

    async fn level(&self) -> Value {
        let (variant, location) = (self.variant.as_str().unwrap(), self.main.as_str().unwrap());
        let path = format!("/api/v1/stock?variantId={variant}&locationId={location}");
        self.business.get(&path).await.body["data"][0].clone()
    }

    /// Tries to take the last unit in one way. Returns whether the request got the unit.
    async fn want(&self, way: &str) -> bool {
        let Self { business, variant, main, shed, till, set, .. } = self;
        let lines = json!([{"variantId": variant, "quantity": "1"}]);
        let reply = match way {
            "order" => business.submit("orders", &json!({"lines": lines})).await,
            "reservation" => business.submit("orders", &json!({"fulfil": false, "lines": lines})).await,
            "sale" => sell_units(business, till, variant, "1").await,
            "exchange" => self.exchange().await,
            "bundle" => sell_units(business, till, set, "1").await,
            "transfer" => {
                let body = json!({"fromLocationId": main, "toLocationId": shed, "lines": lines});
                business.submit("stock/transfers", &body).await
            }
            "count" => {
                let count = business.submit("stock/counts", &json!({})).await.body["id"].clone();
                let count = count.as_str().unwrap();
                // The count reports only the reserved units, so it takes the last available unit.
                let reserved = self.level().await["reserved"].clone();
                let counted = json!({"lines": [{"variantId": variant, "counted": reserved}]});
                let entered = business.submit(&format!("stock/counts/{count}/lines"), &counted).await;
                // If the unit was already gone when it was counted, there is nothing to correct.
                if entered.body["lines"][0]["difference"] == "0" {
                    return false;
                }
                let posted = business.submit(&format!("stock/counts/{count}/post"), &json!({})).await;
                assert_eq!(posted.status, 200, "{posted:?}");
                return posted.body["lines"][0]["posted"] == "-1";
            }
            _ => business.adjust(variant, "-1").await,
        };
        assert!(matches!(reply.status, 200 | 201 | 409), "{way}: {reply:?}");
        reply.status != 409
    }
}
