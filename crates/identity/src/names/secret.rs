//! Random secrets that programs and browsers keep. The database holds their hashes alone.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

/// The letters of 256 random bits in base64.
pub(crate) const LETTERS: usize = 43;

/// Fills `bytes` with random ones.
pub(crate) fn fill(bytes: &mut [u8]) {
    #[expect(clippy::expect_used, reason = "nothing may go on without random numbers")]
    rand::fill(bytes).expect("the operating system gives random numbers");
}

/// So many random letters and digits that people do not confuse, with five bits each.
pub(crate) fn letters(count: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = vec![0; count];
    fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

/// 256 random bits as a text, which begins with `mark`, so that programs which look for leaked secrets know
/// it.
pub(crate) fn generate(mark: &str) -> SecretString {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    SecretString::from(format!("{mark}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
