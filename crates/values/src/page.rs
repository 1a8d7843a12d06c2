//! Keyset pages: a cursor names the last row of a page, so pages stay right while rows are inserted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use uuid::Uuid;

use crate::macros::TextForm;

/// How many rows a page has at most: 1 to 100; defaults to 50.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Limit(u32);

/// The limit is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit must be a number from 1 to {}", Limit::MAX)]
pub struct LimitError;

impl Limit {
    /// The largest number of rows that a client may request for one page.
    pub const MAX: u32 = 100;

    /// A limit that the code chooses.
    ///
    /// # Panics
    /// If `rows` is not from 1 to [`Limit::MAX`].
    pub const fn of(rows: u32) -> Self {
        assert!(rows >= 1 && rows <= Self::MAX);
        Self(rows)
    }

    /// The number of rows.
    pub fn rows(self) -> i64 {
        i64::from(self.0)
    }

    /// One row more than the page has: if PostgreSQL returns it, there is a next page.
    pub fn and_one(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<u32> for Limit {
    type Error = LimitError;
    fn try_from(limit: u32) -> Result<Self, LimitError> {
        if (1..=Self::MAX).contains(&limit) { Ok(Self(limit)) } else { Err(LimitError) }
    }
}

impl utoipa::PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Self::MAX))
            .default(Some(50.into()))
            .description(Some("How many rows the page has"))
            .into()
    }
}

impl utoipa::ToSchema for Limit {}

/// The key of the last row of a page; opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

/// The text is not a cursor of this list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cursor does not belong to this list with these filters; use the nextCursor of the previous page, \
     and change no other parameter than limit"
)]
pub struct CursorError;

/// The list to which a cursor belongs, with its filters: a few bytes that differ between lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListTag([u8; Self::LENGTH]);

impl ListTag {
    const LENGTH: usize = 6;

    /// A tag of the first bytes of a digest of the list.
    pub fn of_digest(digest: &[u8]) -> Self {
        let mut tag = Self::default();
        for (byte, digested) in tag.0.iter_mut().zip(digest) {
            *byte = *digested;
        }
        tag
    }
}

impl Cursor {
    fn of(list: ListTag, key: &impl Serialize) -> Self {
        let mut bytes = list.0.to_vec();
        // A key is an id, a number, a moment or a tuple of them, all of which JSON can hold.
        bytes.extend(serde_json::to_vec(key).unwrap_or_default());
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The key in this list, which is ordered by `K`.
    ///
    /// # Errors
    /// [`CursorError`] when the cursor is malformed, belongs to another list or to other filters, or holds a
    /// key that PostgreSQL cannot store.
    pub fn key<K: Key>(&self, list: ListTag) -> Result<K, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| CursorError)?;
        let key = bytes.strip_prefix(&list.0).ok_or(CursorError)?;
        let key: K = serde_json::from_slice(key).map_err(|_| CursorError)?;
        if key.is_storable() { Ok(key) } else { Err(CursorError) }
    }
}

impl utoipa::PartialSchema for Cursor {
    fn schema() -> RefOr<Schema> {
        TextForm::pattern("^[A-Za-z0-9_-]+$")
            .such_as("AZqMTnoQfD2fK21eTDsqEA")
            .schema("The nextCursor of the previous page. Its content has no meaning for clients.")
    }
}

impl utoipa::ToSchema for Cursor {}

/// What a list is ordered by: an id, a number, a moment, or a pair of such keys.
pub trait Key: Serialize + DeserializeOwned + Clone {
    /// Below every key. The first page starts here, so that every page is the same statement and uses the
    /// same index.
    fn lowest() -> Self;
    /// Above every key.
    fn highest() -> Self;
    /// Whether PostgreSQL can store such a key: a cursor comes from a client.
    fn is_storable(&self) -> bool {
        true
    }
}

impl Key for i64 {
    fn lowest() -> Self {
        Self::MIN
    }
    fn highest() -> Self {
        Self::MAX
    }
}

impl Key for Uuid {
    fn lowest() -> Self {
        Self::nil()
    }
    fn highest() -> Self {
        Self::max()
    }
}

impl Key for DateTime<Utc> {
    fn lowest() -> Self {
        Self::UNIX_EPOCH
    }
    fn highest() -> Self {
        // The first moment of the year 10000.
        Self::from_timestamp(253_402_300_800, 0).unwrap_or(Self::MAX_UTC)
    }
    fn is_storable(&self) -> bool {
        (1970..=10_000).contains(&self.year())
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn lowest() -> Self {
        (A::lowest(), B::lowest())
    }
    fn highest() -> Self {
        (A::highest(), B::highest())
    }
    fn is_storable(&self) -> bool {
        self.0.is_storable() && self.1.is_storable()
    }
}

/// Which page of a list that is ordered by `K` is wanted.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<K> {
    /// The largest number of rows on the page. Defaults to 50.
    pub limit: Limit,
    /// The key of the last row of the previous page. `None` for the first page.
    pub after: Option<K>,
    /// The list, for the cursor of the next page.
    pub list: ListTag,
}

impl<K> Default for PageRequest<K> {
    fn default() -> Self {
        Self { limit: Limit::default(), after: None, list: ListTag::default() }
    }
}

impl<K: Key> PageRequest<K> {
    /// The key after which the page starts, in ascending order.
    pub fn above(&self) -> K {
        self.after.clone().unwrap_or_else(K::lowest)
    }

    /// The key after which the page starts, in descending order.
    pub fn below(&self) -> K {
        self.after.clone().unwrap_or_else(K::highest)
    }

    /// Makes a page of `rows` that were read with [`Limit::and_one`].
    pub fn page<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> K) -> Page<T> {
        let limit = self.limit.0 as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(|row| Cursor::of(self.list, &key(row)));
        Page { data: rows, next }
    }
}

/// Some rows of a list, and where the next page starts.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows of the page, in the order of the list.
    pub data: Vec<T>,
    /// The cursor for the next page. `None` on the last page.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_journey() {
        let key = (DateTime::<Utc>::from_timestamp_micros(1_790_000_000_123_456).unwrap(), 42);
        let (list, other) = (ListTag::of_digest(b"orders"), ListTag::of_digest(b"customers"));
        let cursor = Cursor::of(list, &key);
        assert_eq!(cursor.key::<(DateTime<Utc>, i64)>(list), Ok(key));
        assert_eq!(cursor.key::<(DateTime<Utc>, i64)>(other), Err(CursorError));
        assert_eq!(cursor.key::<i64>(list), Err(CursorError));
        assert_eq!(Cursor("%%%".to_owned()).key::<i64>(list), Err(CursorError));
        let id = Uuid::now_v7();
        assert_eq!(Cursor::of(list, &id).key::<Uuid>(list), Ok(id));
    }

    #[test]
    fn a_moment_that_postgresql_cannot_store_is_not_a_key() {
        for moment in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let list = ListTag::default();
            assert_eq!(Cursor::of(list, &moment).key::<DateTime<Utc>>(list), Err(CursorError));
        }
        assert!(DateTime::<Utc>::highest().is_storable() && DateTime::<Utc>::lowest().is_storable());
    }

    #[test]
    fn a_page_has_a_next_one_when_there_is_a_row_more() {
        let request = PageRequest::<i64> { limit: Limit::of(2), ..PageRequest::default() };
        let page = request.page(vec![9, 8, 7], |number| *number);
        assert_eq!((page.data, page.next.unwrap().key(ListTag::default())), (vec![9, 8], Ok(8)));
        assert!(request.page(vec![9, 8], |number| *number).next.is_none());
    }

    #[test]
    fn a_limit_is_1_to_100() {
        assert!(Limit::try_from(0).is_err() && Limit::try_from(101).is_err());
        assert_eq!(Limit::try_from(100).map(Limit::and_one), Ok(101));
    }
}
