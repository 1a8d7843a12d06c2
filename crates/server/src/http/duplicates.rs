//! JSON objects that name a field twice. A reader would keep one of the values and lose the other.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Finds the first field that is there twice, at any depth, as a JSON Pointer. `None` if there is none, or if
/// the text is not JSON.
pub fn find(json: &[u8]) -> Option<String> {
    let mut found = None;
    let scan = Scan(&mut found);
    let _ = scan.deserialize(&mut serde_json::Deserializer::from_slice(json));
    found
}

/// A step of the path in a JSON Pointer (RFC 6901).
pub fn escaped(name: &str) -> Cow<'_, str> {
    match name.contains(['~', '/']) {
        true => name.replace('~', "~0").replace('/', "~1").into(),
        false => name.into(),
    }
}

/// The pointer to a field that is there twice. It is made on the way out, so a text without one costs no
/// pointers.
struct Scan<'a>(&'a mut Option<String>);

impl Scan<'_> {
    /// Scans a value in this one.
    fn inner(&mut self) -> Scan<'_> {
        Scan(&mut *self.0)
    }

    /// Puts the step to the scanned value in front of the pointer, if there is one.
    fn lead(&mut self, step: impl fmt::Display) {
        if let Some(pointer) = self.0 {
            pointer.insert_str(0, &format!("/{step}"));
        }
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                *self.0 = Some(format!("/{}", escaped(&name)));
                return Err(A::Error::custom("found"));
            }
            let scanned = map.next_value_seed(self.inner());
            scanned.inspect_err(|_| self.lead(escaped(&name)))?;
            names.insert(name);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            let scanned = items.next_element_seed(self.inner());
            if scanned.inspect_err(|_| self.lead(index))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_there_twice_is_found_at_any_depth() {
        for (json, pointer) in [
            (r#"{"a":1,"a":2}"#, Some("/a")),
            (r#"{"a":{"b":1,"c":[],"b":2}}"#, Some("/a/b")),
            (r#"{"lines":[{},{"options":{"Size":"S","Size":"M"}}]}"#, Some("/lines/1/options/Size")),
            (r#"{"a/b":{"\u0061":1,"a":1}}"#, Some("/a~1b/a")),
            (r#"{"a":{"b":1},"c":{"b":1},"d":[1.5,true,null,"x",-1]}"#, None),
            (r#"{"a":1"#, None),
            ("", None),
        ] {
            assert_eq!(find(json.as_bytes()).as_deref(), pointer, "{json}");
        }
    }
}
