//! Every problem code of the API, with its status, its title and its advice.
//!
//! Clients match on a code, so the name and the status of a code never change. The page `/docs/errors`, the
//! file `docs/errors.md` and the API document are generated from this table.

use serde::{Serialize, Serializer};

mod definition;
mod table;

pub use table::Code;

impl Code {
    /// The code with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// The path of the page about the code, for `type` of a problem document.
    pub fn address(self) -> String {
        format!("/docs/errors/{}", self.as_str())
    }
}

impl utoipa::PartialSchema for Code {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let words: Vec<_> = Self::ALL.iter().map(|code| (code.as_str(), code.title())).collect();
        values::macros::words_schema(
            "The stable name of a problem. Clients must match on it. /docs/errors lists the codes.",
            &words,
        )
    }
}

impl utoipa::ToSchema for Code {}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
