//! Slows down those who guess passwords: each failure of an account, at whatever business, and of a network
//! makes the next attempts wait longer. Nobody is locked out for good.

use std::net::IpAddr;

use tenancy::{DbError, SharedTx, TenantId};
use values::Email;

use crate::names::digest::sha256;
use crate::names::ids::UserId;
use crate::people::user::LoginName;

/// How many failures are allowed before attempts must wait; 0 allows any number.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Of one account.
    pub per_account: u32,
    /// Of one network: an IPv4 address, or an IPv6 network of 64 bits.
    pub per_network: u32,
}

impl Allowed {
    pub(super) fn counts(self) -> (i32, i32) {
        let count = |allowed: u32| i32::try_from(allowed).unwrap_or(i32::MAX);
        (count(self.per_account), count(self.per_network))
    }
}

/// The keys by which attempts are counted.
#[derive(Debug, Clone)]
pub(super) struct AttemptKeys {
    pub(super) account: Vec<u8>,
    pub(super) network: Vec<u8>,
}

impl AttemptKeys {
    /// `tenant` is the business at which somebody signs in. An email is one account at all businesses. A
    /// network is counted at each business, so that a flood at one of them keeps nobody out at others.
    pub(super) fn new(login: &LoginName, tenant: Option<TenantId>, network: Option<IpAddr>) -> Self {
        let (kind, of_login, value) = login.columns(tenant);
        Self {
            account: sha256(&format!("account {kind} {of_login:?} {value}")),
            network: sha256(&format!("network {tenant:?} {network:?}")),
        }
    }

    /// The keys of somebody who signs in at the provider. A flood there keeps nobody out at a business, or
    /// out of the platform.
    pub(super) fn at_provider(self, network: Option<IpAddr>) -> Self {
        Self { network: sha256(&format!("network of the provider {network:?}")), ..self }
    }

    /// The keys of somebody who signs in with an identity elsewhere.
    pub(super) fn of_identity(
        (issuer, subject): (&str, &str),
        tenant: Option<TenantId>,
        network: Option<IpAddr>,
    ) -> Self {
        Self {
            account: sha256(&format!("identity {issuer} {subject}")),
            network: sha256(&format!("network {tenant:?} {network:?}")),
        }
    }

    /// The keys of somebody who asks for a mail to an address.
    pub(super) fn of_mail(email: &Email, network: Option<IpAddr>) -> Self {
        Self { account: sha256(&format!("forgot {email}")), network: sha256(&format!("forgot {network:?}")) }
    }

    /// The keys of a signed-in user who shows the present password.
    pub(super) fn of_user(user: UserId, network: Option<IpAddr>) -> Self {
        Self { account: sha256(&format!("user {user}")), network: sha256(&format!("signed in {network:?}")) }
    }
}

/// An attempt that was counted.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// The key of the account.
    pub(super) account: Vec<u8>,
    /// The keys by which the attempt was counted, in this order.
    pub(super) counted: Vec<Vec<u8>>,
}

impl From<AttemptKeys> for Attempt {
    fn from(keys: AttemptKeys) -> Self {
        Self { counted: vec![keys.network, keys.account.clone()], account: keys.account }
    }
}

/// Counts an attempt. Returns the seconds to wait, or 0.
pub(super) async fn count(tx: &SharedTx, keys: &AttemptKeys, allowed: Allowed) -> Result<f64, DbError> {
    const COUNT: &str = "
        SELECT greatest(shared.count_attempt($1, $3, $5), shared.count_attempt($2, $4, $5))";
    let (per_account, per_network) = allowed.counts();
    tx.value(COUNT, &[&keys.network, &keys.account, &per_network, &per_account, &tx.now()]).await
}

/// Counts an attempt to guess the second factor of a user. The right password alone does not forget its
/// failures, they are forgotten slowly, and the wait is longer than for passwords. From an address at which
/// the user has given the factor before, attempts are counted apart, so that a thief of the password keeps
/// nobody out. Returns the attempt, and the seconds to wait, or 0. The transaction must act as the user.
pub(super) async fn count_guess(
    tx: &SharedTx,
    user: UserId,
    address: Option<IpAddr>,
    allowed: Allowed,
) -> Result<(Attempt, f64), DbError> {
    const KNOWN: &str = "
        SELECT EXISTS (SELECT FROM shared.sessions
                        WHERE user_id = $1 AND address = $2 AND second_factor_at IS NOT NULL
                          AND last_seen_at > $3 AND (revoked_at IS NULL OR revoked_reason = 'signed_out'))
            OR EXISTS (SELECT FROM shared.sign_ons
                        WHERE user_id = $1 AND address = $2 AND second_factor_at > $3
                          AND (revoked_at IS NULL OR revoked_reason = 'signed_out'))";
    const COUNT: &str = "SELECT shared.count_attempt($1, $2, $3, 3600, 86400)";
    let month_ago = tx.now() - chrono::TimeDelta::days(30);
    let is_known: bool = tx.value(KNOWN, &[&user, &address, &month_ago]).await?;
    let place = address.filter(|_| is_known);
    let account = sha256(&format!("second factor {user} {place:?}"));
    let wait = tx.value(COUNT, &[&account, &allowed.counts().0, &tx.now()]).await?;
    Ok((Attempt { counted: vec![account.clone()], account }, wait))
}

/// Counts an answer of an issuer elsewhere that a browser brings. Returns the attempt, and the seconds to
/// wait, or 0.
pub(super) async fn count_answer(
    tx: &SharedTx,
    network: Option<IpAddr>,
    allowed: Allowed,
) -> Result<(Attempt, f64), DbError> {
    const COUNT: &str = "SELECT shared.count_attempt($1, $2, $3)";
    let key = sha256(&format!("answer {network:?}"));
    let wait = tx.value(COUNT, &[&key, &allowed.counts().1, &tx.now()]).await?;
    Ok((Attempt { counted: vec![key.clone()], account: key }, wait))
}

/// Forgets an attempt whose password was not compared, or an answer that was right.
pub(super) async fn uncount(tx: &SharedTx, attempt: &Attempt) -> Result<(), DbError> {
    const UNCOUNT: &str = "SELECT shared.uncount_attempt($1)";
    tx.execute(UNCOUNT, &[&attempt.counted]).await.map(drop)
}

/// Forgets an attempt that succeeded, and all failures of its account.
pub(super) async fn forget(tx: &SharedTx, attempt: &Attempt) -> Result<(), DbError> {
    const FORGET: &str = "SELECT shared.forget_attempts($1, $2)";
    tx.execute(FORGET, &[&attempt.counted, &attempt.account]).await.map(drop)
}

/// Deletes what is not counted any more.
///
/// # Errors
/// [`DbError`].
pub async fn prune(tx: &SharedTx) -> Result<u64, DbError> {
    const PRUNE: &str = "
        DELETE FROM shared.sign_in_attempts WHERE coalesce(kept_until, updated_at + interval '3 hours') < $1";
    tx.execute(PRUNE, &[&tx.now()]).await
}
