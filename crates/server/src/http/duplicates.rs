//! JSON objects that name a field twice. A reader would keep one of the values and lose the other.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Finds the first field that is there twice, at any depth, as a JSON Pointer. `None` if there is none, or if
/// the text is not JSON.
pub fn find(json: &[u8]) -> Option<String> {
    let mut found = None;
    let scan = Scan { path: String::new(), found: &mut found };
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

struct Scan<'a> {
    path: String,
    found: &'a mut Option<String>,
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

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let path = format!("{}/{}", self.path, escaped(&name));
            if !names.insert(name) {
                *self.found = Some(path);
                return Err(A::Error::custom("found"));
            }
            map.next_value_seed(Scan { path, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while items
            .next_element_seed(Scan { path: format!("{}/{index}", self.path), found: &mut *self.found })?
            .is_some()
        {
            index += 1;
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
