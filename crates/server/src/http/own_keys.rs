//! The key and the notes of a program elsewhere, as answers show them.

use inventory::own_keys::OwnKeys;
use serde::Serialize;
use utoipa::ToSchema;
use values::{ExternalId, ExternalSource, Metadata};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnKeysView {
    /// The id of the record in another program. null if it has none.
    external_id: Option<ExternalId>,
    /// The program of the externalId. null without an externalId.
    external_source: Option<ExternalSource>,
    /// Notes of that program.
    metadata: Metadata,
}

impl From<OwnKeys> for OwnKeysView {
    fn from(own_keys: OwnKeys) -> Self {
        Self {
            external_id: own_keys.id().cloned(),
            external_source: own_keys.source().cloned(),
            metadata: own_keys.metadata().clone(),
        }
    }
}
