//! Query plans in a business that has traded for years. The test explains the statements of the server with
//! their generic plans, which do not depend on the values of the parameters.

use std::collections::BTreeMap;

use harness::TestApp;
use harness::volume::{self, LARGE};
use insight::adjustment_report::AdjustedBy;
use insight::payment_report::{self, PaymentsBy};
use insight::report::{MaxRows, Span};
use insight::sales_report::{self, SalesBy};
use insight::{adjustment_report, dashboard, tax_report};
use inventory::alert::{self, AlertFilter};
use inventory::movement;
use inventory::named::Named;
use inventory::order::{self, OrderFilter, OrderStatus, Owing};
use inventory::product::{self, ProductFilter};
use inventory::purchase_order::PurchaseStatus;
use inventory::purchase_order_list::{self, PurchaseOrderFilter};
use inventory::stock::level::{self, LevelFilter};
use inventory::{CustomerId, LocationId, SupplierId, VariantId, customer, settings, variant};
use tenancy::{DbError, Tenant, TenantTx};
use till::sale_list::{self, SaleFilter};
use till::{RegisterId, ShiftId, shift_report};
use tokio_postgres::Client;
use uuid::Uuid;
use values::{Barcode, ExternalId, PageRequest, ProductTag, SearchText};

/// Tables that no statement may read completely.
const LARGE_TABLES: [&str; 10] = [
    "variants",
    "products",
    "barcodes",
    "orders",
    "order_lines",
    "stock_movements",
    "customers",
    "sales",
    "sale_lines",
    "sale_payments",
];

struct Plans<'a> {
    app: &'a TestApp,
    tenant: &'a std::sync::Arc<Tenant>,
    admin: Client,
    faults: Vec<String>,
}

impl Plans<'_> {
    /// Runs `work` and checks that the plans of its statements use these indexes and read no large table
    /// completely.
    async fn go_by<T>(
        &mut self,
        path: &str,
        indexes: &[&str],
        work: impl AsyncFn(&TenantTx) -> Result<T, DbError>,
    ) {
        let database = &self.app.running().state().database;
        let statements = database
            .read(&self.tenant.scope(), async |tx| {
                let before = prepared(tx).await?;
                work(tx).await?;
                let mut after = prepared(tx).await?;
                after.retain(|text, _| !before.contains_key(text));
                Ok::<_, DbError>(after)
            })
            .await
            .unwrap();
        let mut plans = String::new();
        for (text, types) in statements {
            let values = vec!["NULL"; types.len()].join(", ");
            let (types, values) = match types.len() {
                0 => (String::new(), String::new()),
                _ => (format!("({})", types.join(", ")), format!("({values})")),
            };
            self.admin.batch_execute(&format!("PREPARE looked_at {types} AS {text}")).await.unwrap();
            for row in self.admin.query(&format!("EXPLAIN EXECUTE looked_at {values}"), &[]).await.unwrap() {
                plans.push_str(row.get(0));
                plans.push('\n');
            }
            self.admin.batch_execute("DEALLOCATE looked_at").await.unwrap();
        }
        for index in indexes {
            if !plans.contains(index) {
                self.faults.push(format!("{path} does not use {index}:\n{plans}"));
            }
        }
        for table in LARGE_TABLES {
            if plans.contains(&format!("Seq Scan on {table} ")) {
                self.faults.push(format!("{path} reads {table} completely:\n{plans}"));
            }
        }
    }
}

/// The statements that this connection has prepared, with the types of their parameters.
async fn prepared(tx: &TenantTx) -> Result<BTreeMap<String, Vec<String>>, DbError> {
    const PREPARED: &str = "SELECT statement, parameter_types::text[] AS types FROM pg_prepared_statements";
    let rows = tx.query(PREPARED, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get("statement")?, row.try_get("types")?))).collect()
}

#[tokio::test]
async fn every_access_path_uses_its_index() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = app.database.as_admin().await;
    volume::fill(&admin, acme.tenant.schema.as_str(), &LARGE).await;
    volume::fill_sales(&admin, acme.tenant.schema.as_str(), 50_000).await;
    let search_path = format!("SET search_path = {}, extensions", acme.tenant.schema);
    admin.batch_execute(&search_path).await.unwrap();
    // The same settings as on the server's connections.
    admin
        .batch_execute("SET plan_cache_mode = force_generic_plan; SET random_page_cost = 1.1")
        .await
        .unwrap();
    let one = async |table: &str| -> Uuid {
        admin.query_one(&format!("SELECT id FROM {table} LIMIT 1"), &[]).await.unwrap().get(0)
    };
    let variant = VariantId::from(one("variants").await);
    let customer = CustomerId::from(one("customers").await);
    let supplier = SupplierId::from(one("suppliers").await);
    let location = LocationId::from(one("locations").await);
    let register = RegisterId::from(one("registers").await);
    let shift = ShiftId::from(one("shifts").await);
    let mut plans = Plans { app: &app, tenant: &acme.tenant, admin, faults: Vec::new() };
    let text = |text: &str| Some(SearchText::parse(text).unwrap());

    let code = Barcode::parse("4006381333931").unwrap();
    plans
        .go_by("barcode", &["barcodes_pkey", "variants_pkey"], async |tx| {
            variant::find_by_barcode(tx, &code).await
        })
        .await;
    let named = Named::External(ExternalId::parse("4711").unwrap(), None);
    plans
        .go_by("products by external id", &["products_external_key"], async |tx| {
            product::named(tx, &named).await
        })
        .await;
    plans
        .go_by("variants by external id", &["variants_external_key"], async |tx| {
            variant::named(tx, &named).await
        })
        .await;
    plans
        .go_by("customers by external id", &["customers_external_key"], async |tx| {
            customer::named(tx, &named).await
        })
        .await;
    plans
        .go_by("orders by external id", &["orders_external_key"], async |tx| order::named(tx, &named).await)
        .await;
    plans
        .go_by("purchase orders by external id", &["purchase_orders_external_key"], async |tx| {
            purchase_order_list::named(tx, &named).await
        })
        .await;
    let found = ProductFilter { search: text("bolt"), ..ProductFilter::default() };
    plans
        .go_by(
            "search by name, SKU or barcode",
            &["products_search_text_idx", "variants_product_id_idx"],
            async |tx| product::list(tx, &found, &PageRequest::default()).await,
        )
        .await;
    plans
        .go_by("products", &["products_pkey", "variants_product_id_idx"], async |tx| {
            product::list(tx, &ProductFilter::default(), &PageRequest::default()).await
        })
        .await;
    let tagged = ProductFilter { tag: ProductTag::parse("outdoor").ok(), ..ProductFilter::default() };
    plans
        .go_by("products of a tag", &["products_tag_keys_idx"], async |tx| {
            product::list(tx, &tagged, &PageRequest::default()).await
        })
        .await;
    for (path, index, filter) in [
        ("orders by date", "orders_placed_at_idx", OrderFilter::default()),
        (
            "orders by status",
            "orders_status_idx",
            OrderFilter { status: Some(OrderStatus::Reserved), ..OrderFilter::default() },
        ),
        (
            "orders of a customer",
            "orders_customer_id_idx",
            OrderFilter { customer_id: Some(customer), ..OrderFilter::default() },
        ),
        (
            "orders that owe",
            "orders_owing_idx",
            OrderFilter { owing: Some(Owing::Due), ..OrderFilter::default() },
        ),
        (
            "an order by its number",
            "orders_number_key",
            OrderFilter { search: text("SO-7"), ..OrderFilter::default() },
        ),
        (
            "orders by a customer's name",
            "customers_search_text_idx",
            OrderFilter { search: text("smith"), ..OrderFilter::default() },
        ),
    ] {
        plans.go_by(path, &[index], async |tx| order::list(tx, &filter, &PageRequest::default()).await).await;
    }
    plans
        .go_by("movements of a variant", &["stock_movements_variant_id_occurred_at_idx"], async |tx| {
            movement::list(tx, Some(variant), &PageRequest::default()).await
        })
        .await;
    plans
        .go_by("movements", &["stock_movements_occurred_at_idx"], async |tx| {
            movement::list(tx, None, &PageRequest::default()).await
        })
        .await;
    let levels = LevelFilter { variant_id: None, location_id: Some(location) };
    plans
        .go_by("levels at a location", &["stock_levels"], async |tx| {
            level::list(tx, &levels, &PageRequest::default()).await
        })
        .await;
    plans
        .go_by("open purchase orders", &["purchase_orders_status_number_idx"], async |tx| {
            let filter =
                PurchaseOrderFilter { status: Some(PurchaseStatus::Sent), ..PurchaseOrderFilter::default() };
            purchase_order_list::list(tx, &filter, &PageRequest::default()).await
        })
        .await;
    plans
        .go_by("purchase orders of a supplier", &["purchase_orders_supplier_id_number_idx"], async |tx| {
            let filter =
                PurchaseOrderFilter { supplier_id: Some(supplier), ..PurchaseOrderFilter::default() };
            purchase_order_list::list(tx, &filter, &PageRequest::default()).await
        })
        .await;
    plans
        .go_by("low stock", &["low_stock_alerts_open_idx", "purchase_order_lines_open_idx"], async |tx| {
            alert::list(tx, &AlertFilter::default(), &PageRequest::default()).await
        })
        .await;
    // The value of all stock is the sum over all stock levels and their variants. Those tables are read
    // completely, but the stock ledger must not be.
    let faults = plans.faults.len();
    plans
        .go_by(
            "top sellers and days",
            &["Index Only Scan using stock_movements_occurred_at_idx"],
            async |tx| dashboard::read(tx).await,
        )
        .await;
    // A report joins so many order lines that it may read that table completely.
    let receipts = PageRequest::default();
    let all = SaleFilter::default();
    for (path, index, filter) in [
        ("sales by moment", "sales_sold_at_idx", all.clone()),
        (
            "sales by register",
            "sales_register_id_idx",
            SaleFilter { register_id: Some(register), ..all.clone() },
        ),
        ("sales by shift", "sales_shift_id_idx", SaleFilter { shift_id: Some(shift), ..all.clone() }),
        (
            "sales by customer",
            "sales_customer_id_idx",
            SaleFilter { customer_id: Some(customer), ..all.clone() },
        ),
        (
            "sales by number",
            "sales_series_number_key",
            SaleFilter { number: Some(("R1-2026".to_owned(), 7)), ..all },
        ),
    ] {
        // A list filters by method in the same statement, receipt by receipt.
        let indexes = [index, "sale_payments_sale_id_position_key"];
        let indexes = if path == "sales by moment" { &indexes[..] } else { &indexes[..1] };
        plans.go_by(path, indexes, async |tx| sale_list::list(tx, &filter, &receipts).await).await;
    }
    plans
        .go_by("shift report", &["sales_shift_id_idx"], async |tx| shift_report::read(tx, shift).await)
        .await;
    let span =
        async |tx: &TenantTx| settings::today(tx).await.map(|today| Span::of(None, None, today).unwrap());
    let by_time = &["stock_movements_occurred_at_idx"];
    for by in [SalesBy::Day, SalesBy::Variant, SalesBy::Customer] {
        let work = async |tx: &TenantTx| sales_report::read(tx, span(tx).await?, by, MaxRows::PAGE).await;
        plans.go_by("sales", by_time, work).await;
    }
    let by = AdjustedBy::Reason;
    let work = async |tx: &TenantTx| adjustment_report::read(tx, span(tx).await?, by, MaxRows::PAGE).await;
    plans.go_by("adjustments", by_time, work).await;
    let work = async |tx: &TenantTx| tax_report::read(tx, span(tx).await?, MaxRows::PAGE).await;
    plans.go_by("taxes", by_time, work).await;
    let by = PaymentsBy::Method;
    let work = async |tx: &TenantTx| payment_report::read(tx, span(tx).await?, by, MaxRows::PAGE).await;
    plans.go_by("payments", &["sales_sold_at_idx"], work).await;
    let ledger = "reads stock_movements completely";
    let dashboard: Vec<String> = plans.faults.drain(faults..).collect();
    plans.faults.extend(
        dashboard.into_iter().filter(|fault| fault.contains(ledger) || fault.contains("does not use")),
    );
    assert!(plans.faults.is_empty(), "{}", plans.faults.join("\n\n"));

    // The resulting figures are correct, too.
    let ledger = acme.get("/api/v1/stock/ledger").await.body;
    assert_eq!((&ledger["holds"], &ledger["movements"]), (&true.into(), &500_000.into()), "{ledger}");
    let dashboard = acme.get("/api/v1/dashboard").await.body;
    assert_eq!((&dashboard["totalItems"], &dashboard["lowStock"]["low"]), (&10_000.into(), &1_000.into()));
}
