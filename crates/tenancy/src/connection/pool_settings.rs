//! The limits of the connection pools.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Limits for the connections of one login. The configuration supplies every duration and every count.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Maximum number of connections of this login, for all businesses and the shared schema together.
    pub max_connections: usize,
    /// Number of pools that share the connections. There is at most one pool per connection.
    pub pools: usize,
    /// Maximum number of concurrent transactions of one business. A business may have its own limit instead.
    pub max_transactions_per_business: usize,
    /// Maximum number of transactions of one business that wait for their turn. Further transactions are
    /// refused.
    pub max_waiting_per_business: usize,
    /// Maximum time that a transaction waits for its turn before it is refused.
    pub business_wait_timeout: Duration,
    /// Maximum time that a request waits for a free connection before it is refused.
    pub wait_timeout: Duration,
    /// Time without an answer after which the server counts as gone, while the database is watched. All
    /// connections are then closed, so that nothing waits longer.
    pub longest_silence: Duration,
    /// Age after which a connection is replaced, because a PostgreSQL backend never frees its catalogue
    /// cache.
    pub max_lifetime: Duration,
    /// Number of distinct businesses after which a connection is replaced, because each business adds about
    /// 0.4 MiB to the catalogue cache.
    pub max_businesses_per_connection: usize,
    /// Maximum number of prepared statements per connection. The least recently used statement is removed
    /// first.
    pub max_statements_per_connection: NonZeroUsize,
    /// Maximum duration of one statement.
    pub statement_timeout: Duration,
    /// Maximum time that a statement waits for a lock.
    pub lock_timeout: Duration,
    /// Maximum time that an open transaction may be idle.
    pub idle_in_transaction_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 20,
            pools: 5,
            max_transactions_per_business: 10,
            max_waiting_per_business: 200,
            business_wait_timeout: Duration::from_secs(3),
            wait_timeout: Duration::from_secs(5),
            longest_silence: Duration::from_secs(4),
            max_lifetime: Duration::from_secs(3600),
            max_businesses_per_connection: 200,
            max_statements_per_connection: NonZeroUsize::MIN.saturating_add(499),
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(2),
            idle_in_transaction_timeout: Duration::from_secs(30),
        }
    }
}
