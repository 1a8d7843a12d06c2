//! Texts as they are compared and as they are searched.
//!
//! Existing businesses got their keys from the migration `equal_names`, which does the same in SQL. A test
//! compares the two.

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;

/// The key of a text: equal texts have equal keys. Letter case, the composition of accents, variation
/// selectors and the kind of white space make no difference (Unicode 3.13, canonical caseless matching).
pub fn equal_key(text: &str) -> String {
    let folded = fold(text.nfd().filter(|c| !is_variation_selector(*c)));
    let words: Vec<&str> = folded.split_whitespace().collect();
    words.join(" ").nfc().collect()
}

/// A text as it is searched: as [`equal_key`], without accents and other differences of form, such as full
/// width.
pub fn search_key(text: &str) -> String {
    let folded = fold(text.nfkd().filter(|c| !is_variation_selector(*c)));
    let mut plain = String::with_capacity(folded.len());
    for c in folded.chars().filter(|c| !is_accent(*c)) {
        match c {
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' => plain.push('d'),
            'ħ' => plain.push('h'),
            'ŧ' => plain.push('t'),
            'ı' => plain.push('i'),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            c => plain.push(c),
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").nfc().collect()
}

/// Full case folding, such as ß to ss and ς to σ.
fn fold(text: impl Iterator<Item = char>) -> String {
    UniCase::unicode(text.collect::<String>()).to_folded_case()
}

fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Marks that are not part of the letter: accents, Hebrew points and Arabic vowel signs.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5BD}' | '\u{64B}'..='\u{652}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// Whether a character has no visible form of its own, or changes the direction of the text around it:
/// control, zero-width and bidirectional characters. Two texts that differ in such characters look the same.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E00FF}'
            | '\u{E01F0}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_make_no_difference() {
        for (one, other) in [
            ("Café", "CAFE\u{301}"),
            ("Straße", "STRASSE"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("Å", "\u{212B}"),
            ("two\u{A0}words", "Two  Words"),
            ("❤\u{FE0F}", "❤"),
        ] {
            assert_eq!(equal_key(one), equal_key(other), "{one} {other}");
        }
        for (one, other) in [("Cafe", "Café"), ("Bolt", "Bolt 2"), ("Ａ", "A")] {
            assert_ne!(equal_key(one), equal_key(other), "{one} {other}");
        }
    }

    #[test]
    fn accents_and_width_make_no_difference_to_a_search() {
        for (one, other) in [
            ("Crème Brûlée", "creme brulee"),
            ("Ｃｏｆｆｅｅ", "coffee"),
            ("Œuf", "oeuf"),
            ("Ørsted", "orsted"),
            ("Łódź", "lodz"),
            ("Tiếng Việt", "tieng viet"),
            ("ﬁne", "fine"),
            ("½", "1⁄2"),
        ] {
            assert_eq!(search_key(one), search_key(other), "{one} {other}");
        }
        assert_ne!(search_key("が"), search_key("か"), "these marks make another letter");
        assert_eq!(search_key("한국"), "한국");
    }

    #[test]
    fn a_key_is_its_own_key() {
        for c in ('\0'..='\u{1FFFF}').filter(|c| !is_invisible(*c)) {
            let key = equal_key(&format!("a{c}b"));
            assert_eq!(equal_key(&key), key, "{c:?}");
        }
    }
}
