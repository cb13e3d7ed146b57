//! Circles in a graph of arrows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An arrow, from and to.
pub(crate) type Arrow<N> = (N, N);

/// The arrows that lie on a circle, each with the shortest circle it lies on, from its beginning back to it.
pub(crate) fn on_a_circle<N: Ord + Clone>(arrows: &BTreeSet<Arrow<N>>) -> BTreeMap<Arrow<N>, Vec<N>> {
    let next = next(arrows);
    let mut found = BTreeMap::new();
    for (from, to) in arrows {
        if let Some(way) = way(&next, to, from) {
            let circle = std::iter::once(from.clone()).chain(way).collect();
            found.insert((from.clone(), to.clone()), circle);
        }
    }
    found
}

/// A few circles that, one arrow of each taken away, leave none: what to mend first.
pub(crate) fn to_mend<N: Ord + Clone>(arrows: &BTreeSet<Arrow<N>>) -> Vec<Vec<N>> {
    let mut left = arrows.clone();
    let mut circles = Vec::new();
    loop {
        let found = on_a_circle(&left);
        // The shortest is told first; the arrow that lies on most of the shortest circles is taken away.
        let Some(circle) = found.values().min_by_key(|circle| circle.len()).cloned() else { return circles };
        let mut counts = BTreeMap::new();
        for circle in found.values() {
            for arrow in circle.windows(2) {
                *counts.entry((arrow[0].clone(), arrow[1].clone())).or_insert(0) += 1;
            }
        }
        let most = circle
            .windows(2)
            .map(|arrow| (arrow[0].clone(), arrow[1].clone()))
            .max_by_key(|arrow| counts[arrow]);
        if let Some(arrow) = most {
            // The circle is told from its weakest arrow on.
            let begin = circle.iter().position(|node| *node == arrow.0).unwrap_or(0);
            let round = circle[begin..circle.len() - 1].iter().chain(&circle[..=begin]);
            circles.push(round.cloned().collect());
            left.remove(&arrow);
        }
    }
}

fn next<N: Ord + Clone>(arrows: &BTreeSet<Arrow<N>>) -> BTreeMap<&N, Vec<&N>> {
    let mut next: BTreeMap<&N, Vec<&N>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(from).or_default().push(to);
    }
    next
}

/// The shortest way, both ends named.
fn way<N: Ord + Clone>(next: &BTreeMap<&N, Vec<&N>>, from: &N, to: &N) -> Option<Vec<N>> {
    let mut before: BTreeMap<&N, Option<&N>> = BTreeMap::from([(from, None)]);
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        if node == to {
            let mut way = vec![node.clone()];
            let mut at = node;
            while let Some(Some(earlier)) = before.get(at) {
                way.push((*earlier).clone());
                at = earlier;
            }
            way.reverse();
            return Some(way);
        }
        for after in next.get(node).into_iter().flatten() {
            before.entry(*after).or_insert_with(|| {
                queue.push_back(after);
                Some(node)
            });
        }
    }
    None
}
