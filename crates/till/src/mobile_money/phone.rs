//! The telephone that shows a request to pay.

/// A telephone number with its country code, such as `+254712345678`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone(String);

values::checked_text!(
    Phone,
    PhoneError,
    "A telephone number with its country code: + and 8 to 15 digits",
    values::macros::TextForm::pattern(r"^\+[ -]*[1-9]([ -]*[0-9]){7,14}[ -]*$").such_as("+254712345678")
);

/// The text is no telephone number with its country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a telephone number must begin with + and the country code, and have 8 to 15 digits")]
pub struct PhoneError;

impl Phone {
    /// Spaces and hyphens between the digits are left out.
    ///
    /// # Errors
    /// [`PhoneError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let digits = text.trim().strip_prefix('+').ok_or(PhoneError)?;
        let digits: String = digits.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect();
        let has_form = (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if has_form && !digits.starts_with('0') { Ok(Self(format!("+{digits}"))) } else { Err(PhoneError) }
    }

    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits after the +.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_has_its_country_code() {
        for text in ["+254712345678", " +254 712 345-678 "] {
            assert_eq!(Phone::parse(text).unwrap().as_str(), "+254712345678");
        }
        for text in
            ["0712345678", "254712345678", "+0712345678", "+2547", "+25471234567890123", "+25471x345678", ""]
        {
            assert_eq!(Phone::parse(text), Err(PhoneError), "{text}");
        }
    }
}
