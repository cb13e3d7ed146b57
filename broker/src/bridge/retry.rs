//! When a bridge that broke is built anew, and what is said of that: once when it breaks, again where the reason is another, now and then while it
//! lasts, and once when it stands again.

use std::time::Duration;

/// When a bridge that broke is built anew: the options of `static:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// `initialReconnectDelay`.
    pub initial_reconnect_delay: Duration,
    /// `maxReconnectDelay`.
    pub max_reconnect_delay: Duration,
    /// `useExponentialBackOff`: whether each failure makes the next wait longer.
    pub use_exponential_back_off: bool,
    /// `backOffMultiplier`: by what factor.
    pub back_off_multiplier: u32,
    /// `maxReconnectAttempts`: after how many failures in a row it is given up; 0 for never.
    pub max_reconnect_attempts: u32,
    /// `minConnectTime`: a bridge that stood for less has failed, as one that never stood.
    pub min_connect_time: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            initial_reconnect_delay: Duration::from_secs(1),
            max_reconnect_delay: Duration::from_secs(30),
            use_exponential_back_off: true,
            back_off_multiplier: 2,
            max_reconnect_attempts: 0,
            min_connect_time: Duration::from_secs(5),
        }
    }
}

/// See the module. Times are since any moment, always the same one.
#[derive(Debug)]
pub struct Retry {
    options: RetryOptions,
    delay: Option<Duration>,
    failures: u32,
    /// When the first failure of this row was, and what was said of the last.
    down: Option<(Duration, String)>,
    /// Since when the bridge stands.
    stands: Option<Duration>,
}

/// What to do after a failure.
#[derive(Debug, PartialEq, Eq)]
pub struct Next {
    /// How long to wait; nothing where it is given up.
    pub wait: Option<Duration>,
    /// What to say, if anything.
    pub say: Option<String>,
}

impl Retry {
    /// For a bridge that never was.
    pub fn new(options: RetryOptions) -> Self {
        Self { options, delay: None, failures: 0, down: None, stands: None }
    }

    /// The bridge stands. Gives what to say of how long it did not, if it was said that it broke.
    pub fn stands(&mut self, now: Duration) -> Option<String> {
        self.stands = Some(now);
        let (since, _) = self.down.take()?;
        let seconds = now.saturating_sub(since).as_secs();
        Some(match std::mem::take(&mut self.failures) {
            0 => format!("after {seconds} s"),
            1 => format!("after {seconds} s and 1 try in vain"),
            failures => format!("after {seconds} s and {failures} tries in vain"),
        })
    }

    /// The bridge broke, if it stood. Says whether it stood for long enough to begin anew behind it.
    pub fn broke(&mut self, now: Duration) -> bool {
        let Some(stood) = self.stands.take() else { return false };
        self.down.get_or_insert_with(|| (now, String::new()));
        let is_long = now.saturating_sub(stood) >= self.options.min_connect_time;
        if is_long {
            (self.failures, self.delay) = (0, None);
        }
        is_long
    }

    /// A try failed, or all that could be tried behind a bridge that broke. `for_good` where another try would come to the same: it is tried as seldom as it may be.
    pub fn failed(&mut self, now: Duration, why: &str, for_good: bool) -> Next {
        let options = &self.options;
        self.failures = self.failures.saturating_add(1);
        let first = options.initial_reconnect_delay;
        let delay = match self.delay {
            _ if for_good => options.max_reconnect_delay.max(first),
            Some(delay) if options.use_exponential_back_off => {
                delay.saturating_mul(options.back_off_multiplier).min(options.max_reconnect_delay)
            }
            _ => first,
        };
        self.delay = Some(delay);
        let gives_up = options.max_reconnect_attempts > 0 && self.failures >= options.max_reconnect_attempts;
        let (since, said) = self.down.get_or_insert_with(|| (now, String::new()));
        let is_new = said != why;
        why.clone_into(said);
        let text = match () {
            () if gives_up => {
                Some(format!("{why}; given up after {} tries (maxReconnectAttempts)", self.failures))
            }
            () if is_new => Some(format!("{why}; tried again, for as long as it takes")),
            () if self.failures.is_power_of_two() && self.failures >= 16 => {
                let seconds = now.saturating_sub(*since).as_secs();
                Some(format!("{why}; tried again and again for {seconds} s now"))
            }
            () => None,
        };
        Next { wait: (!gives_up).then_some(delay), say: text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_grow_to_their_bound_and_begin_anew_behind_a_bridge_that_stood() {
        let mut retry = Retry::new(RetryOptions::default());
        let mut now = seconds(100);
        let mut waits = Vec::new();
        for _ in 0..7 {
            assert!(!retry.broke(now), "it never stood");
            waits.extend(retry.failed(now, "refused", false).wait.map(|wait| wait.as_secs()));
            // Tries that take long are no bridges that stood.
            now += seconds(10);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(retry.stands(now).as_deref(), Some("after 70 s and 7 tries in vain"));
        now += seconds(5);
        assert!(retry.broke(now));
        assert_eq!(retry.failed(now, "cut", false).wait, Some(seconds(1)));
        // One that stood for less than minConnectTime has failed like any other.
        retry.stands(now);
        assert!(!retry.broke(now + seconds(4)));
        assert_eq!(retry.failed(now + seconds(4), "cut", false).wait, Some(seconds(2)));
        assert_eq!(retry.failed(now, "a loop", true).wait, Some(seconds(30)));
        // Another candidate may do before anything is in vain.
        retry.stands(now);
        retry.broke(now + seconds(5));
        assert_eq!(retry.stands(now + seconds(6)).as_deref(), Some("after 1 s"));
        retry.failed(now, "refused", false);
        assert_eq!(retry.stands(now).as_deref(), Some("after 0 s and 1 try in vain"));
        let even = RetryOptions { use_exponential_back_off: false, ..RetryOptions::default() };
        let mut retry = Retry::new(even);
        for _ in 0..3 {
            assert_eq!(retry.failed(now, "cut", false).wait, Some(seconds(1)));
        }
    }

    #[test]
    fn it_is_said_once_and_again_where_the_reason_is_another_and_when_it_stands_again() {
        let mut retry = Retry::new(RetryOptions::default());
        let now = seconds(1);
        assert_eq!(retry.stands(now), None);
        assert!(retry.failed(now, "refused", false).say.is_some_and(|text| text.starts_with("refused; ")));
        let said = (2..=40).filter_map(|_| retry.failed(now, "refused", false).say).count();
        assert_eq!(said, 2, "at 16 and 32");
        assert!(retry.failed(now, "no route", false).say.is_some());
        assert!(retry.stands(now).is_some_and(|text| text.contains("41 tries")));
        assert_eq!(retry.stands(now), None);
    }

    #[test]
    fn it_is_given_up_only_where_that_is_asked_for() {
        let options = RetryOptions { max_reconnect_attempts: 2, ..RetryOptions::default() };
        let mut retry = Retry::new(options);
        assert!(retry.failed(seconds(0), "refused", false).wait.is_some());
        let last = retry.failed(seconds(1), "refused", false);
        assert!(last.wait.is_none() && last.say.is_some_and(|text| text.contains("given up after 2 tries")));
    }
}
