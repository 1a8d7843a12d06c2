//! The options of a variant, such as size and colour: names and values are compared without letter case.

use std::collections::BTreeMap;

use values::OptionText;
use values::folding::equal_key;

/// A variant's value of each option.
pub type Options = BTreeMap<OptionText, OptionText>;

/// The options with their names as the product writes them. `None` if they are not the options of the
/// product.
pub(crate) fn named(options: &Options, names: &[OptionText]) -> Option<Options> {
    if options.len() != names.len() {
        return None;
    }
    let by_key: BTreeMap<String, &OptionText> =
        options.iter().map(|(name, value)| (name.key(), value)).collect();
    names.iter().map(|name| Some((name.clone(), (*by_key.get(&name.key())?).clone()))).collect()
}

/// The options of a variant as they are stored. They were checked when they were stored, perhaps by the rules
/// of an earlier release.
pub(crate) type Stored = BTreeMap<String, String>;

/// The options as they are to be stored.
pub(crate) fn stored(options: &Options) -> Stored {
    options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// The key by which variants of a product differ: each name and its value, sorted. Empty without options.
pub(crate) fn key(options: &Stored) -> String {
    let mut keys: Vec<String> = options
        .iter()
        .map(|(name, value)| format!("{}\u{1F}{}", equal_key(name), equal_key(value)))
        .collect();
    keys.sort();
    keys.join("\u{1E}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        let text = |text: &str| OptionText::parse(text).unwrap();
        pairs.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn options_take_the_names_of_the_product() {
        let names = [OptionText::parse("Size").unwrap(), OptionText::parse("Colour").unwrap()];
        let given = options(&[("size", "M"), ("COLOUR", "red")]);
        assert_eq!(named(&given, &names), Some(options(&[("Size", "M"), ("Colour", "red")])));
        assert_eq!(named(&options(&[("size", "M"), ("SIZE", "L")]), &names), None);
        assert_eq!(named(&options(&[("size", "M")]), &names), None);
    }

    #[test]
    fn equal_options_have_equal_keys() {
        let key = |given: &Options| key(&stored(given));
        assert_eq!(
            key(&options(&[("Size", "M"), ("A", "É")])),
            key(&options(&[("size", "m"), ("a", "e\u{301}")]))
        );
        assert_ne!(key(&options(&[("Size", "M")])), key(&options(&[("Size", "L")])));
        assert_eq!(key(&options(&[])), "");
    }
}
