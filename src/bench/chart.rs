//! The results as a drawing: messages a second over time, and latency by percentile. Plain SVG, no script, no font of its own.
//!
//! One row for each scenario: on the left its course, on the right its latencies on a logarithmic scale, where the percentiles
//! are spread by nines (50, 90, 99, 99.9, 99.99), as the tail is what is looked for.

use std::fmt::Write as _;

use crate::bench::outcome::{Outcome, Sample};
use crate::figures::{grouped, microseconds};

const WIDTH: f64 = 1080.0;
const ROW: f64 = 330.0;
const LEFT: Panel = Panel { x: 80.0, y: 60.0, width: 420.0, height: 210.0 };
const RIGHT: Panel = Panel { x: 610.0, y: 60.0, width: 420.0, height: 210.0 };
const SENT: &str = "#0b6e99";
const RECEIVED: &str = "#d9730d";
const GRID: &str = "#dddddd";
const INK: &str = "#333333";

/// Percentiles marked on the axis, up to five nines.
const MARKS: [(f64, &str); 6] =
    [(0.0, "0"), (90.0, "90"), (99.0, "99"), (99.9, "99.9"), (99.99, "99.99"), (99.999, "99.999")];

/// Samples a rate is taken over, so that a line shows the course and not the sampling.
const RATE_SAMPLES: usize = 5;

struct Panel {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A scale from values to places.
struct Scale {
    from: f64,
    to: f64,
    place: f64,
    length: f64,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from).max(f64::MIN_POSITIVE);
        self.place + share.clamp(0.0, 1.0) * self.length
    }
}

/// The drawing of all results.
pub(super) fn chart(results: &[Outcome]) -> String {
    let height = ROW * results.len().max(1) as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"{INK}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (number, outcome) in results.iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate(0 {})\">", ROW * number as f64);
        text(
            &mut svg,
            20.0,
            24.0,
            "start",
            &format!("{}: {}", outcome.scenario.name(), outcome.description),
            14,
        );
        course(&mut svg, outcome);
        latency(&mut svg, outcome);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// Messages a second over time.
fn course(svg: &mut String, outcome: &Outcome) {
    let panel = LEFT;
    let sent = rates(&outcome.course, |sample| sample.sent);
    let received = rates(&outcome.course, |sample| sample.received);
    let most = sent.iter().chain(&received).map(|(_, rate)| *rate).fold(0.0, f64::max);
    let end = outcome.course.last().map_or(1.0, |sample| sample.seconds.max(0.1));
    let (step, top) = round_steps(most);
    let across = Scale { from: 0.0, to: end, place: panel.x, length: panel.width };
    let up = Scale { from: 0.0, to: top, place: panel.y + panel.height, length: -panel.height };
    text(svg, panel.x, panel.y - 10.0, "start", "messages a second, over seconds", 12);
    legend(svg, panel.x + 250.0, panel.y - 10.0, SENT, "sent");
    legend(svg, panel.x + 320.0, panel.y - 10.0, RECEIVED, "received");
    let mut value = 0.0;
    while value <= top + step / 2.0 {
        let y = up.at(value);
        line(svg, panel.x, y, panel.x + panel.width, y);
        text(svg, panel.x - 6.0, y + 4.0, "end", &grouped(value), 11);
        value += step;
    }
    let (step, _) = round_steps(end);
    let mut value = 0.0;
    while value <= end {
        let x = across.at(value);
        text(
            svg,
            x,
            panel.y + panel.height + 16.0,
            "middle",
            &format!("{}", (value * 10.0).round() / 10.0),
            11,
        );
        value += step;
    }
    for (points, colour) in [(&sent, SENT), (&received, RECEIVED)] {
        polyline(svg, points.iter().map(|(at, rate)| (across.at(*at), up.at(*rate))), colour);
    }
}

/// Latency by percentile.
fn latency(svg: &mut String, outcome: &Outcome) {
    let panel = RIGHT;
    text(svg, panel.x, panel.y - 10.0, "start", "latency, by percentile", 12);
    let curves: Vec<_> = [(&outcome.sent.latency, SENT), (&outcome.received.latency, RECEIVED)]
        .into_iter()
        .filter_map(|(latency, colour)| latency.as_ref().map(|latency| (latency, colour)))
        .collect();
    let mut place = panel.x + 150.0;
    for (latency, colour) in &curves {
        legend(svg, place, panel.y - 10.0, colour, latency.of);
        place += 165.0;
    }
    let values = || curves.iter().flat_map(|(latency, _)| &latency.percentiles).map(|(_, at)| at.max(1.0));
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if curves.is_empty() || most <= 0.0 {
        text(svg, panel.x + panel.width / 2.0, panel.y + panel.height / 2.0, "middle", "none measured", 12);
        return;
    }
    let (least, most) = (least.log10().floor(), most.log10().ceil().max(least.log10().floor() + 1.0));
    let across =
        Scale { from: 0.0, to: nines(MARKS[MARKS.len() - 1].0), place: panel.x, length: panel.width };
    let up = Scale { from: least, to: most, place: panel.y + panel.height, length: -panel.height };
    let mut power = least;
    while power <= most {
        let y = up.at(power);
        line(svg, panel.x, y, panel.x + panel.width, y);
        text(svg, panel.x - 6.0, y + 4.0, "end", &microseconds(10f64.powf(power)), 11);
        power += 1.0;
    }
    for (percentile, name) in MARKS {
        text(svg, across.at(nines(percentile)), panel.y + panel.height + 16.0, "middle", name, 11);
    }
    for (latency, colour) in &curves {
        let points = latency
            .percentiles
            .iter()
            .map(|(percentile, at)| (across.at(nines(*percentile)), up.at(at.max(1.0).log10())));
        polyline(svg, points, colour);
    }
}

/// Where a percentile stands: 0 is 0, 90 is 1, 99 is 2, and so on.
fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-5).log10()
}

fn rates(course: &[Sample], of: fn(&Sample) -> u64) -> Vec<(f64, f64)> {
    course
        .windows(RATE_SAMPLES + 1)
        .filter_map(|samples| {
            let (first, last) = (samples.first()?, samples.last()?);
            let took = last.seconds - first.seconds;
            (took > 0.0).then(|| (last.seconds, (of(last) - of(first)) as f64 / took))
        })
        .collect()
}

/// A round step of which about five cover this, and how far they go.
fn round_steps(most: f64) -> (f64, f64) {
    let rough = (most / 5.0).max(0.1);
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|by| by * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
    (step, step * (most / step).ceil().max(1.0))
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str, size: u32) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{text}</text>"
    );
}

fn legend(svg: &mut String, x: f64, y: f64, colour: &str, name: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"3\" fill=\"{colour}\"/>",
        y - 5.0
    );
    text(svg, x + 16.0, y, "start", name, 11);
}

fn line(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{GRID}\"/>"
    );
}

fn polyline(svg: &mut String, points: impl Iterator<Item = (f64, f64)>, colour: &str) {
    let points: Vec<_> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>",
        points.join(" ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_stand_by_their_nines() {
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
        close(nines(0.0), 0.0);
        close(nines(90.0), 1.0);
        close(nines(99.9), 3.0);
        close(nines(100.0), 5.0);
    }

    #[test]
    fn steps_are_round_and_cover_all() {
        for most in [0.0, 0.3, 7.0, 99.0, 1234.0, 98_765.4] {
            let (step, top) = round_steps(most);
            assert!(top >= most && top / step <= 6.0, "{most}: {step} to {top}");
        }
    }

    #[test]
    fn a_rate_is_taken_over_several_samples() {
        let course: Vec<_> = (0..=10)
            .map(|at| Sample { seconds: f64::from(at) / 10.0, sent: at as u64 * 100, received: 0 })
            .collect();
        let rates = rates(&course, |sample| sample.sent);
        assert_eq!(rates.len(), 6);
        assert!(rates.iter().all(|(_, rate)| (rate - 1000.0).abs() < 1e-6));
    }

    #[test]
    fn what_is_drawn_is_well_formed_without_results() {
        let svg = chart(&[]);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
