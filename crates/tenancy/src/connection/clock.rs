//! The database's clock, read now and then on each connection.
//!
//! Servers have clocks of their own, which differ. A time that is stored is the database's, so that two
//! servers agree on what is later.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::failpoint;

/// What the database's clock showed at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    shown: DateTime<Utc>,
    read_at: Instant,
}

/// Age after which the clock is read again.
const KEPT: Duration = Duration::from_secs(60);
/// A reading that took longer is too inexact, and is repeated.
const EXACT: Duration = Duration::from_millis(2);
/// The most readings for one value. The quickest of them counts.
const READINGS: usize = 3;

impl Clock {
    /// Reads the clock, in one round trip if that is quick. `before` ends an earlier transaction; it may be
    /// empty.
    pub(crate) async fn read(client: &Client, before: &str) -> Result<Self, tokio_postgres::Error> {
        let (mut best, mut quickest) = Self::read_once(client, before).await?;
        for _ in 1..READINGS {
            if quickest <= EXACT {
                break;
            }
            let (clock, took) = Self::read_once(client, "").await?;
            if took < quickest {
                (best, quickest) = (clock, took);
            }
        }
        Ok(best)
    }

    /// Reads the clock in one round trip. Returns also how long that took: the value is wrong by at most half
    /// of it.
    async fn read_once(client: &Client, before: &str) -> Result<(Self, Duration), tokio_postgres::Error> {
        const MICROSECONDS: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let asked = Instant::now();
        let answers = client.simple_query(&format!("{before}{MICROSECONDS}")).await?;
        let microseconds = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        let shown = microseconds.and_then(DateTime::from_timestamp_micros).unwrap_or_else(Utc::now);
        let took = asked.elapsed();
        // Half of the round trip is the likely time since the database read its clock.
        Ok((Self { shown, read_at: asked + took / 2 }, took))
    }

    /// What the database's clock shows now, in whole microseconds.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let since = i64::try_from(self.read_at.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.shown + TimeDelta::microseconds(since) + failpoint::clock_ahead()
    }

    pub(crate) fn is_old(&self) -> bool {
        self.read_at.elapsed() > KEPT
    }
}
