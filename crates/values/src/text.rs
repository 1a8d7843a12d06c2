//! Texts that people enter, checked once.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The text is refused; the message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has 1 to {max} characters and no control characters{more}")]
pub struct TextError {
    what: &'static str,
    max: usize,
    more: &'static str,
}

/// Trims `text` and checks its length and characters. PostgreSQL stores no NUL, and people see no other control either.
fn check(text: &str, error: TextError, allowed: fn(char) -> bool) -> Result<String, TextError> {
    let text = text.trim();
    if (1..=error.max).contains(&text.chars().count()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(error)
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $max:literal, $more:literal, $allowed:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// [`TextError`].
            pub fn parse(text: &str) -> Result<Self, TextError> {
                check(text, TextError { what: $what, max: $max, more: $more }, $allowed).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;
            fn try_from(text: String) -> Result<Self, TextError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

fn printable(c: char) -> bool {
    !c.is_control()
}

texts! {
    /// The name of a product, a category or a business.
    Name: "a name", 200, "", printable;
    /// A stock-keeping unit's code, as the shop writes it.
    Sku: "a SKU", 64, "", printable;
    /// What a scanner reads.
    Barcode: "a barcode", 64, " or spaces", |c| !c.is_control() && !c.is_whitespace();
    /// The name of an option axis, or a variant's value on it.
    OptionText: "an option", 60, "", printable;
    /// A line of text: an address, a telephone number.
    ShortText: "a line of text", 200, "", printable;
    /// A word by which products are found.
    ProductTag: "a tag", 50, "", printable;
    /// Why stock was changed by hand.
    Reason: "a reason", 100, "", printable;
    /// Free text of several lines.
    Note: "a text", 2000, " but line breaks and tabs", |c| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    /// What somebody looks for in the catalogue.
    SearchText: "a search text", 100, "", printable;
}

impl SearchText {
    /// Whether there are three characters, with which a trigram index finds something.
    pub fn has_trigram(&self) -> bool {
        self.0.chars().nth(2).is_some()
    }

    /// A pattern for ILIKE that finds the text anywhere, its own `%`, `_` and `\` taken literally.
    pub fn pattern(&self) -> String {
        let mut pattern = String::from("%");
        for c in self.0.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(Name::parse("  Bolt M8 ").unwrap().as_str(), "Bolt M8");
        for text in ["", "   ", "a\0b", "a\nb", &"x".repeat(201)] {
            assert!(Name::parse(text).is_err(), "{text:?}");
        }
        assert!(Note::parse("two\nlines").is_ok());
        assert!(Barcode::parse("400 123").is_err());
    }

    #[test]
    fn a_search_text_means_itself() {
        assert_eq!(SearchText::parse(r"100%_a\b").unwrap().pattern(), r"%100\%\_a\\b%");
    }
}
