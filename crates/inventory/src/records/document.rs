//! What documents have in common: ids that clients may choose, requests that are sent twice, and lines that
//! are completed in parts.

use std::fmt;

use futures_util::TryFutureExt as _;
use tenancy::{DbError, TenantTx, all};
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use values::{Positive, Quantity};

/// SHA-256 of a request: its method, path and body. Two requests with one fingerprint mean the same.
pub type Fingerprint = Vec<u8>;

/// The part of a request for a document by which a repetition is recognised.
#[derive(Debug, Clone)]
pub struct Requested<Id> {
    /// The id of the document to be posted.
    pub id: Id,
    /// Whether the client chose the id, so that a request before this one may have used it.
    pub is_chosen: bool,
    /// Tells a repeated request from another request with the same id.
    pub fingerprint: Fingerprint,
}

impl<Id> Requested<Id> {
    /// A request that no client sent, such as one for demo data. It is never repeated.
    pub fn by_program(id: Id) -> Self {
        Self { id, is_chosen: false, fingerprint: Fingerprint::new() }
    }
}

/// What became of a request for a document.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It was posted now.
    Posted(T),
    /// An earlier request with the same id posted it. This request changed nothing.
    Repeated(T),
}

impl<T> Outcome<T> {
    /// The document, whichever request posted it.
    pub fn into_document(self) -> T {
        match self {
            Self::Posted(document) | Self::Repeated(document) => document,
        }
    }
}

/// A document with the chosen id exists, and another request made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("another document already has the id {0}; choose a new id")]
pub struct IdTaken(pub Uuid);

/// Posts a document once.
///
/// Requests with one chosen id take turns until the transaction ends: the second one finds the document of
/// the first, and returns it.
///
/// # Errors
/// What `find_repeated` and `post` return.
pub async fn once<Id, T, E>(
    tx: &TenantTx,
    request: &Requested<Id>,
    find_repeated: impl Future<Output = Result<Option<T>, E>>,
    post: impl Future<Output = Result<T, E>>,
) -> Result<Outcome<T>, E>
where
    Id: fmt::Display,
    E: From<DbError>,
{
    const CLAIM: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    if request.is_chosen {
        let key = format!("{} {}", tx.tenant().schema, request.id);
        let claim = async { tx.query(CLAIM, &[&key]).err_into().await };
        if let (_, Some(found)) = all((claim, find_repeated)).await? {
            return Ok(Outcome::Repeated(found));
        }
    }
    post.await.map(Outcome::Posted)
}

/// Whether the document with the chosen id exists. `compare` returns, for that id, whether the stored
/// document is the requested one.
///
/// # Errors
/// [`IdTaken`] when it is another one, and [`DbError`].
pub async fn is_repeated<E>(
    tx: &TenantTx,
    id: impl Into<Uuid>,
    compare: &'static str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<bool, E>
where
    E: From<DbError> + From<IdTaken>,
{
    match tx.value_opt::<bool>(compare, params).await? {
        None => Ok(false),
        Some(true) => Ok(true),
        Some(false) => Err(IdTaken(id.into()).into()),
    }
}

/// A quantity of one line of a document.
#[derive(Debug, Clone, Copy)]
pub struct Part<Id> {
    /// The line of the document.
    pub line_id: Id,
    /// How much of the line, in sale units.
    pub quantity: Positive<Quantity>,
}

/// A part that cannot be taken, with its position in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// The part names a line that the document does not have.
    #[error("the document has no such line")]
    UnknownLine {
        /// The position of the part in the request, from 0.
        index: usize,
    },
    /// The parts of a line add up to more than is left of the line.
    #[error("only {left} units of the line are left")]
    MoreThanLeft {
        /// The position of the part in the request, from 0.
        index: usize,
        /// What was left of the line before the request.
        left: Quantity,
    },
}

/// A quantity of one line. `at` is the position of the line in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub at: usize,
    pub quantity: Quantity,
}

/// Adds up what is requested of each line, and checks it against what is left of that line.
///
/// `left` has each line of the document, in its order, with what is left of it.
pub(crate) fn merge<Id: Copy + PartialEq>(
    left: &[(Id, Quantity)],
    parts: impl Iterator<Item = Part<Id>>,
) -> Result<Vec<Share>, PartError> {
    let mut merged: Vec<Share> = Vec::new();
    for (index, part) in parts.enumerate() {
        let of_line = left.iter().position(|(id, _)| *id == part.line_id);
        let at = of_line.ok_or(PartError::UnknownLine { index })?;
        let quantity = part.quantity.get();
        let sum = match merged.iter_mut().find(|share| share.at == at) {
            Some(share) => {
                share.quantity += quantity;
                share.quantity
            }
            None => {
                merged.push(Share { at, quantity });
                quantity
            }
        };
        let (_, left) = left[at];
        if sum > left {
            return Err(PartError::MoreThanLeft { index, left });
        }
    }
    Ok(merged)
}

/// Everything that is left of every line.
pub(crate) fn all_left<Id>(left: &[(Id, Quantity)]) -> Vec<Share> {
    let shares = left.iter().enumerate().map(|(at, (_, left))| Share { at, quantity: *left });
    shares.filter(|share| !share.quantity.is_zero()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    fn part(line_id: u8, text: &str) -> Part<u8> {
        Part { line_id, quantity: Positive::new(quantity(text)).unwrap() }
    }

    #[test]
    fn parts_of_one_line_are_added_up_and_bounded_by_what_is_left() {
        let left = [(1, quantity("5")), (2, quantity("0")), (3, quantity("2"))];
        let merge = |parts: &[Part<u8>]| merge(&left, parts.iter().copied());
        let share = |at, text| Share { at, quantity: quantity(text) };
        assert_eq!(
            merge(&[part(1, "2"), part(3, "1"), part(1, "3")]),
            Ok(vec![share(0, "5"), share(2, "1")])
        );
        let over = PartError::MoreThanLeft { index: 1, left: quantity("5") };
        assert_eq!(merge(&[part(1, "3"), part(1, "2.001")]), Err(over));
        assert_eq!(merge(&[part(9, "1")]), Err(PartError::UnknownLine { index: 0 }));
        assert_eq!(all_left(&left), [share(0, "5"), share(2, "2")]);
    }
}
