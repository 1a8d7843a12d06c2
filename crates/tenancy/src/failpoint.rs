//! Points in the code at which a test can abort the process or make it panic, to check the state that
//! remains. A test can also move the clock. Release builds ignore all of it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;

static CLOCK_AHEAD_S: AtomicI64 = AtomicI64::new(0);

/// Moves the clock by which this process stores and compares times. Works only in debug builds.
pub fn move_clock(by: TimeDelta) {
    CLOCK_AHEAD_S.fetch_add(by.num_seconds(), Ordering::Relaxed);
}

/// By how much a test has moved the clock.
pub(crate) fn clock_ahead() -> TimeDelta {
    match cfg!(debug_assertions) {
        true => TimeDelta::seconds(CLOCK_AHEAD_S.load(Ordering::Relaxed)),
        false => TimeDelta::zero(),
    }
}

/// Aborts the process, like a power cut, if `TENANTRY_FAILPOINT` holds `name`. Works only in debug builds.
pub fn reach(name: &str) {
    if cfg!(debug_assertions) && std::env::var_os("TENANTRY_FAILPOINT").is_some_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

/// Panics at random, on average in one of `TENANTRY_PANIC_ONE_IN` calls. Works only in debug builds.
pub fn panic_now_and_then() {
    static ONE_IN: OnceLock<Option<u32>> = OnceLock::new();
    if cfg!(debug_assertions) {
        let one_in = ONE_IN.get_or_init(|| std::env::var("TENANTRY_PANIC_ONE_IN").ok()?.parse().ok());
        if one_in.is_some_and(|one_in| fastrand::u32(..one_in) == 0) {
            panic!("a panic that a test asked for");
        }
    }
}
