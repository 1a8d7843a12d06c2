//! Points at which tests end or upset the process, to see what it leaves behind. Release builds know none of this.

use std::sync::OnceLock;

/// Aborts the process, as a power cut would, when `TENANTRY_FAILPOINT` names this point in a debug build.
pub fn reach(name: &str) {
    if cfg!(debug_assertions) && std::env::var_os("TENANTRY_FAILPOINT").is_some_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

/// Panics once in so many calls as `TENANTRY_PANIC_ONE_IN` says, in a debug build.
pub fn panic_now_and_then() {
    static ONE_IN: OnceLock<Option<u32>> = OnceLock::new();
    if cfg!(debug_assertions) {
        let one_in = ONE_IN.get_or_init(|| std::env::var("TENANTRY_PANIC_ONE_IN").ok()?.parse().ok());
        if one_in.is_some_and(|one_in| fastrand::u32(..one_in) == 0) {
            panic!("a panic that a test asked for");
        }
    }
}
