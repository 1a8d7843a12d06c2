//! The pauses between the attempts to deliver an event.

use std::time::Duration;

use chrono::TimeDelta;

/// The pauses after the first attempts that failed, in seconds; later ones are as long as the last.
const PAUSES: [i32; 10] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200];
/// The longest time for which an endpoint can ask to be left alone.
const LONGEST_ASKED: TimeDelta = TimeDelta::hours(24);

/// The pause after so many attempts that failed: longer each time, not the same for all endpoints, and at
/// least as long as the endpoint asks for.
pub(super) fn after(attempts: i32, asked: Option<Duration>) -> TimeDelta {
    let at = usize::try_from(attempts - 1).unwrap_or(0).min(PAUSES.len() - 1);
    let pause = TimeDelta::seconds(PAUSES[at].into());
    // Endpoints that failed at the same moment do not all come back at the same moment.
    let spread = TimeDelta::milliseconds(fastrand::i64(0..=pause.num_milliseconds() / 5));
    let asked = asked.and_then(|asked| TimeDelta::from_std(asked).ok()).unwrap_or_default();
    (pause + spread).max(asked.min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_an_endpoint_may_ask_for_longer_ones() {
        let seconds = |attempts| after(attempts, None).num_seconds();
        assert!((5..=6).contains(&seconds(1)) && (30..=36).contains(&seconds(2)));
        assert!((43_200..=51_840).contains(&seconds(10)) && (43_200..=51_840).contains(&seconds(1_000)));
        assert_eq!(after(1, Some(Duration::from_secs(60))), TimeDelta::seconds(60));
        assert!(after(3, Some(Duration::from_secs(60))) >= TimeDelta::seconds(120));
        assert_eq!(after(1, Some(Duration::from_secs(7 * 86_400))), LONGEST_ASKED);
    }

    #[test]
    fn an_endpoint_is_tried_for_three_days_before_it_is_given_up() {
        let all: i32 = PAUSES[..8].iter().sum();
        assert!(all < 72 * 3600, "{all}");
    }
}
