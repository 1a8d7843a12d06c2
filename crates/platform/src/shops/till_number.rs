//! The till number of a business: the number to which its customers pay by mobile money. No two businesses of
//! the platform have the same.

use chrono::{DateTime, Utc};
use tenancy::{DbError, SharedTx, TenantId};

/// A till number, such as `522533`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TillNumber(String);

values::checked_text!(
    TillNumber,
    TillNumberFormError,
    "A till number: 4 to 20 of 0-9, A-Z and -, first and last no -",
    values::macros::TextForm::pattern("^[0-9A-Z][0-9A-Z-]{2,18}[0-9A-Z]$").such_as("522533")
);

/// The text is no till number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a till number must have 4 to 20 of 0-9, A-Z and -, and neither begin nor end with -")]
pub struct TillNumberFormError;

impl TillNumber {
    /// # Errors
    /// [`TillNumberFormError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, TillNumberFormError> {
        let text = text.trim();
        let is_part = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
        let has_form = (4..=20).contains(&text.len()) && text.bytes().all(is_part);
        match has_form && !text.starts_with('-') && !text.ends_with('-') {
            true => Ok(Self(text.to_owned())),
            false => Err(TillNumberFormError),
        }
    }

    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The till number that a business has.
#[derive(Debug, Clone)]
pub struct KeptNumber {
    /// The number.
    pub number: TillNumber,
    /// The moment at which it became that of the business.
    pub set_at: DateTime<Utc>,
}

tenancy::from_row!(KeptNumber { number, set_at });

/// The till number was not set.
#[derive(Debug, thiserror::Error)]
pub enum TillNumberError {
    /// Another business has the number.
    #[error("another business has this till number; ask the operator of the platform")]
    Taken,
    /// A query failed.
    #[error("a query of till numbers failed")]
    Db(#[source] DbError),
}

impl From<DbError> for TillNumberError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            Some("till_numbers_pkey") => Self::Taken,
            _ => Self::Db(error),
        }
    }
}

/// The till number of a business; `None` if it has none.
///
/// # Errors
/// [`DbError`].
pub async fn find(tx: &SharedTx, tenant: TenantId) -> Result<Option<KeptNumber>, DbError> {
    const FIND: &str = "SELECT number, set_at FROM shared.till_numbers WHERE tenant_id = $1";
    tx.row_opt(FIND, &[&tenant]).await
}

/// Sets the till number of a business, or removes it with `None`. Returns the number of before if it was
/// another one, and `None` if nothing changed.
///
/// # Errors
/// [`TillNumberError`].
pub async fn set(
    tx: &SharedTx,
    tenant: TenantId,
    number: Option<&TillNumber>,
) -> Result<Option<Before>, TillNumberError> {
    // One change at a time: a business without a number has no row to lock, and two businesses that swap
    // their numbers would wait for each other.
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('tenantry till numbers', 0))";
    const SET: &str = "
        INSERT INTO shared.till_numbers (number, tenant_id, set_at) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id) DO UPDATE SET number = EXCLUDED.number, set_at = EXCLUDED.set_at";
    const REMOVE: &str = "DELETE FROM shared.till_numbers WHERE tenant_id = $1";
    tx.execute(LOCK, &[]).await?;
    let before = find(tx, tenant).await?.map(|kept| kept.number);
    if before.as_ref() == number {
        return Ok(None);
    }
    match number {
        Some(number) => tx.execute(SET, &[number, &tenant, &tx.now()]).await?,
        None => tx.execute(REMOVE, &[&tenant]).await?,
    };
    Ok(Some(Before(before)))
}

/// The number that a business had before a change.
#[derive(Debug, Clone)]
pub struct Before(pub Option<TillNumber>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_till_number_has_digits_and_capital_letters() {
        for text in ["5225", " 522533 ", "KE-0042", "A".repeat(20).as_str()] {
            assert_eq!(TillNumber::parse(text).unwrap().as_str(), text.trim());
        }
        for text in
            ["", "522", "52 25", "-5225", "5225-", "ke42", "\u{661}\u{662}\u{663}\u{664}", &"1".repeat(21)]
        {
            assert_eq!(TillNumber::parse(text), Err(TillNumberFormError), "{text}");
        }
    }
}
