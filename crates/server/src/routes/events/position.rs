//! The position of a client among the events of a business: the id of the last event that it has seen.

use events::Extent;

/// A position as clients know it, such as `4f2a91c0.1207`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Positions of another epoch mean other events.
    pub epoch: String,
    /// The position of the last event that the client has seen.
    pub last: i64,
}

/// Why a client cannot go on after a position. It must read again whatever it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// Events after the position were deleted, because they are too old.
    TooOld,
    /// The position belongs to another database, or to a time before a restore.
    OtherDatabase,
    /// The text is no position.
    NoPosition,
}

impl Position {
    /// Reads a position.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, last) = text.split_once('.')?;
        let is_epoch = epoch.len() == 8 && epoch.bytes().all(|b| b.is_ascii_hexdigit());
        let is_number = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
        let last = last.parse().ok().filter(|_| is_epoch && is_number)?;
        Some(Self { epoch: epoch.to_owned(), last })
    }

    /// The place after the last event of a business.
    pub fn end(extent: &Extent) -> Self {
        Self { epoch: extent.epoch.clone(), last: extent.last }
    }

    /// Whether the events after the position are all there.
    ///
    /// # Errors
    /// The reason why they are not.
    pub fn check(&self, extent: &Extent) -> Result<(), ResetReason> {
        if self.epoch != extent.epoch || self.last > extent.last {
            return Err(ResetReason::OtherDatabase);
        }
        if self.last < extent.before_first { Err(ResetReason::TooOld) } else { Ok(()) }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_valid_in_its_epoch_and_while_its_events_are_kept() {
        let extent = Extent { epoch: "4f2a91c0".to_owned(), before_first: 10, last: 20 };
        let check = |text: &str| Position::parse(text).unwrap().check(&extent);
        assert_eq!((check("4f2a91c0.10"), check("4f2a91c0.20")), (Ok(()), Ok(())));
        assert_eq!(check("4f2a91c0.9"), Err(ResetReason::TooOld));
        assert_eq!(check("4f2a91c0.21"), Err(ResetReason::OtherDatabase));
        assert_eq!(check("4f2a91c1.15"), Err(ResetReason::OtherDatabase));
        for text in ["", "12", "4f2a91c0", "4f2a91c0.", "4f2a91c0.-1", "4f2a91c0.1.2", "4f2a91cg.1", "f.1"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
