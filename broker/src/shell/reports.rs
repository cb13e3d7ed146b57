//! What the bridges that there are tell of themselves. Each writes its own figures as it goes on, and nobody waits for anybody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::clock::now;
use crate::bridge::{Figures, Report};

/// The longest reason that is kept, in bytes: of each of many candidates there is one.
const WHY_BYTES_MAX: usize = 2000;
/// The longest name, which may be a peer's.
const NAME_BYTES_MAX: usize = 256;

/// See the module.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Open>);

#[derive(Default)]
struct Open {
    next: u64,
    all: BTreeMap<u64, Arc<Kept>>,
}

/// What is kept of one.
struct Kept {
    /// All but the figures.
    report: Mutex<Report>,
    forwarded: AtomicU64,
    acknowledged: AtomicU64,
    in_flight: AtomicU64,
    subscriptions: AtomicU64,
}

/// What one tells, as long as it is there.
pub(crate) struct Reporter<'a> {
    reports: &'a Reports,
    number: u64,
    kept: Arc<Kept>,
}

/// The figures of one bridge on top of those before it.
pub(crate) struct Meter<'a> {
    kept: &'a Kept,
    before: Figures,
}

impl Reports {
    /// Of a connector's bridge to this target, which does not stand yet.
    pub(crate) fn open(&self, connector: &str, target: String) -> Reporter<'_> {
        let report = Report {
            connector: start_of(connector, NAME_BYTES_MAX).to_owned(),
            target,
            stands: false,
            since: now(),
            broker: String::new(),
            address: String::new(),
            why: String::new(),
            tries: 0,
            figures: Figures::default(),
        };
        let none = || AtomicU64::new(0);
        let kept = Arc::new(Kept {
            report: Mutex::new(report),
            forwarded: none(),
            acknowledged: none(),
            in_flight: none(),
            subscriptions: none(),
        });
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = open.next;
        open.next += 1;
        open.all.insert(number, Arc::clone(&kept));
        Reporter { reports: self, number, kept }
    }

    /// All of them, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Report> {
        let all: Vec<_> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).all.values().cloned().collect();
        all.iter().map(|kept| kept.report()).collect()
    }
}

impl Kept {
    fn change(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn report(&self) -> Report {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Report { figures: self.figures(), ..report }
    }

    fn figures(&self) -> Figures {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Figures {
            forwarded: read(&self.forwarded),
            acknowledged: read(&self.acknowledged),
            in_flight: read(&self.in_flight),
            subscriptions: read(&self.subscriptions),
        }
    }

    fn set(&self, figures: Figures) {
        let write = |figure: &AtomicU64, value| figure.store(value, Ordering::Relaxed);
        write(&self.forwarded, figures.forwarded);
        write(&self.acknowledged, figures.acknowledged);
        write(&self.in_flight, figures.in_flight);
        write(&self.subscriptions, figures.subscriptions);
    }
}

impl Reporter<'_> {
    /// It stands, with the broker of this name there.
    pub(crate) fn stands(&self, broker: &str, address: &str) {
        self.kept.change(|report| {
            (report.stands, report.since, report.tries) = (true, now(), 0);
            report.why.clear();
            start_of(broker, NAME_BYTES_MAX).clone_into(&mut report.broker);
            address.clone_into(&mut report.address);
        });
    }

    /// It stands no more, for this reason.
    pub(crate) fn broke(&self, why: &str) {
        self.kept.change(|report| {
            (report.stands, report.since) = (false, now());
            start_of(why, WHY_BYTES_MAX).clone_into(&mut report.why);
        });
    }

    /// All that could be tried was.
    pub(crate) fn in_vain(&self, why: &str) {
        self.kept.change(|report| {
            report.tries = report.tries.saturating_add(1);
            start_of(why, WHY_BYTES_MAX).clone_into(&mut report.why);
        });
    }

    /// For the bridge that begins now.
    pub(crate) fn meter(&self) -> Meter<'_> {
        Meter { kept: &self.kept, before: self.kept.figures() }
    }
}

/// As much of it as is kept.
fn start_of(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        self.reports.0.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&self.number);
    }
}

impl Meter<'_> {
    /// What the bridge has done so far, and has to do.
    pub(crate) fn set(&self, figures: Figures) {
        let Figures { forwarded, acknowledged, .. } = self.before;
        let all =
            (forwarded.saturating_add(figures.forwarded), acknowledged.saturating_add(figures.acknowledged));
        self.kept.set(Figures { forwarded: all.0, acknowledged: all.1, ..figures });
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        // Whatever was on its way or wanted is the next one's.
        self.kept.set(Figures { in_flight: 0, subscriptions: 0, ..self.kept.figures() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bridge_does_is_added_to_what_those_before_it_did() {
        let reports = Reports::default();
        let one = reports.open("NC", "tcp://a:1".to_owned());
        let figures = |forwarded, in_flight| Figures {
            forwarded,
            acknowledged: forwarded - in_flight,
            in_flight,
            subscriptions: 2,
        };
        one.stands("a", "tcp://a:1");
        let meter = one.meter();
        meter.set(figures(1, 1));
        meter.set(figures(7, 3));
        assert_eq!(reports.all()[0].figures, figures(7, 3));
        drop(meter);
        assert_eq!(
            reports.all()[0].figures,
            Figures { forwarded: 7, acknowledged: 4, in_flight: 0, subscriptions: 0 }
        );
        let meter = one.meter();
        meter.set(figures(3, 0));
        assert_eq!(
            reports.all()[0].figures,
            Figures { forwarded: 10, acknowledged: 7, in_flight: 0, subscriptions: 2 }
        );
        drop(meter);
        drop(one);
        assert_eq!(reports.all(), []);
    }

    #[test]
    fn a_report_says_since_when_and_why_and_how_often_it_was_tried() {
        let reports = Reports::default();
        let one = reports.open("NC", "tcp://a:1".to_owned());
        let said = || {
            let report = reports.all().remove(0);
            (report.stands, report.tries, report.why)
        };
        assert_eq!(said(), (false, 0, String::new()));
        one.in_vain("refused");
        one.in_vain("refused");
        assert_eq!(said(), (false, 2, "refused".to_owned()));
        one.stands("a", "tcp://a:1");
        assert_eq!(said(), (true, 0, String::new()));
        let since = reports.all()[0].since;
        one.broke(&"é".repeat(WHY_BYTES_MAX));
        assert_eq!(said(), (false, 0, "é".repeat(WHY_BYTES_MAX / 2)));
        let report = reports.all().remove(0);
        assert!(report.since >= since);
        assert_eq!((report.broker.as_str(), report.address.as_str()), ("a", "tcp://a:1"));
    }
}
