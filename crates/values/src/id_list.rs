//! Several ids in one parameter, separated by commas.

use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::id::read_id;
use crate::word::from_text;

/// 1 to 100 ids of records of the kind `Id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdList<Id> {
    ids: Vec<Uuid>,
    kind: PhantomData<Id>,
}

/// The text is no such list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ids must be 1 to {MAX} UUIDs, separated by commas")]
pub struct IdListError;

/// The largest number of ids: as many as a page has rows.
const MAX: usize = 100;

impl<Id> IdList<Id> {
    /// The ids in the order of the request.
    pub fn ids(&self) -> &[Uuid] {
        &self.ids
    }
}

impl<Id> FromStr for IdList<Id> {
    type Err = IdListError;
    fn from_str(text: &str) -> Result<Self, IdListError> {
        let ids = text.split(',').take(MAX + 1).map(|id| read_id(id.trim()).map_err(|_| IdListError));
        let ids = ids.collect::<Result<Vec<Uuid>, _>>()?;
        if ids.len() <= MAX { Ok(Self { ids, kind: PhantomData }) } else { Err(IdListError) }
    }
}

impl<'de, Id> Deserialize<'de> for IdList<Id> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a string")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_to_a_hundred_ids() {
        let id = "019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10";
        let list = |count: usize| vec![id; count].join(",").parse::<IdList<()>>();
        assert_eq!((list(1).unwrap().ids().len(), list(100).unwrap().ids().len()), (1, 100));
        assert_eq!(list(101), Err(IdListError));
        for text in ["", ",", "x", &format!("{id},"), &format!("{id};{id}")] {
            assert_eq!(text.parse::<IdList<()>>(), Err(IdListError), "{text}");
        }
    }
}
