//! Keyset pages: a cursor names the last row seen, so a page stays right while rows are inserted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many rows a page has: 1 to 100, 50 unless asked otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Limit(u32);

/// The limit is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit is a number from 1 to {}", Limit::MAX)]
pub struct LimitError;

impl Limit {
    pub const MAX: u32 = 100;

    /// A limit that the code chooses.
    pub const fn of(rows: u32) -> Self {
        assert!(rows >= 1 && rows <= Self::MAX);
        Self(rows)
    }

    /// One row more than the page has: whether it is there tells whether a next page is.
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

/// The key of the last row of a page: `N` UUIDs, opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor<const N: usize>([Uuid; N]);

/// The text is no cursor of this list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list; take nextCursor from its last page")]
pub struct CursorError;

impl<const N: usize> Cursor<N> {
    fn new(key: [Uuid; N]) -> Self {
        Self(key)
    }

    pub fn key(&self) -> [Uuid; N] {
        self.0
    }
}

impl<const N: usize> TryFrom<String> for Cursor<N> {
    type Error = CursorError;
    fn try_from(text: String) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        if bytes.len() != N * 16 {
            return Err(CursorError);
        }
        let mut key = [Uuid::nil(); N];
        for (id, chunk) in key.iter_mut().zip(bytes.chunks_exact(16)) {
            *id = Uuid::from_slice(chunk).map_err(|_| CursorError)?;
        }
        Ok(Self(key))
    }
}

impl<const N: usize> From<Cursor<N>> for String {
    fn from(cursor: Cursor<N>) -> Self {
        URL_SAFE_NO_PAD.encode(cursor.0.iter().flat_map(|id| *id.as_bytes()).collect::<Vec<u8>>())
    }
}

/// Which page of a list is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageRequest<const N: usize> {
    pub limit: Limit,
    pub after: Option<Cursor<N>>,
}

impl<const N: usize> PageRequest<N> {
    /// The `index`-th part of the key to go on after in ascending order: below all keys for the first page, so that the
    /// query needs no second form and its index is used for every page.
    pub fn after(&self, index: usize) -> Uuid {
        self.after.map_or(Uuid::nil(), |cursor| cursor.key()[index])
    }

    /// The same in descending order: above all keys for the first page.
    pub fn before(&self, index: usize) -> Uuid {
        self.after.map_or(Uuid::max(), |cursor| cursor.key()[index])
    }

    /// The same for a list in descending order of numbers, which a cursor holds as [`number_key`] does.
    pub fn before_number(&self, index: usize) -> i64 {
        // A cursor of another kind ends the list, rather than begin it anew.
        self.after.map_or(i64::MAX, |cursor| i64::try_from(cursor.key()[index].as_u128()).unwrap_or(0))
    }

    /// Makes a page of `rows`, fetched with [`Limit::and_one`].
    pub fn page<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> [Uuid; N]) -> Page<T, N> {
        let limit = self.limit.0 as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(|row| Cursor::new(key(row))) } else { None };
        Page { data: rows, next }
    }
}

/// A number as part of a cursor's key.
pub fn number_key(number: i64) -> Uuid {
    Uuid::from_u128(number.unsigned_abs().into())
}

/// Some rows of a list, and where the next page starts.
#[derive(Debug, Clone)]
pub struct Page<T, const N: usize> {
    pub data: Vec<T>,
    pub next: Option<Cursor<N>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_journey() {
        let cursor = Cursor::new([Uuid::now_v7(), Uuid::now_v7()]);
        assert_eq!(Cursor::<2>::try_from(String::from(cursor)), Ok(cursor));
        assert_eq!(Cursor::<1>::try_from(String::from(cursor)), Err(CursorError));
        assert_eq!(Cursor::<1>::try_from("%%%".to_owned()), Err(CursorError));
    }

    #[test]
    fn a_limit_is_1_to_100() {
        assert!(Limit::try_from(0).is_err() && Limit::try_from(101).is_err());
        assert_eq!(Limit::try_from(100).map(Limit::and_one), Ok(101));
    }
}
