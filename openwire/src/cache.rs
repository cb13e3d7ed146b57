//! The two caches of a connection: objects that were sent once are named by a 16-bit index afterwards.
//!
//! The sender alone decides: it names the index with each new object, and both sides put it there. So the encode
//! cache holds the policy (ActiveMQ's: slots in turn, oldest evicted first, one hundred slots free before each
//! command), the decode cache just obeys, within bounds. Null is cached like any other object.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::error::DecodeError;

/// Slots that the sender keeps free before each command, so that new objects of one command find room.
const FREE_SLOTS: usize = 100;

/// Most bytes that a peer may make us keep in the decode cache, as encoded. Real caches stay far below: an entry
/// is some hundred bytes.
const DECODE_BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// Slots of the direct-mapped memory of objects seen last, found by address instead of by value.
const RECENT: usize = 16;

/// The index that says: not cached, there was no room.
const NOT_CACHED: i16 = -1;

/// A structure that peers remember: sent once, then named by an index. Cloning it is cheap.
pub(crate) trait Cacheable: Clone {
    fn to_cached(&self) -> CachedObject;
    fn from_cached(cached: &CachedObject) -> Option<Self>;
    /// Where the shared object is in memory, never 0.
    fn address(&self) -> usize;
}

/// What can be shared and remembered, whatever its type: the caches know no structure.
pub(crate) trait AnyStructure: Any + fmt::Debug + Send + Sync {
    /// Whether the other is of the same type and equal.
    fn is_same(&self, other: &dyn Any) -> bool;
    /// Type and value.
    fn hash_into(&self, hasher: &mut dyn Hasher);
}

impl<T: Any + fmt::Debug + Send + Sync + Eq + Hash> AnyStructure for T {
    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>().is_some_and(|other| self == other)
    }

    fn hash_into(&self, mut hasher: &mut dyn Hasher) {
        TypeId::of::<T>().hash(&mut hasher);
        self.hash(&mut hasher);
    }
}

/// An object that can stand in a cache.
#[derive(Debug, Clone)]
pub(crate) enum CachedObject {
    Null,
    Object(Arc<dyn AnyStructure>),
}

impl CachedObject {
    /// Where the object is in memory; 0 for null.
    fn address(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Object(object) => Arc::as_ptr(object).addr(),
        }
    }
}

impl PartialEq for CachedObject {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Object(object), Self::Object(other)) => object.is_same(&**other as &dyn Any),
            _ => false,
        }
    }
}

impl Eq for CachedObject {}

impl Hash for CachedObject {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            Self::Null => hasher.write_u8(0),
            Self::Object(object) => object.hash_into(hasher),
        }
    }
}

impl<T: Any + fmt::Debug + Send + Sync + Eq + Hash> Cacheable for Arc<T> {
    fn to_cached(&self) -> CachedObject {
        CachedObject::Object(self.clone())
    }

    fn from_cached(cached: &CachedObject) -> Option<Self> {
        match cached {
            CachedObject::Null => None,
            CachedObject::Object(object) => {
                let object: Arc<dyn Any + Send + Sync> = object.clone();
                object.downcast().ok()
            }
        }
    }

    fn address(&self) -> usize {
        Arc::as_ptr(self).addr()
    }
}

/// What the peer remembers of what we sent.
#[derive(Debug)]
pub(crate) struct EncodeCache {
    size: usize,
    slots: Vec<Option<CachedObject>>,
    indexes: HashMap<CachedObject, i16>,
    /// Objects met last. An entry holds its object, so the address cannot be given to another one.
    recent: [Option<(CachedObject, i16)>; RECENT],
    next: usize,
    next_eviction: usize,
    /// Slots filled by the command at work, to be emptied if it fails.
    filled: Vec<i16>,
}

impl EncodeCache {
    /// An empty cache of `size` slots, at most `i16::MAX`.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size: size.clamp(1, i16::MAX as usize),
            slots: Vec::new(),
            indexes: HashMap::new(),
            recent: [const { None }; RECENT],
            next: 0,
            next_eviction: 0,
            filled: Vec::new(),
        }
    }

    /// Makes room before a command.
    pub(crate) fn begin_command(&mut self) {
        self.filled.clear();
        while self.indexes.len() > self.size.saturating_sub(FREE_SLOTS) {
            if let Some(object) = self.slots.get_mut(self.next_eviction).and_then(Option::take) {
                self.forget(&object);
            }
            self.next_eviction = (self.next_eviction + 1) % self.size;
        }
    }

    /// Forgets what the command at work added: the peer will not see it.
    pub(crate) fn roll_back_command(&mut self) {
        while let Some(index) = self.filled.pop() {
            let slot = usize::from(index.unsigned_abs());
            if let Some(object) = self.slots.get_mut(slot).and_then(Option::take) {
                self.forget(&object);
            }
            self.next = slot;
        }
    }

    fn forget(&mut self, object: &CachedObject) {
        if let Some(index) = self.indexes.remove(object) {
            for entry in &mut self.recent {
                if entry.as_ref().is_some_and(|(_, recent)| *recent == index) {
                    *entry = None;
                }
            }
        }
    }

    /// The index under which the peer knows an object.
    pub(crate) fn find<S: Cacheable>(&mut self, object: Option<&S>) -> Option<i16> {
        let address = object.map_or(0, Cacheable::address);
        let recent = &mut self.recent[(address >> 4 ^ address >> 8) % RECENT];
        if let Some((met, index)) = recent
            && met.address() == address
        {
            return Some(*index);
        }
        let object = object.map_or(CachedObject::Null, Cacheable::to_cached);
        let index = *self.indexes.get(&object)?;
        *recent = Some((object, index));
        Some(index)
    }

    /// Gives an unknown object an index; -1 where there is no room.
    pub(crate) fn add(&mut self, object: CachedObject) -> i16 {
        if self.slots.get(self.next).is_some_and(Option::is_some) || self.indexes.len() >= self.size {
            return NOT_CACHED;
        }
        let Ok(index) = i16::try_from(self.next) else { return NOT_CACHED };
        if self.slots.len() <= self.next {
            self.slots.resize(self.next + 1, None);
        }
        self.slots[self.next] = Some(object.clone());
        self.indexes.insert(object, index);
        self.filled.push(index);
        self.next = (self.next + 1) % self.size;
        index
    }
}

/// What we remember of what the peer sent.
#[derive(Debug)]
pub(crate) struct DecodeCache {
    size: usize,
    /// Objects with the bytes they took on the wire.
    slots: Vec<Option<(CachedObject, usize)>>,
    bytes: usize,
}

impl DecodeCache {
    /// An empty cache of `size` slots, at most `i16::MAX`.
    pub(crate) fn new(size: usize) -> Self {
        Self { size: size.clamp(1, i16::MAX as usize), slots: Vec::new(), bytes: 0 }
    }

    fn slot(&self, index: i16) -> Result<usize, DecodeError> {
        usize::try_from(index)
            .ok()
            .filter(|slot| *slot < self.size)
            .ok_or(DecodeError::CacheIndexOutOfRange { found: index, size: self.size })
    }

    /// Remembers an object that took `encoded_bytes` on the wire; the index -1 says not to.
    pub(crate) fn set(
        &mut self,
        index: i16,
        object: CachedObject,
        encoded_bytes: usize,
    ) -> Result<(), DecodeError> {
        if index == NOT_CACHED {
            return Ok(());
        }
        let slot = self.slot(index)?;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        let replaced = self.slots[slot].as_ref().map_or(0, |(_, bytes)| *bytes);
        let found = self.bytes - replaced + encoded_bytes;
        if found > DECODE_BYTES_LIMIT {
            return Err(DecodeError::CacheTooLarge { found, limit: DECODE_BYTES_LIMIT });
        }
        self.bytes = found;
        self.slots[slot] = Some((object, encoded_bytes));
        Ok(())
    }

    /// The object under an index.
    pub(crate) fn get<S: Cacheable>(
        &self,
        index: i16,
        expected: &'static str,
    ) -> Result<Option<S>, DecodeError> {
        match self.slots.get(self.slot(index)?) {
            Some(Some((CachedObject::Null, _))) => Ok(None),
            Some(Some((object, _))) => {
                S::from_cached(object).map(Some).ok_or(DecodeError::CacheTypeMismatch { index, expected })
            }
            _ => Err(DecodeError::CacheIndexUnset { index }),
        }
    }
}
