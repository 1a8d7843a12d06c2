//! What must hold after the trading.

use harness::{EVENTS, TestApp};
use tokio_postgres::Client;

use crate::trading::Soak;

impl Soak<'_> {
    pub async fn verify(&self, app: &TestApp, deadlocks: i64) {
        let admin = app.database.as_admin().await;
        assert_eq!(deadlocks + deadlocks_of(&admin).await, 0, "deadlocks");
        // The server in this process has survived all crashes and still serves requests.
        let acknowledged = self.acknowledged.take();
        for kept in &acknowledged {
            let reply = self.shops[kept.shop].business.get(&format!("/api/v1/{}", kept.path)).await;
            assert_eq!((reply.status, &reply.body["number"]), (200, &kept.number), "{} is lost", kept.path);
        }
        println!("{} acknowledged documents exist", acknowledged.len());
        let _server = self.program(app).serve(self.ports[0]);
        for shop in &self.shops {
            shop.counter.verify(&shop.business, &admin).await;
            shop.tills.verify(&shop.business, &admin).await;
            shop.hearing.verify(&shop.business, self.ports, &admin).await;
            let verdict = shop.business.get("/api/v1/stock/ledger").await.body;
            assert_eq!(verdict["holds"], true, "{verdict}");
            println!("{}: {} stock movements are correct", shop.business.host, verdict["movements"]);
            let schema = &shop.business.tenant.schema;
            for (what, sql) in [
                (
                    "negative stock",
                    format!("SELECT count(*) FROM {schema}.stock_levels WHERE on_hand < 0 OR reserved < 0"),
                ),
                (
                    "stock that is reserved twice, where no count has found less",
                    format!(
                        "SELECT count(*) FROM {schema}.stock_levels s
                          WHERE on_hand < reserved AND NOT EXISTS (
                           SELECT FROM {schema}.stock_movements m
                            WHERE (m.variant_id, m.location_id) = (s.variant_id, s.location_id)
                              AND m.kind = 'count' AND m.quantity < 0)"
                    ),
                ),
                (
                    "orders without an event",
                    format!(
                        "SELECT count(*) FROM {schema}.orders o WHERE NOT EXISTS (
                           SELECT FROM {EVENTS}
                            WHERE payload ->> 'orderId' = o.id::text AND topic = 'order.placed')"
                    ),
                ),
                (
                    "orders without an entry in the audit log",
                    format!(
                        "SELECT count(*) FROM {schema}.orders o WHERE NOT EXISTS (
                           SELECT FROM {schema}.audit_log a
                            WHERE a.subject_id = o.id AND action = 'order.placed')"
                    ),
                ),
                (
                    "alerts that are missing, or that contradict the stock levels",
                    format!(
                        "SELECT count(*) FROM {schema}.stock_levels s
                           JOIN {schema}.variants v ON v.id = s.variant_id
                           LEFT JOIN {schema}.low_stock_alerts a
                             ON (a.variant_id, a.location_id) = (s.variant_id, s.location_id)
                            AND a.closed_at IS NULL
                          WHERE (s.on_hand - s.reserved <= v.reorder_level) <> (a.id IS NOT NULL)"
                    ),
                ),
            ] {
                assert_eq!(count(&admin, &sql).await, 0, "{what}");
            }
            for (table, kind) in [
                ("orders", "order"),
                ("order_returns", "return"),
                ("stock_transfers", "transfer"),
                ("stock_counts", "count"),
                ("purchase_orders", "purchase_order"),
                ("goods_receipts", "goods_receipt"),
            ] {
                let gaps = format!(
                    "SELECT coalesce((SELECT next - 1 FROM {schema}.counters WHERE kind = '{kind}'), 0)
                            - (SELECT count(DISTINCT number) FROM {schema}.{table})"
                );
                assert_eq!(count(&admin, &gaps).await, 0, "gaps in the numbers of {table}");
            }
        }
        println!("the stock ledgers are correct, no number is missing, no deadlock");
    }
}

pub async fn count(admin: &Client, sql: &str) -> i64 {
    admin.query_one(sql, &[]).await.unwrap().get(0)
}

/// The deadlocks since the statistics began.
pub async fn deadlocks_of(admin: &Client) -> i64 {
    count(admin, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await
}
