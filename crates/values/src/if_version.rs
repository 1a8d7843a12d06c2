//! The versions of a row that a change may replace.

/// The versions that the client of a change has read. A change of a row with another version is refused,
/// because it would undo what somebody else has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IfVersion(Option<[Option<i32>; IfVersion::MOST]>);

impl IfVersion {
    /// The row may have any version, and need not exist.
    pub const ANY: Self = Self(None);

    /// More versions than a client has read at once. Others are ignored.
    const MOST: usize = 4;

    /// The row must have one of these versions.
    pub fn one_of(versions: impl IntoIterator<Item = i32>) -> Self {
        let mut allowed = [None; Self::MOST];
        for (place, version) in allowed.iter_mut().zip(versions) {
            *place = Some(version);
        }
        Self(Some(allowed))
    }

    /// Whether the row may have this version.
    pub fn allows(self, version: i32) -> bool {
        self.allows_present(Some(version))
    }

    /// Whether the row may be as it is; `None` for a row that does not exist.
    pub fn allows_present(self, version: Option<i32>) -> bool {
        self.0.is_none_or(|allowed| version.is_some() && allowed.contains(&version))
    }

    /// This condition, or `version` if there is none.
    #[must_use]
    pub fn or(self, version: i32) -> Self {
        if self == Self::ANY { Self::one_of([version]) } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_one_of_the_versions() {
        let two = IfVersion::one_of([3, 5]);
        assert!(two.allows(3) && two.allows(5) && !two.allows(4) && !two.allows_present(None));
        assert!(IfVersion::ANY.allows(1) && IfVersion::ANY.allows_present(None));
        assert!(!IfVersion::one_of([]).allows(1));
        assert_eq!(IfVersion::ANY.or(2), IfVersion::one_of([2]));
        assert_eq!(two.or(2), two);
    }
}
