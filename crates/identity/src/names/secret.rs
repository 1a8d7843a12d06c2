//! Random secrets that programs and browsers keep. The database holds their hashes alone.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

/// The letters of 256 random bits in base64.
pub(crate) const LETTERS: usize = 43;

/// 256 random bits as a text, which begins with `mark`, so that programs which look for leaked secrets know
/// it.
pub(crate) fn generate(mark: &str) -> SecretString {
    let mut bytes = [0; 32];
    #[expect(clippy::expect_used, reason = "nothing may go on without random numbers")]
    rand::fill(&mut bytes).expect("the operating system gives random numbers");
    SecretString::from(format!("{mark}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
