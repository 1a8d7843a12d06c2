//! Texts that people enter, checked once.

use std::fmt;
use std::str::FromStr;

use const_format::concatcp;
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use crate::column_as;
use crate::folding::{self, is_invisible};
use crate::macros::TextForm;
use crate::word::from_text;

/// The text is refused; the message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must have 1 to {max} characters, and no control or invisible characters{more}")]
pub struct TextError {
    what: &'static str,
    max: usize,
    more: &'static str,
}

/// Trims `text` and checks its length and characters. PostgreSQL stores no NUL, and texts that differ in
/// invisible characters look the same.
fn check(text: &str, error: TextError, allowed: fn(char) -> bool) -> Result<String, TextError> {
    let text = text.trim();
    if (1..=error.max).contains(&text.chars().count()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(error)
    }
}

macro_rules! texts {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $what:literal, $max:literal, $more:literal, $allowed:expr, $pattern:expr;
    )*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        column_as!($name, String);

        impl $name {
            /// # Errors
            /// [`TextError`] when the trimmed text is empty or too long, or has a forbidden character.
            pub fn parse(text: &str) -> Result<Self, TextError> {
                check(text, TextError { what: $what, max: $max, more: $more }, $allowed).map(Self)
            }

            /// The text, without white space at either end.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Reads a text from a stored JSON document. It was checked when it was stored, perhaps by the
            /// rules of an earlier release.
            ///
            /// # Errors
            /// Only if the value is no string.
            pub fn of_stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self)
            }

            /// The key by which the text is compared: equal texts have equal keys.
            pub fn key(&self) -> String {
                folding::equal_key(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer, "a string")
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                TextForm::length(1, $max).matching($pattern).schema(concat!($($doc, "\n"),+))
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

/// Characters that [`is_invisible`] finds, without those beyond the Basic Multilingual Plane, which not all
/// regular expressions can name.
const INVISIBLE: &str = concatcp!(
    r"\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F",
    r"\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF0-\uFFFB"
);
/// A text of visible characters and spaces.
const PRINTABLE: &str = concatcp!(r"^[^\u0000-\u001F", INVISIBLE, r"]*$");
/// As [`PRINTABLE`], with line breaks and tabs.
const PRINTABLE_LINES: &str = concatcp!(r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F", INVISIBLE, r"]*$");
/// As [`PRINTABLE`], without spaces.
const SOLID: &str = concatcp!(r"^[^\s\u0000-\u001F", INVISIBLE, r"]*$");

fn printable(c: char) -> bool {
    !is_invisible(c)
}

texts! {
    /// The name of a thing, a person or a business, such as a product, a location or a customer.
    Name: "a name", 200, "", printable, PRINTABLE;
    /// The code of a variant (stock-keeping unit), as the business or a supplier writes it.
    Sku: "a SKU", 64, "", printable, PRINTABLE;
    /// The code that a barcode scanner reads.
    Barcode: "a barcode", 64, " or spaces", |c| !is_invisible(c) && !c.is_whitespace(), SOLID;
    /// The name of an option, or a variant's value of it.
    OptionText: "an option", 60, "", printable, PRINTABLE;
    /// A line of text, such as an email address, a telephone number or the number of a delivery note.
    ShortText: "a line of text", 200, "", printable, PRINTABLE;
    /// A word by which a product can be found.
    ProductTag: "a tag", 50, "", printable, PRINTABLE;
    /// The reason for a change of stock, of a price or of an order.
    Reason: "a reason", 100, "", printable, PRINTABLE;
    /// Free text. It may have several lines.
    Note: "a text", 2000, " except line breaks and tabs",
        |c| !is_invisible(c) || matches!(c, '\n' | '\r' | '\t'), PRINTABLE_LINES;
    /// The id of a record in a program elsewhere.
    ExternalId: "an external id", 200, "", printable, PRINTABLE;
    /// The program elsewhere to which an external id belongs, such as shopify.
    ExternalSource: "an external source", 40, " or spaces", |c| !is_invisible(c) && !c.is_whitespace(), SOLID;
    /// The name of a note in metadata.
    MetadataName: "a name in metadata", 40, "", printable, PRINTABLE;
    /// A note in metadata.
    MetadataText: "a text in metadata", 500, " except line breaks and tabs",
        |c| !is_invisible(c) || matches!(c, '\n' | '\r' | '\t'), PRINTABLE_LINES;
    /// The text to search for.
    SearchText: "a search text", 100, "", printable, PRINTABLE;
}

/// The text to search for, as a client sends it. An empty text finds everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery(Option<SearchText>);

impl SearchQuery {
    /// The text; `None` for everything.
    pub fn text(self) -> Option<SearchText> {
        self.0
    }
}

impl FromStr for SearchQuery {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.trim().is_empty() { Ok(Self(None)) } else { SearchText::parse(text).map(Some).map(Self) }
    }
}

impl<'de> Deserialize<'de> for SearchQuery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a string")
    }
}

impl utoipa::PartialSchema for SearchQuery {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        TextForm::length(0, 100).matching(PRINTABLE).such_as("bolt").schema("The text to search for")
    }
}

impl utoipa::ToSchema for SearchQuery {}

impl SearchText {
    /// The words of the text, as they are searched.
    pub fn words(&self) -> SearchWords {
        let key = folding::search_key(&self.0);
        let mut words: Vec<&str> = key.split(' ').collect();
        words.sort_by_key(|word| word.chars().count());
        let longest = words.pop().unwrap_or_default();
        SearchWords {
            has_trigram: longest.chars().nth(2).is_some(),
            longest: pattern(longest),
            others: words.into_iter().map(pattern).collect(),
        }
    }
}

/// Words, each of which a found text contains, in any order.
#[derive(Debug, Clone)]
pub struct SearchWords {
    longest: String,
    others: Vec<String>,
    has_trigram: bool,
}

impl SearchWords {
    /// Whether the longest word has at least three characters. A trigram index finds nothing shorter.
    pub fn has_trigram(&self) -> bool {
        self.has_trigram
    }

    /// The pattern of the longest word, and those of the other words, for LIKE.
    pub fn patterns(&self) -> (&String, &[String]) {
        (&self.longest, &self.others)
    }
}

/// A pattern that finds a word anywhere; `%`, `_` and `\` of the word stand for themselves.
fn pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl SearchText {
    /// A pattern for LIKE that finds the digits of a telephone number, however it is written. `None` for a
    /// text with other characters than those of a telephone number, or with fewer than three digits.
    pub fn pattern_of_digits(&self) -> Option<String> {
        let is_number = self.0.chars().all(|c| c.is_ascii_digit() || " +-/().".contains(c));
        let digits: String = self.0.chars().filter(char::is_ascii_digit).collect();
        (is_number && digits.len() >= 3).then(|| format!("%{digits}%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_is_its_digits() {
        let pattern = |text: &str| SearchText::parse(text).unwrap().pattern_of_digits();
        assert_eq!(pattern("+254 (700) 000-001").as_deref(), Some("%254700000001%"));
        assert_eq!((pattern("12"), pattern("Ann 700")), (None, None));
    }

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(Name::parse("  Bolt M8 ").unwrap().as_str(), "Bolt M8");
        for text in ["", "   ", "a\0b", "a\nb", "a\u{200B}b", "a\u{202E}b", "a\u{FEFF}", &"x".repeat(201)] {
            assert!(Name::parse(text).is_err(), "{text:?}");
        }
        assert!(Note::parse("two\nlines").is_ok());
        assert!(Barcode::parse("400 123").is_err());
    }

    #[test]
    fn a_search_text_means_itself() {
        let words = SearchText::parse(r"\É 100%_a").unwrap().words();
        assert_eq!(words.patterns(), (&r"%100\%\_a%".to_owned(), [r"%\\e%".to_owned()].as_slice()));
    }
}
