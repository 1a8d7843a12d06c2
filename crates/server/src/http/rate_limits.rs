//! Rate limits: a token bucket for each pair of a business and a client address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use identity::auth_event::network_of;
use tenancy::TenantId;

use crate::http::codes::Code;
use crate::http::problem::Problem;

/// The key of a bucket: a business and a client address. Requests to the platform's host have no business.
type Caller = (Option<TenantId>, IpAddr);

type Limiter = RateLimiter<Caller, DefaultKeyedStateStore<Caller>, DefaultClock, StateInformationMiddleware>;

/// The buckets of this server.
pub struct RateLimits {
    limiter: Limiter,
    burst: NonZeroU32,
    per_second: NonZeroU32,
}

/// The state of a bucket, for the `ratelimit-*` headers of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// The number of tokens of a full bucket.
    limit: u32,
    remaining: u32,
    /// The number of seconds until the bucket is full again.
    reset_s: u32,
}

impl RateLimits {
    /// `None` if a rate is zero, which means that there is no limit.
    pub fn new(per_second: u32, burst: u32) -> Option<Self> {
        let (per_second, burst) = (NonZeroU32::new(per_second)?, NonZeroU32::new(burst)?);
        let limiter = RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)).with_middleware();
        Some(Self { limiter, burst, per_second })
    }

    /// Takes a token from the bucket of this business and client address.
    ///
    /// # Errors
    /// 429 with Retry-After, and the values for the headers, when the bucket is empty.
    pub fn take(&self, tenant: Option<TenantId>, address: IpAddr) -> Result<Allowance, (Problem, Allowance)> {
        match self.limiter.check_key(&(tenant, network_of(address))) {
            Ok(state) => Ok(self.allowance(state.remaining_burst_capacity())),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let detail = "Your address sends too many requests. Wait for the time in Retry-After.";
                let problem = Problem::new(Code::RateLimited, detail);
                Err((problem.retry_after(whole_seconds(wait)), self.allowance(0)))
            }
        }
    }

    /// Deletes the buckets that are full again.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    fn allowance(&self, remaining: u32) -> Allowance {
        let limit = self.burst.get();
        let missing = limit.saturating_sub(remaining);
        Allowance { limit, remaining, reset_s: missing.div_ceil(self.per_second.get()) }
    }
}

impl Allowance {
    /// Adds the `ratelimit-*` headers.
    pub fn add_headers(self, headers: &mut HeaderMap) {
        for (name, value) in [
            ("ratelimit-limit", self.limit),
            ("ratelimit-remaining", self.remaining),
            ("ratelimit-reset", self.reset_s),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs_f64().ceil() as u64).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_share_a_bucket_and_others_do_not() {
        let limits = RateLimits::new(1, 2).unwrap();
        let take = |address: &str| limits.take(None, address.parse().unwrap()).is_ok();
        assert!(take("2001:db8::1") && take("2001:db8::2"));
        assert!(!take("2001:db8::3"));
        assert!(take("2001:db8:0:1::1") && take("192.0.2.1") && take("::ffff:192.0.2.1"));
        assert!(!take("192.0.2.1"));
    }

    #[test]
    fn nothing_is_limited_when_the_rate_is_zero() {
        assert!(RateLimits::new(0, 5).is_none());
    }
}
