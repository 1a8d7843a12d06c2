//! The licence of a business: the plan that it has, until when it may sell, and how much it may have.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// The key of a plan, such as `basic`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanKey(String);

values::checked_text!(
    PlanKey,
    PlanKeyError,
    "The key of a plan: 1 to 32 of a-z, 0-9 and -, first a letter",
    values::macros::TextForm::pattern("^[a-z][a-z0-9-]{0,31}$").such_as("basic")
);

/// The text is no key of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of a plan must have 1 to 32 of a-z, 0-9 and -, and begin with a letter")]
pub struct PlanKeyError;

impl PlanKey {
    /// # Errors
    /// [`PlanKeyError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, PlanKeyError> {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let has_form = text.len() <= 32 && text.bytes().all(is_part);
        match has_form && text.starts_with(|first: char| first.is_ascii_lowercase()) {
            true => Ok(Self(text.to_owned())),
            false => Err(PlanKeyError),
        }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

values::words! {
    /// Whether a licence lets a business sell.
    pub enum Standing {
        /// The business may sell.
        Valid = "valid",
        /// The licence has ended. The business may sell for the days of grace.
        Grace = "grace",
        /// The licence has ended, and so have the days of grace. The business may not sell.
        Ended = "ended",
        /// The platform has not granted the licence yet, or has revoked it. The business may not sell.
        Inactive = "inactive",
    }
}

/// The licence of a business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// The plan.
    pub plan: PlanKey,
    /// The name of the plan.
    pub plan_name: String,
    /// Whether the platform has granted the licence.
    pub is_granted: bool,
    /// The end of the licence; `None` if it has no end.
    pub valid_until: Option<DateTime<Utc>>,
    /// The days after the end on which the business may still sell.
    pub grace_days: i32,
    /// The limits of the business.
    pub limits: PlanLimits,
    /// Whether the business needs the licence to sell. The command line and jobs never need it.
    pub is_required: bool,
}

/// The limits of a business by its plan. `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanLimits {
    /// The largest number of members that are active or invited.
    pub max_members: Option<i32>,
    /// The largest number of locations that are not archived.
    pub max_locations: Option<i32>,
    /// The largest number of products that are not archived.
    pub max_products: Option<i32>,
    /// The largest number of registers that are not archived.
    pub max_registers: Option<i32>,
}

/// The licence does not let the business sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SellingError {
    /// The licence is not granted.
    #[error("this business has no active licence; ask the operator of the platform to activate it")]
    Inactive,
    /// The licence and its days of grace have ended.
    #[error("the licence ended on {}; renew it to sell again", .0.format("%Y-%m-%d"))]
    Ended(DateTime<Utc>),
}

impl Licence {
    /// A licence without end and limits, which a business has in the transaction that creates it.
    pub(crate) fn free() -> Self {
        Self {
            plan: PlanKey("unlimited".to_owned()),
            plan_name: "Unlimited".to_owned(),
            is_granted: true,
            valid_until: None,
            grace_days: 0,
            limits: PlanLimits::default(),
            is_required: false,
        }
    }

    /// The moment from which the business may not sell; `None` if there is none.
    pub fn sells_until(&self) -> Option<DateTime<Utc>> {
        Some(self.valid_until? + TimeDelta::days(self.grace_days.into()))
    }

    /// Whether the business may sell at `now`.
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        let is_over = |end: Option<DateTime<Utc>>| end.is_some_and(|end| end <= now);
        if !self.is_granted {
            Standing::Inactive
        } else if is_over(self.sells_until()) {
            Standing::Ended
        } else if is_over(self.valid_until) {
            Standing::Grace
        } else {
            Standing::Valid
        }
    }

    /// Whether a business needs a licence, and has none yet or none any more. The platform does not know
    /// whether it means well.
    ///
    /// # Errors
    /// [`SellingError::Inactive`].
    pub fn check_granted(&self) -> Result<(), SellingError> {
        if self.is_required && !self.is_granted { Err(SellingError::Inactive) } else { Ok(()) }
    }

    /// # Errors
    /// [`SellingError`] when the business needs a licence, and may not sell at `now`.
    pub fn check_selling(&self, now: DateTime<Utc>) -> Result<(), SellingError> {
        match self.standing(now) {
            _ if !self.is_required => Ok(()),
            Standing::Valid | Standing::Grace => Ok(()),
            Standing::Inactive => Err(SellingError::Inactive),
            Standing::Ended => Err(SellingError::Ended(self.valid_until.unwrap_or(now))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_business_sells_until_the_days_of_grace_are_over() {
        let end: DateTime<Utc> = "2026-12-01T00:00:00Z".parse().unwrap();
        let licence = Licence {
            plan: PlanKey::parse("basic").unwrap(),
            plan_name: "Basic".into(),
            is_granted: true,
            valid_until: Some(end),
            grace_days: 3,
            limits: PlanLimits::default(),
            is_required: true,
        };
        let moment = TimeDelta::microseconds(1);
        let standing = |now| licence.standing(now);
        assert_eq!(standing(end - moment), Standing::Valid);
        assert_eq!(standing(end), Standing::Grace);
        assert_eq!(standing(end + TimeDelta::days(3) - moment), Standing::Grace);
        assert_eq!(standing(end + TimeDelta::days(3)), Standing::Ended);
        assert!(licence.check_selling(end).is_ok());
        let late = licence.check_selling(end + TimeDelta::days(3)).unwrap_err();
        assert_eq!(late.to_string(), "the licence ended on 2026-12-01; renew it to sell again");
        let endless = Licence { valid_until: None, ..licence.clone() };
        assert_eq!(endless.standing(end + TimeDelta::days(9999)), Standing::Valid);
        let free = Licence { is_required: false, ..licence.clone() };
        assert!(free.check_selling(end + TimeDelta::days(3)).is_ok());
        let revoked = Licence { is_granted: false, ..endless };
        assert_eq!(revoked.check_selling(end), Err(SellingError::Inactive));
    }

    #[test]
    fn a_key_of_a_plan_has_small_letters() {
        for key in ["basic", "b", "shop-2"] {
            assert_eq!(PlanKey::parse(key).unwrap().as_str(), key);
        }
        for key in ["", "Basic", "2shops", "-x", "a b", &"a".repeat(33)] {
            assert_eq!(PlanKey::parse(key), Err(PlanKeyError), "{key}");
        }
    }
}
