//! Points at which a test can kill the process.

/// Ends the process on the spot, as SIGKILL would, when `TENANTRY_FAILPOINT` names this point. Debug builds only.
pub fn reach(point: &str) {
    if cfg!(debug_assertions) && std::env::var_os("TENANTRY_FAILPOINT").is_some_and(|wanted| wanted == point)
    {
        std::process::abort();
    }
}
