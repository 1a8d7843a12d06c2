//! The key that a program elsewhere gives to a record, and notes of that program about it.

use serde::{Deserialize, Serialize};
use tenancy::DbError;
use tokio_postgres::types::Json;
use values::{ExternalId, ExternalSource, Metadata, MetadataError, MetadataPatch};

use crate::records::edit::Edit;

/// The external id of a record with its source, and its metadata. Stored as one JSON object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnKeys(Json<Stored>);

values::column_as!(OwnKeys, Json<Stored>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<ExternalSource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<ExternalId>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
}

/// The fields that a request sets; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct OwnKeysChange {
    /// The new external id; `Some(None)` removes it with its source.
    pub external_id: Option<Option<ExternalId>>,
    /// The new source of the external id; `Some(None)` means [`DEFAULT_SOURCE`].
    pub external_source: Option<Option<ExternalSource>>,
    /// Changes of the metadata; `Some(None)` removes all of it.
    pub metadata: Option<Option<MetadataPatch>>,
}

/// The source of an external id whose source is not named.
pub const DEFAULT_SOURCE: &str = "default";

/// The key or the notes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnKeysError {
    /// A source without an external id.
    #[error("externalSource must come with an externalId")]
    SourceAlone,
    /// Another record of the same kind has the external id of this source, archived or not.
    #[error("another record has this externalId of this externalSource; change that record instead")]
    InUse,
    /// The metadata would have too many names.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl OwnKeys {
    /// The key and the notes of a new record.
    ///
    /// # Errors
    /// [`OwnKeysError::SourceAlone`].
    pub fn new(
        id: Option<ExternalId>,
        source: Option<ExternalSource>,
        metadata: Option<Metadata>,
    ) -> Result<Self, OwnKeysError> {
        let source = source_of(id.as_ref(), source)?;
        Ok(Self(Json(Stored { source, id, metadata: metadata.unwrap_or_default() })))
    }

    /// The id of the record in the program elsewhere.
    pub fn id(&self) -> Option<&ExternalId> {
        self.0.0.id.as_ref()
    }

    /// The program elsewhere; there is one if there is an id.
    pub fn source(&self) -> Option<&ExternalSource> {
        self.0.0.source.as_ref()
    }

    /// The notes.
    pub fn metadata(&self) -> &Metadata {
        &self.0.0.metadata
    }

    /// The key and the notes after a change, which is noted in `edit`.
    ///
    /// # Errors
    /// [`OwnKeysError`].
    pub(crate) fn edited(&self, edit: &mut Edit<'_>, change: &OwnKeysChange) -> Result<Self, OwnKeysError> {
        let stored = &self.0.0;
        let id = change.external_id.clone().unwrap_or_else(|| stored.id.clone());
        let source = match &change.external_source {
            Some(source) => source_of(id.as_ref(), source.clone())?,
            None => source_of(id.as_ref(), stored.source.clone().filter(|_| id.is_some()))?,
        };
        let metadata = match &change.metadata {
            None => stored.metadata.clone(),
            Some(None) => Metadata::default(),
            Some(Some(patch)) => stored.metadata.patched(patch)?,
        };
        edit.note("externalId", &stored.id, &id);
        edit.note("externalSource", &stored.source, &source);
        edit.note("metadata", &stored.metadata, &metadata);
        Ok(Self(Json(Stored { source, id, metadata })))
    }
}

/// The source to store with an external id.
fn source_of(
    id: Option<&ExternalId>,
    source: Option<ExternalSource>,
) -> Result<Option<ExternalSource>, OwnKeysError> {
    match (id, source) {
        (Some(_), None) => Ok(DEFAULT_SOURCE.parse().ok()),
        (Some(_), source) => Ok(source),
        (None, Some(_)) => Err(OwnKeysError::SourceAlone),
        (None, None) => Ok(None),
    }
}

/// The error of a statement that stores a record with its keys: [`OwnKeysError::InUse`] if another record
/// has the external id.
pub(crate) fn on_write<E: From<OwnKeysError> + From<DbError>>(error: DbError) -> E {
    match error.constraint() {
        Some(constraint) if constraint.ends_with("_external_key") => OwnKeysError::InUse.into(),
        _ => error.into(),
    }
}
