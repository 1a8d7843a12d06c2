//! A purchase order that is drafted from a reorder suggestion.

use chrono::Days;
use tenancy::{DbError, TenantTx, all};
use values::{ActorId, Currency, ExchangeRate, NonNegative, Percent, Positive};

use crate::business::settings;
use crate::ids::{LocationId, PurchaseOrderId, SupplierId};
use crate::purchasing::purchase_order::{self, NewLine, NewPurchaseOrder, PurchaseError, PurchaseOrder};
use crate::purchasing::reorder::{self, Source, SuggestedLine, Suggestion};
use crate::records::document::{Outcome, Requested};
use crate::records::own_keys::OwnKeys;
use crate::stock::location;

/// A suggestion to be drafted.
#[derive(Debug, Clone)]
pub struct NewDraft {
    /// The id of the new purchase order, and the fingerprint that shows whether the request is repeated.
    pub request: Requested<PurchaseOrderId>,
    /// The supplier of the suggestion.
    pub supplier_id: SupplierId,
    /// The location that needs the goods. Defaults to the default location.
    pub location_id: Option<LocationId>,
    /// The currency of the suggestion. Defaults to that of the first suggestion of the supplier for the
    /// location.
    pub currency: Option<Currency>,
    /// The price of one unit of the currency; `None` if it is that of the business.
    pub exchange_rate: Option<Positive<ExchangeRate>>,
}

/// No purchase order was drafted.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// Nothing is suggested to buy from the supplier for the location, in the currency.
    #[error("nothing is suggested to buy from this supplier for this location")]
    NothingSuggested,
    /// The purchase order was refused.
    #[error(transparent)]
    Purchase(#[from] PurchaseError),
    /// A query failed.
    #[error("a query of a reorder suggestion failed")]
    Db(#[from] DbError),
}

/// Drafts a purchase order of the goods that are suggested to be bought. It is expected when the slowest of
/// them arrive. A repeated request gets the purchase order as it is now.
///
/// # Errors
/// [`DraftError`]; the caller rolls back.
pub async fn draft(
    tx: &TenantTx,
    new: &NewDraft,
    actor: ActorId,
) -> Result<Outcome<PurchaseOrder>, DraftError> {
    if new.request.is_chosen
        && let Some(order) = purchase_order::find_repeated(tx, &new.request).await?
    {
        return Ok(Outcome::Repeated(order));
    }
    let location = location::find_or_default(tx, new.location_id);
    let (location, today) = all((location, settings::today(tx))).await?;
    let location_id = location.ok_or(PurchaseError::UnknownLocation)?;
    let suggestions = reorder::suggest(tx, Some(location_id)).await?.suggestions;
    let lines = suggestions.iter().find_map(|suggestion| bought(suggestion, new));
    let lines = lines.ok_or(DraftError::NothingSuggested)?;
    let prices = lines.iter().filter_map(|line| line.price.as_ref());
    let days = prices.clone().filter_map(|price| price.lead_time_days).max();
    let expected_on = days.and_then(|days| today.checked_add_days(Days::new(u64::try_from(days).ok()?)));
    let currency = prices.clone().map(|price| price.currency.as_str()).next();
    let order = NewPurchaseOrder {
        request: new.request.clone(),
        supplier_id: new.supplier_id,
        location_id: Some(location_id),
        expected_on,
        currency: currency.and_then(|code| Currency::parse(code).ok()),
        exchange_rate: new.exchange_rate,
        lines: lines.iter().filter_map(|line| to_order(line)).collect(),
        note: None,
        own_keys: OwnKeys::default(),
    };
    Ok(purchase_order::draft(tx, &order, actor).await?)
}

/// The lines of the suggestion that are to be bought, if it is the one that was asked for.
fn bought<'a>(suggestion: &'a Suggestion, new: &NewDraft) -> Option<Vec<&'a SuggestedLine>> {
    let (supplier, _) = suggestion.supplier.as_ref()?;
    let is_wanted = |line: &&SuggestedLine| {
        let currency = line.price.as_ref().map(|price| price.currency.as_str());
        line.source == Source::Purchase
            && currency.is_some()
            && new.currency.as_ref().is_none_or(|wanted| Some(wanted.code()) == currency)
    };
    let lines: Vec<&SuggestedLine> = suggestion.lines.iter().filter(is_wanted).collect();
    (*supplier == new.supplier_id && !lines.is_empty()).then_some(lines)
}

fn to_order(line: &SuggestedLine) -> Option<NewLine> {
    let unit_cost = NonNegative::new(line.price.as_ref()?.cost).ok()?;
    let quantity = Positive::new(line.quantity).ok()?;
    Some(NewLine { article: line.variant_id.into(), quantity, unit_cost, tax_percent: Percent::ZERO })
}
