//! Global trade item numbers, as barcodes hold them (GS1 General Specifications, section 7.9).

/// The check digit with which a code of 8, 12, 13 or 14 digits should end. The last digit of `code` has no
/// effect. `None` if the code has another length, or a character that is no digit.
pub fn check_digit(code: &str) -> Option<char> {
    let digits: Vec<u32> = code.chars().map(|c| c.to_digit(10)).collect::<Option<_>>()?;
    if !matches!(digits.len(), 8 | 12 | 13 | 14) {
        return None;
    }
    // From the right, without the check digit itself: 3, 1, 3, 1 ...
    let weighed = digits.iter().rev().skip(1).zip([3, 1].into_iter().cycle());
    let sum: u32 = weighed.map(|(digit, weight)| digit * weight).sum();
    char::from_digit((10 - sum % 10) % 10, 10)
}

/// The 14-digit form of a GTIN, which is the same for all of its forms: GTIN-8, UPC-A, EAN-13 and GTIN-14.
/// `None` for a code that is no GTIN, or whose check digit is wrong.
pub fn number(code: &str) -> Option<String> {
    let is_gtin = check_digit(code).is_some_and(|expected| code.ends_with(expected));
    is_gtin.then(|| format!("{code:0>14}"))
}

/// The forms of a GTIN whose 14-digit form is `number`: that form itself, and the shorter ones without the
/// leading zeros.
pub fn forms(number: &str) -> Vec<&str> {
    let starts = [0, 1, 2, 6].into_iter();
    let forms = starts.filter_map(|start| Some((number.get(..start)?, number.get(start..)?)));
    forms.filter(|(zeros, _)| zeros.bytes().all(|digit| digit == b'0')).map(|(_, form)| form).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_all_its_forms() {
        assert_eq!(forms("00036000291452"), ["00036000291452", "0036000291452", "036000291452"]);
        assert_eq!(forms("00000096385074"), ["00000096385074", "0000096385074", "000096385074", "96385074"]);
        assert_eq!(forms("10614141000415"), ["10614141000415"]);
    }

    #[test]
    fn all_forms_of_a_number_are_one_number() {
        for code in ["036000291452", "0036000291452", "00036000291452"] {
            assert_eq!(number(code).as_deref(), Some("00036000291452"), "{code}");
        }
        assert_eq!(number("96385074").as_deref(), Some("00000096385074"));
        for code in ["036000291453", "12345", "SHELF-1", ""] {
            assert_eq!(number(code), None, "{code}");
        }
    }

    #[test]
    fn the_last_digit_checks_the_others() {
        for code in ["4006381333931", "96385074", "036000291452", "10614141000415"] {
            assert_eq!(check_digit(code), code.chars().last(), "{code}");
        }
        assert_eq!(check_digit("4006381333932"), Some('1'));
        for code in ["", "12345", "400638133393A", "A006381333931"] {
            assert_eq!(check_digit(code), None, "{code}");
        }
    }
}
