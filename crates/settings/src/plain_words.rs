//! Refuses values of the wrong type in plain words. The libraries that read the configuration speak of Rust's
//! types, and turn `true` and `1.5` into whole numbers.

use std::collections::HashMap;

use config::{Config, Value, ValueKind};

use crate::settings::{SettingsError, refuse};
use crate::sources::is_secret;

/// What `config/default.toml` says about a key: the type of its value, and the sentence with its range or its
/// values.
struct Documented {
    kind: Kind,
    range: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Truth,
    List,
    Text,
}

impl Kind {
    fn of(value: &ValueKind) -> Self {
        match value {
            ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => Self::Whole,
            ValueKind::Boolean(_) => Self::Truth,
            ValueKind::Array(_) => Self::List,
            _ => Self::Text,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Whole => "must be a whole number",
            Self::Truth => "must be true or false",
            Self::List => {
                "must be a list, such as [\"a\", \"b\"]; in a variable, the items are separated by commas"
            }
            Self::Text => "must be text",
        }
    }
}

/// The keys of the default file, by their names with the section.
pub(crate) struct Documentation(HashMap<String, Documented>);

impl Documentation {
    /// Reads the default file: `values` is its content as a configuration, `text` as it is written.
    pub(crate) fn read(values: &Config, text: &str) -> Self {
        let mut keys = HashMap::new();
        let ranges = ranges(text);
        for (section, value) in tables(&values.cache) {
            for (name, value) in tables(value) {
                let key = format!("{section}.{name}");
                let range = ranges.get(&key).cloned().unwrap_or_default();
                keys.insert(key, Documented { kind: Kind::of(&value.kind), range });
            }
        }
        Self(keys)
    }

    /// Checks the type of every value.
    ///
    /// # Errors
    /// [`SettingsError::Value`].
    pub(crate) fn check_types(&self, values: &Config) -> Result<(), SettingsError> {
        for (section, value) in tables(&values.cache) {
            for (name, value) in tables(value) {
                let key = format!("{section}.{name}");
                let Some(documented) = self.0.get(&key) else { continue };
                if documented.kind != Kind::Text && documented.kind != Kind::of(&value.kind) {
                    let expected = documented.kind.expected();
                    let shown = if is_secret(&key) { "the value".to_owned() } else { format!("\"{value}\"") };
                    let problem = format!("{shown} is refused: it {expected}{}", documented.range);
                    return Err(refuse(&key, problem));
                }
            }
        }
        Ok(())
    }

    /// Says in plain words why the value of `key` was refused. `told` is the text of the library or of the
    /// type of the value.
    pub(crate) fn explain(&self, key: &str, told: &str) -> SettingsError {
        // The name of the key, which the library appends, is said already.
        let told = told.split(" for key `").next().unwrap_or(told);
        let whole = key.split('[').next().unwrap_or(key);
        let documented = self.0.get(whole);
        let problem = match documented {
            _ if told.starts_with("unknown field") => {
                "there is no such key; config/default.toml lists all keys".to_owned()
            }
            _ if told.starts_with("invalid socket address") => {
                "must be an address with a port, like 127.0.0.1:8080".to_owned()
            }
            _ if told.starts_with("invalid IP address") => "must be a network, like 10.0.0.0/8".to_owned(),
            Some(documented) if documented.kind == Kind::Whole => {
                format!("must be a whole number{}", documented.range)
            }
            Some(documented) if told.contains("enum") => {
                format!("the value is unknown{}", documented.range)
            }
            _ if told.starts_with("invalid type") => "must be text".to_owned(),
            _ => told.to_owned(),
        };
        refuse(key, problem)
    }
}

fn tables(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let table = match &value.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    };
    table.into_iter().flatten()
}

/// The sentences of the comments that begin with `Range:` or `Values:`, by key.
fn ranges(text: &str) -> HashMap<String, String> {
    let (mut section, mut comment, mut found) = ("", String::new(), HashMap::new());
    for line in text.lines() {
        if let Some(more) = line.strip_prefix("# ") {
            comment = format!("{comment} {more}");
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let sentence = ["Range:", "Values:"].iter().find_map(|word| comment.find(word));
        if let Some(at) = sentence {
            let key = format!("{section}.{}", line.split(' ').next().unwrap_or_default());
            found.insert(key, format!(". {}", comment[at..].trim_end_matches('.')));
        }
        comment.clear();
    }
    found
}
