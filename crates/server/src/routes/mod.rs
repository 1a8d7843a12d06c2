//! The routes, one file per noun. A handler's signature says who may call it; it joins the domain's functions, no more.

pub mod alerts;
pub mod audit;
pub mod auth;
pub mod barcodes;
pub mod categories;
pub mod counts;
pub mod customers;
pub mod dashboard;
pub mod docs;
pub mod health;
pub mod jobs;
pub mod locations;
pub mod orders;
pub mod platform_domains;
pub mod platform_fleet;
pub mod platform_lifecycle;
pub mod platform_tenants;
pub mod products;
pub mod purchase_orders;
pub mod reports;
pub mod settings;
pub mod stock;
pub mod suppliers;
pub mod tax_classes;
pub mod transfers;
pub mod variants;
pub mod well_known;

use inventory::{
    Currency, Cursor, Limit, Money, Page, PageRequest, SearchText, settings as business_settings,
};
use serde::{Deserialize, Serialize};
use tenancy::{DbError, TenantTx, both};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::problem::Problem;

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageView<T> {
    data: Vec<T>,
    /// Ask for the next page with `?cursor=`; null on the last one.
    next_cursor: Option<String>,
}

impl<T> PageView<T> {
    fn new<R, const N: usize>(page: Page<R, N>, view: impl Fn(R) -> T) -> Self {
        Self { data: page.data.into_iter().map(view).collect(), next_cursor: page.next.map(String::from) }
    }
}

/// Which page is wanted, of a list that takes no other parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Limit>,
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<1>>,
}

/// For what takes no parameters at all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

fn page_request<const N: usize>(limit: Option<Limit>, cursor: Option<Cursor<N>>) -> PageRequest<N> {
    PageRequest { limit: limit.unwrap_or_default(), after: cursor }
}

/// A cost with all the decimals that it has: it may be finer than the currency.
fn plain(cost: Money) -> String {
    cost.as_decimal().normalize().to_string()
}

/// The currency that amounts are told in, asked for in the same flight as the first statement of `work`.
async fn with_currency<T, E>(
    tx: &TenantTx,
    work: impl Future<Output = Result<T, E>>,
) -> Result<(Currency, T), Problem>
where
    Problem: From<E>,
{
    let currency = async { business_settings::currency(tx).await.map_err(<Problem as From<DbError>>::from) };
    both(currency, async { work.await.map_err(Problem::from) }).await
}

/// What somebody looks for; an empty search box asks for everything.
fn search_text(text: Option<&str>) -> Result<Option<SearchText>, Problem> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => match SearchText::parse(text) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Problem::malformed("invalid_query", format!("q: {error}."))),
        },
    }
}

/// Every route of the API; what is registered here is in the OpenAPI document.
pub fn configure(config: &mut ServiceConfig) {
    config.service(health::livez).service(health::readyz).service(well_known::jwks);
    config.service(dashboard::show_plain);
    config.service(
        scope("/api/v1")
            .service(auth::login)
            .service(auth::me)
            .service(categories::list)
            .service(categories::create)
            .service(categories::show)
            .service(categories::edit)
            .service(categories::archive)
            .service(products::list)
            .service(products::create)
            .service(products::show)
            .service(products::edit)
            .service(products::archive)
            .service(products::create_variant)
            .service(variants::show)
            .service(variants::edit)
            .service(variants::list_prices)
            .service(barcodes::show)
            .service(tax_classes::list)
            .service(tax_classes::create)
            .service(tax_classes::show)
            .service(tax_classes::edit)
            .service(locations::list)
            .service(locations::create)
            .service(locations::show)
            .service(locations::edit)
            .service(stock::list_levels)
            .service(stock::list_movements)
            .service(stock::adjust)
            .service(stock::show_adjustment)
            .service(stock::verify_ledger)
            .service(transfers::list)
            .service(transfers::send)
            .service(transfers::show)
            .service(transfers::receive)
            .service(transfers::send_back)
            .service(counts::list)
            .service(counts::open)
            .service(counts::show)
            .service(counts::enter)
            .service(counts::post_count)
            .service(counts::cancel)
            .service(customers::list)
            .service(customers::create)
            .service(customers::show)
            .service(customers::edit)
            .service(customers::archive)
            .service(orders::list)
            .service(orders::place)
            .service(orders::show)
            .service(orders::cancel)
            .service(orders::fulfil)
            .service(orders::take_back)
            .service(orders::list_returns)
            .service(suppliers::list)
            .service(suppliers::create)
            .service(suppliers::show)
            .service(suppliers::edit)
            .service(suppliers::archive)
            .service(suppliers::list_prices)
            .service(suppliers::set_price)
            .service(purchase_orders::list)
            .service(purchase_orders::draft)
            .service(purchase_orders::show)
            .service(purchase_orders::edit)
            .service(purchase_orders::send)
            .service(purchase_orders::confirm)
            .service(purchase_orders::cancel)
            .service(purchase_orders::close)
            .service(purchase_orders::receive)
            .service(purchase_orders::list_receipts)
            .service(dashboard::show)
            .service(alerts::list)
            .service(reports::show_sales)
            .service(reports::show_adjustments)
            .service(reports::show_stock)
            .service(reports::suggest_orders)
            .service(settings::show)
            .service(settings::edit)
            .service(audit::list)
            .service(platform_tenants::list)
            .service(platform_tenants::create)
            .service(platform_tenants::show)
            .service(platform_lifecycle::suspend)
            .service(platform_lifecycle::resume)
            .service(platform_lifecycle::archive)
            .service(platform_lifecycle::unarchive)
            .service(platform_lifecycle::rename)
            .service(platform_lifecycle::limit)
            .service(platform_lifecycle::clone_business)
            .service(platform_lifecycle::drop_business)
            .service(platform_domains::list)
            .service(platform_domains::add)
            .service(platform_domains::verify)
            .service(platform_domains::remove)
            .service(platform_domains::set_primary)
            .service(platform_fleet::migrations)
            .service(platform_fleet::migrate)
            .service(platform_fleet::verify_ledgers)
            .service(platform_fleet::verify_ledger)
            .service(platform_fleet::backups)
            .service(platform_fleet::back_up)
            .service(platform_fleet::list_audit)
            .service(jobs::list)
            .service(jobs::show)
            .service(jobs::cancel)
            .service(jobs::retry)
            .service(jobs::show_own),
    );
}
