//! Macros that implement the SQL column, the JSON and the API schema of a value type.
//!
//! A crate that uses them needs no dependency on postgres-types, serde or utoipa for that: this module
//! re-exports these libraries.

pub use postgres_types;
pub use serde;
pub use utoipa;
pub use uuid::Uuid;

use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat};

/// The form of a value that is written as a string, for the API document.
#[derive(Debug, Clone, Copy)]
pub struct TextForm<'a> {
    format: Option<&'a str>,
    pattern: Option<&'a str>,
    length: Option<(usize, usize)>,
    example: Option<&'a str>,
}

impl<'a> TextForm<'a> {
    const NONE: Self = Self { format: None, pattern: None, length: None, example: None };

    /// Any text of `least` to `most` characters.
    pub const fn length(least: usize, most: usize) -> Self {
        Self { length: Some((least, most)), ..Self::NONE }
    }

    /// A text that a regular expression (ECMA-262) describes, including its length.
    pub const fn pattern(pattern: &'a str) -> Self {
        Self { pattern: Some(pattern), ..Self::NONE }
    }

    /// A text in a form that has a name in JSON Schema or OpenAPI, such as `uuid`.
    pub const fn format(format: &'a str) -> Self {
        Self { format: Some(format), ..Self::NONE }
    }

    /// The same form, and at most this long.
    #[must_use]
    pub const fn at_most(self, most: usize) -> Self {
        let least = match self.length {
            Some((least, _)) => least,
            None => 0,
        };
        Self { length: Some((least, most)), ..self }
    }

    /// The same form, described by a regular expression.
    #[must_use]
    pub const fn matching(self, pattern: &'a str) -> Self {
        Self { pattern: Some(pattern), ..self }
    }

    /// The same form with an example.
    #[must_use]
    pub const fn such_as(self, example: &'a str) -> Self {
        Self { example: Some(example), ..self }
    }

    /// The schema of a string in this form.
    pub fn schema(self, doc: &str) -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(self.format.map(|format| SchemaFormat::Custom(format.to_owned())))
            .pattern(self.pattern)
            .min_length(self.length.map(|(least, _)| least).filter(|least| *least > 0))
            .max_length(self.length.map(|(_, most)| most))
            .examples(self.example)
            .description(Some(doc.trim()))
            .into()
    }
}

/// The schema of a closed set, with the meaning of each word. An empty meaning is left out.
pub fn words_schema(doc: &str, words: &[(&str, &str)]) -> RefOr<Schema> {
    let mut description = doc.trim().to_owned();
    for (word, meaning) in words.iter().filter(|(_, meaning)| !meaning.is_empty()) {
        description.push_str(&format!("\n- `{word}`: {}", meaning.trim()));
    }
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().map(|(word, _)| *word)))
        .description(Some(description))
        .into()
}

/// Lets a type travel to and from PostgreSQL as the type that it wraps, whose values were checked when they
/// were stored.
#[macro_export]
macro_rules! column_as {
    ($name:ident, $inner:ty) => {
        impl $crate::macros::postgres_types::ToSql for $name {
            fn to_sql(
                &self,
                kind: &$crate::macros::postgres_types::Type,
                out: &mut $crate::macros::postgres_types::private::BytesMut,
            ) -> Result<$crate::macros::postgres_types::IsNull, Box<dyn std::error::Error + Sync + Send>>
            {
                $crate::macros::postgres_types::ToSql::to_sql(&self.0, kind, out)
            }

            fn accepts(kind: &$crate::macros::postgres_types::Type) -> bool {
                <$inner as $crate::macros::postgres_types::ToSql>::accepts(kind)
            }

            $crate::macros::postgres_types::to_sql_checked!();
        }

        impl<'a> $crate::macros::postgres_types::FromSql<'a> for $name {
            fn from_sql(
                kind: &$crate::macros::postgres_types::Type,
                raw: &'a [u8],
            ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
                <$inner as $crate::macros::postgres_types::FromSql>::from_sql(kind, raw).map(Self)
            }

            fn accepts(kind: &$crate::macros::postgres_types::Type) -> bool {
                <$inner as $crate::macros::postgres_types::FromSql>::accepts(kind)
            }
        }
    };
}

/// Implements the text form of a type with `as_str` and `FromStr`: `Display`, and a string in JSON.
#[macro_export]
macro_rules! text_form {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::macros::serde::Serialize for $name {
            fn serialize<S: $crate::macros::serde::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> $crate::macros::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::macros::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                $crate::from_text(deserializer, "a string")
            }
        }
    };
}

/// Implements the text form of a checked text, a tuple struct with one `String` and the functions `parse` and
/// `as_str`: its column in PostgreSQL, its JSON, its schema in the API document with its
/// [`TextForm`](crate::macros::TextForm), `FromStr` and `Display`.
#[macro_export]
macro_rules! checked_text {
    ($name:ident, $error:ty, $doc:literal, $form:expr) => {
        $crate::column_as!($name, String);

        impl std::str::FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                Self::parse(text)
            }
        }

        $crate::text_form!($name);

        impl $crate::macros::utoipa::PartialSchema for $name {
            fn schema()
            -> $crate::macros::utoipa::openapi::RefOr<$crate::macros::utoipa::openapi::schema::Schema> {
                $form.schema($doc)
            }
        }

        impl $crate::macros::utoipa::ToSchema for $name {}
    };
}

/// Makes types for keys of rows: each a UUID in a type of its own, so that swapping two arguments does not
/// compile. The server makes UUIDv7; a client may choose any UUID.
#[macro_export]
macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {$(
        $(#[doc = $doc])+
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            $crate::macros::serde::Serialize,
        )]
        #[serde(crate = "values::macros::serde", transparent)]
        pub struct $name($crate::macros::Uuid);

        $crate::column_as!($name, $crate::macros::Uuid);

        impl $name {
            /// A new UUIDv7. Keys that one process makes later sort after its earlier ones.
            #[expect(clippy::new_without_default, reason = "a default would be another value each time")]
            pub fn new() -> Self {
                Self($crate::macros::Uuid::now_v7())
            }
        }

        impl From<$crate::macros::Uuid> for $name {
            fn from(id: $crate::macros::Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for $crate::macros::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::IdError;
            fn from_str(text: &str) -> Result<Self, $crate::IdError> {
                $crate::read_id(text).map(Self)
            }
        }

        impl<'de> $crate::macros::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::macros::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                $crate::from_text(deserializer, "a string")
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl $crate::Key for $name {
            fn lowest() -> Self {
                Self($crate::macros::Uuid::nil())
            }
            fn highest() -> Self {
                Self($crate::macros::Uuid::max())
            }
        }

        impl $crate::macros::utoipa::PartialSchema for $name {
            fn schema()
            -> $crate::macros::utoipa::openapi::RefOr<$crate::macros::utoipa::openapi::schema::Schema> {
                $crate::macros::TextForm::format("uuid").schema(concat!($($doc, "\n"),+))
            }
        }

        impl $crate::macros::utoipa::ToSchema for $name {}
    )*};
}

/// Makes a closed set: an enum with one spelling of each word, in the database, in JSON and in the API
/// document.
///
/// A word in the database that is not in the set is an [`UnknownWord`](crate::UnknownWord): a later release
/// wrote it, and this one must not take it for a word that it knows.
#[macro_export]
macro_rules! words {
    ($(
        $(#[doc = $doc:literal])+
        $visibility:vis enum $name:ident { $($(#[doc = $meaning:literal])* $variant:ident = $word:literal,)+ }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $visibility enum $name { $($(#[doc = $meaning])* $variant,)+ }

        #[allow(dead_code, reason = "not every set needs all of it")]
        impl $name {
            /// Every word of the set, in its order.
            $visibility const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word, as the database and JSON have it.
            $visibility const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;
            fn from_str(text: &str) -> Result<Self, $crate::UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownWord::new(stringify!($name), text, &[$($word),+])),
                }
            }
        }

        $crate::text_form!($name);

        impl $crate::macros::postgres_types::ToSql for $name {
            fn to_sql(
                &self,
                kind: &$crate::macros::postgres_types::Type,
                out: &mut $crate::macros::postgres_types::private::BytesMut,
            ) -> Result<$crate::macros::postgres_types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
                $crate::macros::postgres_types::ToSql::to_sql(&self.as_str(), kind, out)
            }

            fn accepts(kind: &$crate::macros::postgres_types::Type) -> bool {
                <&str as $crate::macros::postgres_types::ToSql>::accepts(kind)
            }

            $crate::macros::postgres_types::to_sql_checked!();
        }

        impl<'a> $crate::macros::postgres_types::FromSql<'a> for $name {
            fn from_sql(
                kind: &$crate::macros::postgres_types::Type,
                raw: &'a [u8],
            ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
                let text = <&str as $crate::macros::postgres_types::FromSql>::from_sql(kind, raw)?;
                text.parse::<Self>().map_err(|unknown| unknown.in_database().into())
            }

            fn accepts(kind: &$crate::macros::postgres_types::Type) -> bool {
                <&str as $crate::macros::postgres_types::FromSql>::accepts(kind)
            }
        }

        impl $crate::macros::utoipa::PartialSchema for $name {
            fn schema()
            -> $crate::macros::utoipa::openapi::RefOr<$crate::macros::utoipa::openapi::schema::Schema> {
                $crate::macros::words_schema(
                    concat!($($doc, "\n"),+),
                    &[$(($word, concat!("", $($meaning, " "),*))),+],
                )
            }
        }

        impl $crate::macros::utoipa::ToSchema for $name {}
    )+};
}
