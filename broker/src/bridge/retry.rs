//! When a bridge that broke is built anew, and what is said of that: once when it breaks, again where the reason is another, now and then while it
//! lasts, and once when it stands again.

use std::time::Duration;

use super::options::RetryOptions;

/// See the module. Times are since any moment, always the same one.
#[derive(Debug)]
pub struct Retry {
    options: RetryOptions,
    delay: Option<Duration>,
    failures: u32,
    /// When the first failure of this row was, and what was said of the last.
    down: Option<(Duration, String)>,
    began: Duration,
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
        Self { options, delay: None, failures: 0, down: None, began: Duration::ZERO }
    }

    /// A try begins.
    pub fn begins(&mut self, now: Duration) {
        self.began = now;
    }

    /// The bridge stands. Gives what to say of how long it did not, if it was said that it broke.
    pub fn stands(&mut self, now: Duration) -> Option<String> {
        let (since, _) = self.down.take()?;
        let failures = std::mem::take(&mut self.failures);
        Some(format!("after {} s and {failures} tries in vain", now.saturating_sub(since).as_secs()))
    }

    /// A try failed, or a bridge that stood broke. `for_good` where another try would come to the same: it is tried as seldom as it may be.
    pub fn failed(&mut self, now: Duration, why: &str, for_good: bool) -> Next {
        let options = &self.options;
        // As ActiveMQ's agent has it: a bridge that stood for a while begins anew.
        if now.saturating_sub(self.began) >= options.min_connect_time {
            (self.failures, self.delay) = (0, None);
        }
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
            retry.begins(now);
            waits.extend(retry.failed(now, "refused", false).wait.map(|wait| wait.as_secs()));
            now += seconds(1);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        retry.begins(now);
        assert_eq!(retry.stands(now).as_deref(), Some("after 7 s and 7 tries in vain"));
        now += seconds(5);
        assert_eq!(retry.failed(now, "cut", false).wait, Some(seconds(1)));
        // One that stood for less than minConnectTime has failed like any other.
        retry.begins(now);
        retry.stands(now);
        assert_eq!(retry.failed(now + seconds(4), "cut", false).wait, Some(seconds(2)));
        retry.begins(now);
        assert_eq!(retry.failed(now, "a loop", true).wait, Some(seconds(30)));
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
        retry.begins(now);
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
