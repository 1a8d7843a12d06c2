//! Closed sets: the errors of a text that is no word of its set, and how a value is read from JSON text.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};

/// A text that is no word of its closed set; the message lists the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not allowed here; use one of: {}", .words.join(", "))]
pub struct UnknownWord {
    set: &'static str,
    text: String,
    words: &'static [&'static str],
}

/// A stored word that this release does not know, so a later release wrote it. It is never read as a word
/// that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database contains the word \"{text}\" for {set}, which this release does not know; \
     use a newer release"
)]
pub struct NewerWord {
    set: &'static str,
    text: String,
}

/// Longer texts are cut before they are quoted.
const QUOTED_CHARACTERS: usize = 40;

impl UnknownWord {
    #[doc(hidden)]
    pub fn new(set: &'static str, text: &str, words: &'static [&'static str]) -> Self {
        Self { set, text: text.chars().take(QUOTED_CHARACTERS).collect(), words }
    }

    /// The error for the same text, if the text was read from the database.
    #[must_use]
    pub fn in_database(self) -> NewerWord {
        NewerWord { set: self.set, text: self.text }
    }
}

/// Reads a value from a JSON string with its own parser. A number is refused, because the client may have
/// computed it as a float.
///
/// # Errors
/// The error of the parser; for JSON that is no string, an error that names what was `expected`.
pub fn from_text<'de, D: Deserializer<'de>, T>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    struct Text<T>(&'static str, std::marker::PhantomData<T>);
    impl<T: FromStr> Visitor<'_> for Text<T>
    where
        T::Err: fmt::Display,
    {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(expected, std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use postgres_types::{FromSql as _, Type};

    crate::words! {
        /// How ripe a fruit is.
        pub enum Ripeness {
            /// Not yet.
            Green = "green",
            Ripe = "ripe",
        }
    }

    #[test]
    fn a_word_is_spelled_one_way() {
        assert_eq!(Ripeness::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>(), ["green", "ripe"]);
        assert_eq!("ripe".parse(), Ok(Ripeness::Ripe));
        assert_eq!(serde_json::to_string(&Ripeness::Green).unwrap(), "\"green\"");
        let refused = serde_json::from_str::<Ripeness>("\"Ripe\"").unwrap_err().to_string();
        assert!(refused.contains("\"Ripe\" is not allowed here; use one of: green, ripe"), "{refused}");
    }

    #[test]
    fn a_stored_word_that_is_not_known_is_newer_than_the_release() {
        assert_eq!(Ripeness::from_sql(&Type::TEXT, b"ripe").unwrap(), Ripeness::Ripe);
        let error = Ripeness::from_sql(&Type::TEXT, b"rotten").unwrap_err().to_string();
        assert!(error.contains("\"rotten\"") && error.contains("use a newer release"), "{error}");
    }
}
