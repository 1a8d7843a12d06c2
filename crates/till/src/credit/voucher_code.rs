//! The codes of vouchers. A code is enough to spend its voucher.

use uuid::Uuid;

/// The code of a voucher.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VoucherCode(String);

values::checked_text!(
    VoucherCode,
    VoucherCodeError,
    "The code of a voucher: 6 to 40 of A-Z, 0-9 and hyphens, in any letter case",
    values::macros::TextForm::pattern("^[A-Za-z0-9-]{6,40}$").such_as("7KQP-2M9X-TA4V-HB3D")
);

/// The text is no code of a voucher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a voucher code must have 6 to 40 of A-Z, 0-9 and hyphens")]
pub struct VoucherCodeError;

/// The letters of new codes, without those that people confuse.
const LETTERS: [u8; 32] = *b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

impl VoucherCode {
    /// Reads a code. Small letters become capital letters.
    ///
    /// # Errors
    /// [`VoucherCodeError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, VoucherCodeError> {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let has_form = (6..=40).contains(&text.len()) && text.bytes().all(is_part);
        if has_form { Ok(Self(text.to_ascii_uppercase())) } else { Err(VoucherCodeError) }
    }

    /// A new code that nobody can guess: 80 random bits, such as `7KQP-2M9X-TA4V-HB3D`.
    pub fn random() -> Self {
        // Five bits of each of 16 bytes that are random as a whole. The seventh and the ninth byte of a UUID
        // are not.
        let (one, other) = (Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes());
        let random = one[..6].iter().chain(&one[9..]).chain(&other[..3]);
        let letters: Vec<u8> = random.map(|byte| LETTERS[usize::from(byte & 31)]).collect();
        let groups: Vec<&str> =
            letters.chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        Self(groups.join("-"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_in_any_letter_case_and_new_ones_differ() {
        assert_eq!(VoucherCode::parse("gift-0042").unwrap().as_str(), "GIFT-0042");
        for text in ["", "SHORT", "WITH SPACE", "\u{c4}PFEL-1", &"A".repeat(41)] {
            assert_eq!(VoucherCode::parse(text), Err(VoucherCodeError), "{text}");
        }
        let (one, other) = (VoucherCode::random(), VoucherCode::random());
        assert_ne!(one, other);
        assert_eq!((one.as_str().len(), VoucherCode::parse(one.as_str())), (19, Ok(one.clone())));
    }
}
