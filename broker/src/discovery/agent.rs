//! Who is there, who is not any more, and what is said of this one. Times are since any moment, always the same one.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::datagram::{self, Read, Said};
use super::options::Multicast;

/// How many services are known at most: more than a network of brokers has. One that says nothing is forgotten soon.
const KNOWN_MAX: usize = 256;
/// A service that failed and was fine for so long since is as one that never did.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// What begins with one is answered at once, but no more than so often within a `keepAliveInterval`: whoever makes up a thousand names gets no
/// thousand answers.
const ANSWERS_MAX: u32 = 10;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send this to the group.
    Say(Vec<u8>),
    /// A service is there, or is to be tried again after a failure.
    Appeared(String),
    /// It is not there any more.
    Vanished(String),
    /// Something came that is ignored, for this reason and by now this many times: for the log. It is given ever more rarely.
    Odd {
        /// Why.
        why: &'static str,
        /// How many were ignored for that.
        times: u64,
    },
}

#[derive(Debug)]
struct Known {
    heard: Duration,
    failures: u32,
    /// When it may be tried again, while it is taken for absent; later, since when it is not.
    recovery: Duration,
    is_failed: bool,
}

/// One in a group; see the module.
#[derive(Debug)]
pub struct Agent {
    options: Multicast,
    /// What is said of this one, if anything.
    advertised: Option<String>,
    /// What is this one itself, by whatever address.
    ours: Vec<String>,
    known: HashMap<String, Known>,
    said: Option<Duration>,
    say_at: Duration,
    odd: HashMap<&'static str, u64>,
    orders: VecDeque<Order>,
}

impl Agent {
    /// One that tells of `advertised`, if it is to tell of anything, and never of what is in `ours`. It begins now.
    pub fn new(options: Multicast, advertised: Option<String>, mut ours: Vec<String>, now: Duration) -> Self {
        ours.extend(advertised.clone());
        let mut agent = Self {
            options,
            advertised,
            ours,
            known: HashMap::new(),
            said: None,
            say_at: now,
            odd: HashMap::new(),
            orders: VecDeque::new(),
        };
        agent.time(now);
        agent
    }

    /// What is to be done next, until there is nothing.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// When [`Agent::time`] is to be called, if nothing comes before.
    pub fn deadline(&self) -> Option<Duration> {
        let silence = self.options.silence();
        let gone = self.known.values().map(|known| known.heard + silence).min();
        let say = self.advertised.is_some().then_some(self.say_at);
        gone.into_iter().chain(say).min()
    }

    /// It is so late now.
    pub fn time(&mut self, now: Duration) {
        if self.advertised.is_some() && now >= self.say_at {
            self.say(Said::Alive);
            self.said = Some(now);
            self.say_at = now + self.options.keep_alive_interval;
        }
        let silence = self.options.silence();
        let orders = &mut self.orders;
        self.known.retain(|service, known| {
            let is_there = now < known.heard + silence;
            if !is_there {
                orders.push_back(Order::Vanished(service.clone()));
            }
            is_there
        });
    }

    /// This came.
    pub fn received(&mut self, bytes: &[u8], now: Duration) {
        match datagram::read(&self.options.group, bytes) {
            Read::Said(_, service) if self.ours.iter().any(|ours| ours == service) => {}
            Read::Said(Said::Alive, service) => self.alive(service, now),
            Read::Said(Said::Dead, service) => {
                if self.known.remove(service).is_some() {
                    self.orders.push_back(Order::Vanished(service.to_owned()));
                }
            }
            Read::OtherGroup => {}
            Read::Odd(why) => self.is_odd(why),
        }
        self.time(now);
    }

    fn alive(&mut self, service: &str, now: Duration) {
        let Some(known) = self.known.get_mut(service) else {
            if self.known.len() >= KNOWN_MAX {
                return self.is_odd("more brokers are said to be there than are believed");
            }
            let known = Known { heard: now, failures: 0, recovery: Duration::ZERO, is_failed: false };
            self.known.insert(service.to_owned(), known);
            self.orders.push_back(Order::Appeared(service.to_owned()));
            // Whoever begins is not to wait for what is said next.
            let soon = self.said.map_or(now, |said| said + self.options.keep_alive_interval / ANSWERS_MAX);
            self.say_at = self.say_at.min(soon.max(now));
            return;
        };
        known.heard = now;
        if !known.is_failed {
            if known.failures > 0 && now.saturating_sub(known.recovery) > FORGIVEN_AFTER {
                known.failures = 0;
            }
            return;
        }
        let most = self.options.max_reconnect_attempts;
        if now >= known.recovery && (most == 0 || known.failures <= most) {
            known.is_failed = false;
            self.orders.push_back(Order::Appeared(service.to_owned()));
        }
    }

    /// It is there, and could not be worked with: it is taken for absent for a while. `for_good` where another try would come to the same: it is tried
    /// as seldom as it may be.
    pub fn failed(&mut self, service: &str, for_good: bool, now: Duration) {
        let Some(known) = self.known.get_mut(service).filter(|known| !known.is_failed) else { return };
        known.is_failed = true;
        known.failures = known.failures.saturating_add(1);
        let delay = self.options.delay(known.failures);
        known.recovery = now + if for_good { delay.max(self.options.max_reconnect_delay) } else { delay };
    }

    /// This one goes.
    pub fn stop(&mut self) {
        self.say(Said::Dead);
        self.advertised = None;
    }

    fn say(&mut self, said: Said) {
        if let Some(service) = &self.advertised {
            self.orders.push_back(Order::Say(datagram::write(&self.options.group, said, service)));
        }
    }

    fn is_odd(&mut self, why: &'static str) {
        let times = self.odd.entry(why).or_default();
        *times += 1;
        if times.is_power_of_two() {
            self.orders.push_back(Order::Odd { why, times: *times });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "tcp://a:1";
    const B: &str = "tcp://b:1";

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn alive(service: &str) -> Vec<u8> {
        datagram::write("default", Said::Alive, service)
    }

    fn orders(agent: &mut Agent) -> Vec<Order> {
        std::iter::from_fn(|| agent.poll_order()).collect()
    }

    fn appeared(service: &str) -> Order {
        Order::Appeared(service.to_owned())
    }

    fn vanished(service: &str) -> Order {
        Order::Vanished(service.to_owned())
    }

    fn finding(options: Multicast) -> Agent {
        Agent::new(options, None, vec![], Duration::ZERO)
    }

    /// What one that finds is told of one that says every half second that it is there: at which times it is to be tried, if each time it fails at once.
    fn tried_at(options: Multicast, until: Duration) -> Vec<u128> {
        let mut agent = finding(options);
        let mut now = Duration::ZERO;
        let mut tried = Vec::new();
        while now < until {
            agent.received(&alive(A), now);
            if orders(&mut agent) == [appeared(A)] {
                tried.push(now.as_millis());
                agent.failed(A, false, now);
            }
            now += milliseconds(500);
        }
        tried
    }

    #[test]
    fn it_says_that_it_is_there_every_interval_and_last_that_it_goes() {
        let mut agent = Agent::new(Multicast::default(), Some(A.to_owned()), vec![], milliseconds(7));
        assert_eq!(orders(&mut agent), [Order::Say(alive(A))]);
        assert_eq!(agent.deadline(), Some(milliseconds(507)));
        agent.time(milliseconds(506));
        assert_eq!(orders(&mut agent), []);
        agent.time(milliseconds(510));
        assert_eq!(orders(&mut agent), [Order::Say(alive(A))]);
        assert_eq!(agent.deadline(), Some(milliseconds(1010)));
        agent.stop();
        assert_eq!(orders(&mut agent), [Order::Say(datagram::write("default", Said::Dead, A))]);
        agent.stop();
        agent.time(milliseconds(5000));
        assert_eq!((orders(&mut agent), agent.deadline()), (vec![], None));
    }

    #[test]
    fn who_was_missed_ten_times_or_says_so_is_gone() {
        let mut agent = finding(Multicast::default());
        assert_eq!(agent.deadline(), None);
        agent.received(&alive(A), milliseconds(0));
        agent.received(&alive(A), milliseconds(400));
        agent.received(&alive(B), milliseconds(500));
        assert_eq!(orders(&mut agent), [appeared(A), appeared(B)]);
        assert_eq!(agent.deadline(), Some(milliseconds(5400)));
        agent.time(milliseconds(5399));
        assert_eq!(orders(&mut agent), []);
        agent.time(milliseconds(5400));
        assert_eq!(orders(&mut agent), [vanished(A)]);
        agent.received(&datagram::write("default", Said::Dead, B), milliseconds(5401));
        agent.received(&datagram::write("default", Said::Dead, B), milliseconds(5402));
        assert_eq!(orders(&mut agent), [vanished(B)]);
        agent.received(&alive(A), milliseconds(6000));
        assert_eq!(orders(&mut agent), [appeared(A)]);
    }

    #[test]
    fn who_begins_is_answered_at_once_and_a_flood_of_names_is_not() {
        let mut agent = Agent::new(Multicast::default(), Some(A.to_owned()), vec![], Duration::ZERO);
        orders(&mut agent);
        agent.received(&alive(B), milliseconds(100));
        assert_eq!(orders(&mut agent), [appeared(B), Order::Say(alive(A))]);
        agent.received(&alive(B), milliseconds(200));
        assert_eq!(orders(&mut agent), [], "it is known");
        // Another name each millisecond.
        let mut said = 0;
        for name in 0..200 {
            agent.received(&alive(&format!("tcp://x{name}:1")), milliseconds(1000 + name));
            said += orders(&mut agent).iter().filter(|order| matches!(order, Order::Say(_))).count();
        }
        assert_eq!(said, 4, "as it is due, and a tenth of the interval after each");
    }

    #[test]
    fn it_never_finds_itself_or_another_group() {
        let ours = vec!["tcp://here:1".to_owned()];
        let mut agent = Agent::new(Multicast::default(), Some(A.to_owned()), ours, Duration::ZERO);
        orders(&mut agent);
        agent.received(&alive(A), milliseconds(1));
        agent.received(&alive("tcp://here:1"), milliseconds(1));
        agent.received(&datagram::write("other", Said::Alive, B), milliseconds(1));
        assert_eq!(orders(&mut agent), []);
    }

    #[test]
    fn who_fails_is_absent_for_a_while_as_in_activemq() {
        let options = Multicast::default();
        assert_eq!(tried_at(options.clone(), milliseconds(16_000)), [0, 5000, 10_000, 15_000]);
        let grows = Multicast { use_exponential_back_off: true, ..options.clone() };
        assert_eq!(tried_at(grows, milliseconds(100_000)), [0, 5000, 15_000, 35_000, 65_000, 95_000]);
        let ends = Multicast { max_reconnect_attempts: 2, ..options.clone() };
        assert_eq!(tried_at(ends, milliseconds(100_000)), [0, 5000, 10_000]);
        let mut agent = finding(options);
        agent.received(&alive(A), milliseconds(0));
        agent.failed(A, true, milliseconds(0));
        agent.failed(A, false, milliseconds(1));
        agent.failed(B, false, milliseconds(1));
        for second in 1..30 {
            agent.received(&alive(A), milliseconds(second * 1000));
        }
        assert_eq!(orders(&mut agent), [appeared(A)], "no try would come to anything else");
        agent.received(&alive(A), milliseconds(30_000));
        assert_eq!(orders(&mut agent), [appeared(A)]);
    }

    #[test]
    fn what_was_fine_for_a_minute_since_is_forgiven() {
        let options = Multicast { use_exponential_back_off: true, ..Multicast::default() };
        let mut agent = finding(options);
        agent.received(&alive(A), milliseconds(0));
        agent.failed(A, false, milliseconds(0));
        let mut now = 0;
        let mut hear = |agent: &mut Agent, until: u64| {
            let mut tried = Vec::new();
            while now <= until {
                agent.received(&alive(A), milliseconds(now));
                if orders(agent) == [appeared(A)] {
                    tried.push(now);
                }
                now += 500;
            }
            tried
        };
        assert_eq!(hear(&mut agent, 60_000), [0, 5000]);
        // Not for a whole minute since.
        agent.failed(A, false, milliseconds(60_000));
        assert_eq!(hear(&mut agent, 131_000), [70_000]);
        agent.failed(A, false, milliseconds(131_000));
        assert_eq!(hear(&mut agent, 140_000), [136_000]);
    }

    #[test]
    fn who_failed_and_was_silent_begins_anew() {
        let mut agent = finding(Multicast { max_reconnect_attempts: 1, ..Multicast::default() });
        agent.received(&alive(A), milliseconds(0));
        agent.failed(A, false, milliseconds(0));
        agent.time(milliseconds(5000));
        agent.received(&alive(A), milliseconds(5001));
        assert_eq!(orders(&mut agent), [appeared(A), vanished(A), appeared(A)]);
    }

    #[test]
    fn memory_and_the_log_are_bounded_whatever_comes() {
        let mut agent = finding(Multicast::default());
        for name in 0..5000 {
            agent.received(&alive(&format!("tcp://x{name}:1")), Duration::ZERO);
            agent.received(b"nonsense", Duration::ZERO);
        }
        assert_eq!(agent.known.len(), KNOWN_MAX);
        let told = orders(&mut agent);
        let odd = told.iter().filter(|order| matches!(order, Order::Odd { .. })).count();
        assert_eq!((told.len() - odd, odd), (KNOWN_MAX, 13 + 13));
        // Those that are known are told of as ever.
        agent.received(&alive("tcp://x1:1"), milliseconds(4000));
        agent.time(milliseconds(5000));
        assert_eq!((orders(&mut agent).len(), agent.known.len()), (KNOWN_MAX - 1, 1));
    }
}
