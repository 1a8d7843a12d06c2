//! Ids in the one form in which they are written.

use uuid::Uuid;

/// The text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id must be a UUID such as 019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10")]
pub struct IdError;

/// Reads a UUID in its usual form, with hyphens (RFC 9562, section 4). Letter case makes no difference. Other
/// forms, such as without hyphens, are refused: two texts for one id would be two addresses of one resource.
///
/// # Errors
/// [`IdError`] when the text has another form.
pub fn read_id(text: &str) -> Result<Uuid, IdError> {
    const LENGTH: usize = 36;
    if text.len() != LENGTH {
        return Err(IdError);
    }
    Uuid::try_parse(text).map_err(|_| IdError)
}

crate::ids! {
    /// The id of a record of any kind.
    AnyId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        let id = read_id("019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10").unwrap();
        assert_eq!(read_id("019A8C4E-7A10-7C3D-9F2B-6D5E4C3B2A10"), Ok(id));
        for text in [
            "",
            "019a8c4e7a107c3d9f2b6d5e4c3b2a10",
            "{019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10}",
            "urn:uuid:019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a10",
            "019a8c4e-7a10-7c3d-9f2b-6d5e4c3b2a1g",
        ] {
            assert_eq!(read_id(text), Err(IdError), "{text}");
        }
    }
}
