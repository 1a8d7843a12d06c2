//! Notes of a program elsewhere about a record: a few names with a text each.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema};

use crate::text::{MetadataName, MetadataText};

/// At most [`Metadata::MAX`] names, each with a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<MetadataName, MetadataText>);

/// There would be too many names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("metadata may have at most {} names", Metadata::MAX)]
pub struct MetadataError;

impl Metadata {
    /// The largest number of names.
    pub const MAX: usize = 50;

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These notes with the changes of a JSON Merge Patch (RFC 7396).
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn patched(&self, patch: &MetadataPatch) -> Result<Self, MetadataError> {
        let mut names = self.0.clone();
        for (name, text) in &patch.0 {
            match text {
                Some(text) => names.insert(name.clone(), text.clone()),
                None => names.remove(name),
            };
        }
        if names.len() <= Self::MAX { Ok(Self(names)) } else { Err(MetadataError) }
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = BTreeMap::deserialize(deserializer)?;
        if names.len() <= Self::MAX { Ok(Self(names)) } else { Err(D::Error::custom(MetadataError)) }
    }
}

/// Changes of notes: a name with a text gets this text, and a name with null is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct MetadataPatch(BTreeMap<MetadataName, Option<MetadataText>>);

fn notes(text: impl Into<RefOr<Schema>>, doc: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(text.into())))
        .max_properties(Some(Metadata::MAX))
        .description(Some(doc))
        .into()
}

impl utoipa::PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let doc = "Notes of your program: at most 50 names of at most 40 characters, with a text each. The \
                   server only stores them.";
        notes(Ref::from_schema_name("MetadataText"), doc)
    }
}

impl utoipa::ToSchema for Metadata {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("MetadataText".to_owned(), <MetadataText as utoipa::PartialSchema>::schema()));
    }
}

impl utoipa::PartialSchema for MetadataPatch {
    fn schema() -> RefOr<Schema> {
        let text = OneOfBuilder::new()
            .item(Ref::from_schema_name("MetadataText"))
            .item(ObjectBuilder::new().schema_type(Type::Null));
        let text = RefOr::T(Schema::from(text));
        notes(text, "Changes of the notes. A name that is left out stays, and null removes a name.")
    }
}

impl utoipa::ToSchema for MetadataPatch {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        <Metadata as utoipa::ToSchema>::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_patch_adds_replaces_and_removes() {
        let stored: Metadata = read(r#"{"a": "1", "b": "2"}"#).unwrap();
        let patched = stored.patched(&read(r#"{"b": null, "c": "3", "a": "x"}"#).unwrap()).unwrap();
        assert_eq!(patched, read(r#"{"a": "x", "c": "3"}"#).unwrap());
    }

    #[test]
    fn there_are_at_most_fifty_names() {
        let names = |count: usize| {
            let names: BTreeMap<String, String> =
                (0..count).map(|at| (format!("n{at}"), "x".into())).collect();
            serde_json::to_string(&names).unwrap()
        };
        let full: Metadata = read(&names(50)).unwrap();
        assert!(read::<Metadata>(&names(51)).unwrap_err().contains("at most 50 names"));
        assert_eq!(full.patched(&read(r#"{"more": "x"}"#).unwrap()), Err(MetadataError));
        assert!(full.patched(&read(r#"{"n1": null, "more": "x"}"#).unwrap()).is_ok());
        for bad in [r#"{"": "x"}"#, r#"{"a": 1}"#, r#"{"a": {"b": "c"}}"#, r#"["a"]"#, r#"{"a": null}"#] {
            assert!(read::<Metadata>(bad).is_err(), "{bad}");
        }
    }
}
