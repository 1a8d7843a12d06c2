//! Exchanges: goods of an order come back, and a new order has the goods that the customer gets instead.

use std::collections::BTreeSet;

use tenancy::{DbError, TenantTx, all};
use values::ActorId;

use crate::orders::basket;
use crate::orders::order::{Order, OrderError};
use crate::orders::order_list;
use crate::orders::order_return::{self, NewReturn, Return};
use crate::orders::placing::{self, NewOrder};
use crate::records::document::Outcome;
use crate::stock::article::ArticleError;
use crate::stock::level::Key;
use crate::stock::{location, locked_level};

/// An exchange to be posted.
#[derive(Debug, Clone)]
pub struct NewExchange {
    /// The goods that come back. Its request and that of the order have both a chosen id, or neither.
    pub back: NewReturn,
    /// The order of the goods that the customer gets.
    pub order: NewOrder,
}

/// An exchange was not posted.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Only one of the two ids was chosen, so that a repeated request would not be recognised as a whole.
    #[error("choose the id of the return and the id of the order, or neither")]
    OneId,
    /// The goods cannot come back.
    #[error(transparent)]
    Return(OrderError),
    /// The order cannot be placed.
    #[error(transparent)]
    Order(OrderError),
}

/// Takes the goods back and places the order, both or neither. A repeated request changes nothing.
///
/// # Errors
/// [`ExchangeError`]; the caller rolls back.
pub async fn post(
    tx: &TenantTx,
    new: &NewExchange,
    actor: ActorId,
) -> Result<Outcome<(Return, Order)>, ExchangeError> {
    let NewExchange { back, order } = new;
    if back.request.is_chosen != order.request.is_chosen {
        return Err(ExchangeError::OneId);
    }
    lock_levels(tx, new).await.map_err(|error| ExchangeError::Order(error.into()))?;
    let back = order_return::post(tx, back, actor).await.map_err(ExchangeError::Return)?;
    let order = placing::place(tx, order, actor).await.map_err(ExchangeError::Order)?;
    Ok(match (back, order) {
        (Outcome::Posted(back), Outcome::Posted(order)) => Outcome::Posted((back, order)),
        (back, order) => Outcome::Repeated((back.into_document(), order.into_document())),
    })
}

/// Locks the stock levels of both documents in key order, after the order. Each document alone locks its
/// levels in that order, but the second one would begin again from the first key.
///
/// An unknown row is not locked: the document that names it is refused, or is a repeated request.
async fn lock_levels(tx: &TenantTx, new: &NewExchange) -> Result<(), DbError> {
    let sold = match basket::variants(tx, &new.order.basket.lines).await {
        Err(ArticleError::Db(error)) => return Err(error),
        sold => basket::articles(tx, sold.unwrap_or_default()).await?,
    };
    let location = location::find_or_default(tx, new.order.location_id);
    let (order, location) = all((order_list::lock(tx, new.back.order_id), location)).await?;
    let (Some(order), Some(location)) = (order, location) else { return Ok(()) };
    let back_to = new.back.location_id.unwrap_or(order.location_id);
    let keys: BTreeSet<Key> = order
        .lines
        .iter()
        .map(|line| (line.variant_id, back_to))
        .chain(sold.taken().map(|variant| (variant, location)))
        .collect();
    locked_level::lock(tx, &keys.into_iter().collect::<Vec<_>>()).await?;
    Ok(())
}
