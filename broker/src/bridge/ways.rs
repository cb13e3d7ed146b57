//! The ways by which demand came: what a subscription that stands for several consumers tells of where they are.
//!
//! ActiveMQ tells the way of the first, for as long as the subscription is there. Those that joined it are hidden then from the brokers that are too far from
//! the first; and where a ring of brokers has subscriptions for each other, none of them ends. What is told here is a way of one that is there, the
//! shortest, as in a path-vector protocol: with the last of a ring's consumers their ways end, each broker finding itself in what is left.

use std::collections::HashMap;
use std::sync::Arc;

use kahawai_openwire::ids::BrokerId;

/// The brokers that demand has passed before the one that tells of it (`brokerPath`): the consumer's own first.
pub type Way = Arc<[Arc<BrokerId>]>;

/// Of each way, how many came by it.
#[derive(Debug, Default)]
pub struct Ways(HashMap<Way, usize>);

impl Ways {
    /// One more came by this way. Gives whether none had.
    fn add(&mut self, way: &Way) -> bool {
        let count = self.0.entry(Arc::clone(way)).or_default();
        *count += 1;
        *count == 1
    }

    /// One of those is gone. Gives whether none is left.
    fn remove(&mut self, way: &Way) -> bool {
        let Some(count) = self.0.get_mut(way) else {
            debug_assert!(false, "who goes has come");
            return false;
        };
        *count -= 1;
        let is_last = *count == 0;
        if is_last {
            self.0.remove(way);
        }
        is_last
    }

    /// One that came by one way comes by another, or by none. Gives whether a way is there that was not, or is no more.
    pub fn exchange(&mut self, from: Option<&Way>, to: Option<&Way>) -> bool {
        let is_new = to.is_some_and(|way| self.add(way));
        let was_last = from.is_some_and(|way| self.remove(way));
        is_new || was_last
    }

    /// The one to tell, if there is any: the shortest. Of several as short it stays with what was told.
    pub fn nearest(&self, told: &[Arc<BrokerId>]) -> Option<&Way> {
        let order = |way: &&Way| {
            let names: Vec<_> = way.iter().map(|id| id.value.clone()).collect();
            (way.len(), ***way != *told, names)
        };
        self.0.keys().min_by_key(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(names: &[&str]) -> Way {
        names.iter().map(|name| Arc::new(BrokerId::new(*name))).collect()
    }

    #[test]
    fn the_shortest_is_told_and_of_several_what_was_told() {
        let mut ways = Ways::default();
        assert_eq!(ways.nearest(&[]), None);
        let all = [way(&["c", "a"]), way(&["b"]), way(&["a"])];
        for one in &all {
            ways.add(one);
        }
        assert_eq!(ways.nearest(&all[0]), Some(&all[2]));
        assert_eq!(ways.nearest(&all[1]), Some(&all[1]));
        ways.remove(&all[1]);
        assert_eq!(ways.nearest(&all[1]), Some(&all[2]));
    }

    #[test]
    fn a_way_is_there_until_the_last_that_came_by_it_is_gone() {
        let mut ways = Ways::default();
        let (near, far) = (way(&[]), way(&["a"]));
        assert!(ways.add(&far));
        assert!(ways.add(&near));
        assert!(!ways.add(&near));
        assert!(!ways.remove(&near));
        assert_eq!(ways.nearest(&far), Some(&near));
        assert!(ways.remove(&near));
        assert_eq!(ways.nearest(&near), Some(&far));
    }
}
