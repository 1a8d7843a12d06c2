//! Notes that a browser keeps for this installation for some minutes: sealed, so that nobody else reads or
//! makes one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::signing_in::signing_key::Sealer;

/// A note is of use for so long.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// The content of a sealed note.
#[derive(Serialize, Deserialize)]
struct Note<T> {
    /// Seconds since 1970.
    until: i64,
    value: T,
}

/// No other sealed bytes can be taken for a note.
const PURPOSE: &str = "note of a browser";

/// Seals a note. `None` if it cannot be sealed.
pub fn seal<T: Serialize>(sealer: &Sealer, value: &T) -> Option<String> {
    let note = Note { until: (Utc::now() + LIFETIME).timestamp(), value };
    let (sealed, with) = sealer.seal_bytes(PURPOSE, &serde_json::to_vec(&note).ok()?).ok()?;
    Some(format!("{with}.{}", URL_SAFE_NO_PAD.encode(sealed)))
}

/// Reads a note that a browser presents. `None` if it is none of ours, or too old.
pub fn open<T: DeserializeOwned>(sealer: &Sealer, presented: &str) -> Option<T> {
    let (with, sealed) = presented.split_once('.')?;
    let bytes = sealer.open_bytes(PURPOSE, &URL_SAFE_NO_PAD.decode(sealed).ok()?, with).ok()?;
    let note: Note<T> = serde_json::from_slice(&bytes).ok()?;
    (Utc::now().timestamp() < note.until).then_some(note.value)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::signing_in::hasher::{PasswordKey, PasswordKeys};

    fn sealer(secret: &str) -> Sealer {
        let current = PasswordKey::new(&SecretString::from(secret)).unwrap();
        PasswordKeys { current, former: Vec::new() }.note_sealer()
    }

    #[test]
    fn a_note_is_read_by_its_own_installation_and_unchanged_alone() {
        let ours = sealer("a password key of the tests, long enough");
        let note = seal(&ours, &"query").unwrap();
        assert_eq!(open::<String>(&ours, &note).as_deref(), Some("query"));
        assert_eq!(open::<String>(&sealer("another password key, also long enough"), &note), None);
        let (name, sealed) = note.split_once('.').unwrap();
        let other = if sealed.starts_with('A') { 'B' } else { 'A' };
        let changed = format!("{name}.{other}{}", &sealed[1..]);
        for text in [changed.as_str(), "", ".", &note[..note.len() - 4], sealed] {
            assert_eq!(open::<String>(&ours, text), None, "{text}");
        }
    }
}
