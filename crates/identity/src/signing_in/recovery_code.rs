//! Recovery codes: each replaces the authenticator app once.

use secrecy::{ExposeSecret as _, SecretString};
use tenancy::{DbError, SharedTx};
use uuid::Uuid;

use crate::names::digest::sha256;
use crate::names::ids::UserId;
use crate::names::secret;

/// The number of codes that a user gets.
const COUNT: usize = 10;

/// A code as it is stored: letter case, spaces and hyphens make no difference.
fn hash_of(code: &str) -> Vec<u8> {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    sha256(&plain.to_ascii_lowercase())
}

/// A new code: 80 random bits, in groups of four letters.
fn generate() -> SecretString {
    let letters = secret::letters(16);
    SecretString::from(
        letters.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"),
    )
}

/// Uses a code up. Returns whether the user has it, and did not use it before.
pub(super) async fn use_up(tx: &SharedTx, user: UserId, code: &str) -> Result<bool, DbError> {
    const USE: &str = "
        UPDATE shared.recovery_codes SET used_at = $3
         WHERE user_id = $1 AND hash = $2 AND used_at IS NULL";
    Ok(tx.execute(USE, &[&user, &hash_of(code), &tx.now()]).await? > 0)
}

/// Deletes the codes of a user.
pub(super) async fn forget(tx: &SharedTx, user: UserId) -> Result<(), DbError> {
    const FORGET: &str = "DELETE FROM shared.recovery_codes WHERE user_id = $1";
    tx.execute(FORGET, &[&user]).await.map(drop)
}

/// Gives a user new codes in the place of the former ones. Only their hashes are stored.
pub(super) async fn renew(tx: &SharedTx, user: UserId) -> Result<Vec<SecretString>, DbError> {
    const INSERT: &str = "
        INSERT INTO shared.recovery_codes (id, user_id, hash)
        SELECT new.id, $1, new.hash FROM unnest($2::uuid[], $3::bytea[]) AS new (id, hash)";
    let codes: Vec<SecretString> = (0..COUNT).map(|_| generate()).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash_of(code.expose_secret())).collect();
    let ids: Vec<Uuid> = codes.iter().map(|_| Uuid::now_v7()).collect();
    forget(tx, user).await?;
    tx.execute(INSERT, &[&user, &ids, &hashes]).await?;
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let (one, other) = (generate(), generate());
        let text = one.expose_secret();
        assert_eq!((text.len(), text.matches('-').count()), (19, 3), "{text}");
        assert_ne!(text, other.expose_secret());
        for typed in [text.to_uppercase(), text.replace('-', " "), text.replace('-', "")] {
            assert_eq!(hash_of(&typed), hash_of(text));
        }
        assert_ne!(hash_of(text), hash_of(other.expose_secret()));
    }
}
