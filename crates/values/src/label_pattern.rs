//! Barcodes of labels that a scale prints: they hold an article and its weight or its amount.

use crate::{Money, Quantity, gtin};

/// The pattern of such a barcode, with one character for each of its 13 digits and, in the weight or the
/// amount, a decimal point. A barcode begins with the digits with which the pattern begins; `I` is a digit of
/// the article, `Q` of the quantity, `A` of the amount, `X` any digit, and `C` the check digit. An example is
/// `21IIIIIQQ.QQQC`. GS1 gives the prefixes 02 and 20 to 29 to shops for codes of their own (General
/// Specifications, section 1.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelPattern(String);

values::checked_text!(
    LabelPattern,
    LabelPatternError,
    "The pattern of a barcode that a scale prints: 02 or 20 to 29, then I for each digit of the article, Q \
     for each digit of the quantity or A for each digit of the amount, with a decimal point, X for any \
     digit, and C for the check digit; 13 digits in all, such as 21IIIIIQQ.QQQC",
    crate::macros::TextForm::pattern(r"^(02|2[0-9])[0-9IQAX.]+C$").at_most(14).such_as("21IIIIIQQ.QQQC")
);

/// The text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a label pattern must have 13 digits, such as 21IIIIIQQ.QQQC: first 02 or 20 to 29, then I for the \
     article and Q for the quantity or A for the amount, each in one piece, and last C for the check digit; \
     a decimal point may stand in the quantity or the amount"
)]
pub struct LabelPatternError;

/// The content of a barcode that a scale printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The digits of the article, with leading zeros.
    pub article: String,
    /// The weight or the amount, greater than zero.
    pub measure: Measure,
}

/// The value that a scale printed beside the article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A quantity, in sale units.
    Quantity(Quantity),
    /// An amount, in the currency of the business.
    Amount(Money),
}

impl LabelPattern {
    /// # Errors
    /// [`LabelPatternError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, LabelPatternError> {
        let digits: String = text.chars().filter(|c| *c != '.').collect();
        let fixed = digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let is_for_shops = digits.starts_with("02") || (digits.starts_with('2') && fixed >= 2);
        // Each letter stands in one piece.
        let piece = |letter| {
            let count = text.matches(letter).count();
            let start = text.find(letter)?;
            Some(&text[start..]).filter(|rest| {
                rest.chars().take_while(|c| *c == letter || *c == '.').filter(|c| *c == letter).count()
                    == count
            })
        };
        let (quantity, amount) = (piece('Q'), piece('A'));
        let is_one_measure =
            quantity.is_some() != amount.is_some() && !(text.contains('Q') && text.contains('A'));
        let (letter, most_decimals) = if quantity.is_some() { ('Q', 3) } else { ('A', 4) };
        let has_right_point = text.split_once('.').is_none_or(|(before, after)| {
            let decimals = after.chars().take_while(|c| *c == letter).count();
            before.ends_with(letter) && (1..=most_decimals).contains(&decimals) && !after.contains('.')
        });
        let has_form = digits.len() == 13
            && digits.is_ascii()
            && is_for_shops
            && digits[fixed..12].chars().all(|c| matches!(c, 'I' | 'Q' | 'A' | 'X'))
            && digits.ends_with('C')
            && piece('I').is_some()
            && is_one_measure
            && has_right_point;
        if has_form { Ok(Self(text.to_owned())) } else { Err(LabelPatternError) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a barcode. UPC-A counts as EAN-13 with a zero before it.
    ///
    /// `None` if the barcode has another form, a wrong check digit, or a measure of zero.
    pub fn read(&self, code: &str) -> Option<Label> {
        let number = gtin::number(code)?;
        let code = number.strip_prefix('0')?;
        let (mut digits, mut article, mut measure) = (code.chars(), String::new(), String::new());
        for mark in self.0.chars() {
            if mark == '.' {
                measure.push('.');
                continue;
            }
            let digit = digits.next()?;
            match mark {
                'I' => article.push(digit),
                'Q' | 'A' => measure.push(digit),
                'X' | 'C' => {}
                fixed if fixed == digit => {}
                _ => return None,
            }
        }
        let measure = match self.0.contains('Q') {
            true => Measure::Quantity(Quantity::parse(&measure).ok().filter(|value| value.is_positive())?),
            false => Measure::Amount(Money::parse(&measure).ok().filter(|value| value.is_positive())?),
        };
        Some(Label { article, measure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Measure {
        Measure::Quantity(Quantity::parse(text).unwrap())
    }

    #[test]
    fn a_label_has_an_article_and_a_measure() {
        let weight = LabelPattern::parse("21IIIIIQQ.QQQC").unwrap();
        let label = weight.read("2112345004525").unwrap();
        assert_eq!((label.article.as_str(), label.measure), ("12345", quantity("0.452")));
        let amount = LabelPattern::parse("02IIIIIAAA.AAC").unwrap();
        let label = amount.read("212345003404").unwrap();
        assert_eq!(
            (label.article.as_str(), label.measure),
            ("12345", Measure::Amount(Money::parse("3.40").unwrap()))
        );
        assert_eq!(amount.read("0212345003404"), Some(label));
        let whole = LabelPattern::parse("29IIIIXXQQQQC").unwrap();
        let label = whole.read("2900079900127").unwrap();
        assert_eq!((label.article.as_str(), label.measure), ("0007", quantity("12")));
        // Another prefix, a wrong check digit, nothing, and no GTIN.
        for code in ["2212345004522", "2112345004524", "2112345000008", "12345", "SHELF-1"] {
            assert_eq!(weight.read(code), None, "{code}");
        }
    }

    #[test]
    fn a_pattern_has_thirteen_digits() {
        for text in ["21IIIIIQQ.QQQC", "02IIIIIAAA.AAC", "20IIIIIIQQQQC", "2112IIIAAAA.AC", "28IIIIXAAAAAC"] {
            assert_eq!(LabelPattern::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "21IIIIIQQQQQ",
            "21IIIIIQQQQQQC",
            "21IIIIIQQQQQX",
            "40IIIIIQQQQQC",
            "2IIIIIIQQQQQC",
            "21QQQQQQQQQQC",
            "21IIIIIXXXXXC",
            "21IIIIIQQQAAC",
            "21IIQIIQQQQQC",
            "21IIQQQQQIIIC",
            "21IIIII.QQQQQC",
            "21IIIIIQQQQQ.C",
            "21IIIIIQ.QQQQC",
            "21IIIIIQ.QQ.QQC",
            "21III.IIQQQQQC",
            "21iiiiiqqqqqc",
            "21IIIII\u{e4}QQQQC",
        ] {
            assert_eq!(LabelPattern::parse(text), Err(LabelPatternError), "{text}");
        }
    }
}
