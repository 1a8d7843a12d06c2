//! A change of one stored row: the version is compared, each field takes its new or its stored value, and the
//! audit log gets what changed.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tenancy::{DbError, TenantTx};
use values::{ActorId, IfVersion, Money};

use crate::records::audit::{self, Action, Changes, Subject};

/// The row has another version than the one that the client read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another request has changed this resource; read it again, and repeat the change")]
pub struct Stale;

/// A change of a row that the transaction has locked.
pub struct Edit<'a> {
    tx: &'a TenantTx,
    actor: ActorId,
    changes: Changes,
}

impl<'a> Edit<'a> {
    /// Begins a change of the row with the version `stored`; `wanted` are the versions that the client read.
    ///
    /// # Errors
    /// [`Stale`] when they differ.
    pub fn begin(tx: &'a TenantTx, actor: ActorId, wanted: IfVersion, stored: i32) -> Result<Self, Stale> {
        if !wanted.allows(stored) {
            return Err(Stale);
        }
        Ok(Self { tx, actor, changes: Changes::default() })
    }

    /// The new value of a field, or the stored one when the client sends none.
    pub fn field<'v, T: PartialEq + Serialize>(
        &mut self,
        name: &str,
        stored: &'v T,
        new: Option<&'v T>,
    ) -> &'v T {
        let taken = new.unwrap_or(stored);
        self.changes.note(name, stored, taken);
        taken
    }

    /// As [`Edit::field`], for an amount of money. The log has every decimal of it.
    pub fn amount(&mut self, name: &str, stored: Option<Money>, new: Option<Option<Money>>) -> Option<Money> {
        let taken = new.unwrap_or(stored);
        let plain = |amount: Option<Money>| amount.map(Money::plain);
        self.changes.note(name, plain(stored), plain(taken));
        taken
    }

    /// The time of archiving to store. `Some(true)` keeps a stored time, and otherwise returns now.
    /// `Some(false)` returns `None`. `None` returns the stored time.
    pub fn archiving(
        &mut self,
        stored: Option<DateTime<Utc>>,
        is_archived: Option<bool>,
    ) -> Option<DateTime<Utc>> {
        let archived_at = match is_archived {
            Some(true) => stored.or(Some(self.tx.now())),
            Some(false) => None,
            None => stored,
        };
        self.changes.note("archived", stored.is_some(), archived_at.is_some());
        archived_at
    }

    /// Notes a change that is not one field's.
    pub fn note<T: PartialEq + Serialize>(&mut self, name: &str, from: T, to: T) {
        self.changes.note(name, from, to);
    }

    /// Whether nothing changes. Then nothing is written, and the version stays.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Stores what changed in the audit log.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn record(self, action: Action, subject: Subject) -> Result<(), DbError> {
        audit::record(self.tx, self.actor, action, subject, &self.changes.into_value()).await
    }
}
