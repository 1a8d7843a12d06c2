//! Languages in which people read.

use icu_locale_core::LanguageIdentifier;

/// A language, with its script and region if they matter (BCP 47), such as `sw-KE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locale(String);

values::checked_text!(
    Locale,
    LocaleError,
    "A language tag (BCP 47), such as en or sw-KE",
    crate::macros::TextForm::pattern("^[A-Za-z0-9]+([-_][A-Za-z0-9]+)*$").at_most(35).such_as("sw-KE")
);

/// The text is not the tag of a language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a language must be a BCP 47 tag, such as en or sw-KE")]
pub struct LocaleError;

impl Locale {
    /// Reads a tag. Letter case makes no difference, and `_` stands for `-`.
    ///
    /// # Errors
    /// [`LocaleError`] when the text has another form, or names no language.
    pub fn parse(text: &str) -> Result<Self, LocaleError> {
        let text = text.trim().replace('_', "-");
        match LanguageIdentifier::try_from_str(&text) {
            Ok(locale) if !locale.language.is_unknown() && text.len() <= 35 => Ok(Self(locale.to_string())),
            _ => Err(LocaleError),
        }
    }

    /// The tag, in its usual letter case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_a_language_tag_in_its_usual_letter_case() {
        for (text, tag) in
            [("en", "en"), (" SW-ke ", "sw-KE"), ("zh-hant-tw", "zh-Hant-TW"), ("es_419", "es-419")]
        {
            assert_eq!(Locale::parse(text).unwrap().as_str(), tag);
        }
        for text in ["", "english language", "und", "e", "en-", "en-US-u-ca-buddhist", "../etc"] {
            assert_eq!(Locale::parse(text), Err(LocaleError), "{text}");
        }
    }
}
