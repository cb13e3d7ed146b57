//! The temporary destinations that a bridge knows.

use std::collections::{HashMap, HashSet};

use kahawai_openwire::consumer::ConsumerInfo;

use crate::core::address::Address;

/// How many are known at most of each side.
const MOST: usize = 100_000;
/// How many consumers of one are remembered until it is there; it is its owner's that counts.
const WAITING_MAX: usize = 16;

/// See the module.
#[derive(Default)]
pub(super) struct Temporaries {
    /// Those over there that are made here.
    made: HashMap<Address, Made>,
    /// By the commands that make them, until they are answered.
    asked: HashMap<i32, Address>,
    /// Those here that the broker there was told of.
    told: HashSet<Address>,
    /// The consumer here by which it is heard that one is gone, where nobody over there listens by itself.
    listener: Option<i64>,
}

#[derive(Default)]
struct Made {
    /// Whether the broker here has not answered yet.
    is_asked: bool,
    waiting: Vec<ConsumerInfo>,
    /// A subscription that it has without a consumer being known over there.
    subscription: Option<i64>,
}

impl Temporaries {
    /// Whether one over there is made here.
    pub(super) fn is_made(&self, address: &Address) -> bool {
        self.made.contains_key(address)
    }

    /// Whether the broker here has not answered yet that it has it.
    pub(super) fn is_asked(&self, address: &Address) -> bool {
        self.made.get(address).is_some_and(|made| made.is_asked)
    }

    /// Whether it has a subscription without a consumer being known over there.
    pub(super) fn is_consumed(&self, address: &Address) -> bool {
        self.made.get(address).is_some_and(|made| made.subscription.is_some())
    }

    /// Whether one more may be made here.
    pub(super) fn may_make(&self) -> bool {
        self.made.len() < MOST
    }

    /// One is made, by this command.
    pub(super) fn make(&mut self, address: Address, asked: i32) {
        self.asked.insert(asked, address.clone());
        self.made.insert(address, Made { is_asked: true, ..Made::default() });
    }

    /// The broker here has answered, whatever it said: one that another has made is as good. Gives which one, and who waits for it.
    pub(super) fn answered(&mut self, asked: i32) -> Option<(Address, Vec<ConsumerInfo>)> {
        let address = self.asked.remove(&asked)?;
        let made = self.made.get_mut(&address)?;
        made.is_asked = false;
        let waiting = std::mem::take(&mut made.waiting);
        Some((address, waiting))
    }

    /// It has this subscription.
    pub(super) fn subscribed(&mut self, address: &Address, subscription: Option<i64>) {
        if let Some(made) = self.made.get_mut(address) {
            made.subscription = subscription;
        }
    }

    /// A consumer of one waits until it is there. False where it need not.
    pub(super) fn waits(&mut self, address: &Address, info: &ConsumerInfo) -> bool {
        match self.made.get_mut(address) {
            Some(made) if made.is_asked => {
                if made.waiting.len() < WAITING_MAX {
                    made.waiting.push(info.clone());
                }
                true
            }
            _ => false,
        }
    }

    /// One over there is gone. Gives whether it was made here, and its own subscription.
    pub(super) fn unmake(&mut self, address: &Address) -> Option<Option<i64>> {
        self.made.remove(address).map(|made| made.subscription)
    }

    /// One here is to be told of over there; true where it was not yet, and there are not too many.
    pub(super) fn tell(&mut self, address: &Address) -> bool {
        // What is made here for somebody over there is known there.
        !self.made.contains_key(address) && self.told.len() < MOST && self.told.insert(address.clone())
    }

    /// One here is gone. Gives whether it was told of.
    pub(super) fn untell(&mut self, address: &Address) -> bool {
        self.told.remove(address)
    }

    /// The consumer here is this.
    pub(super) fn listen(&mut self, number: i64) {
        self.listener = Some(number);
    }

    /// Whether there is one.
    pub(super) fn listens(&self) -> bool {
        self.listener.is_some()
    }

    /// Whether it is this one.
    pub(super) fn is_listener(&self, number: i64) -> bool {
        self.listener == Some(number)
    }
}
