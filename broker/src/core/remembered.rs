//! Names with numbers, of which the least recently used are forgotten.

use std::collections::{BTreeMap, HashMap};

use bytestring::ByteString;

/// Names with a number (or several) each, the least recently used of which are forgotten.
#[derive(Debug)]
pub(crate) struct Remembered<N> {
    entries: HashMap<ByteString, Entry<N>>,
    by_use: BTreeMap<u64, ByteString>,
    uses: u64,
}

impl<N> Default for Remembered<N> {
    fn default() -> Self {
        Self { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }
}

impl<N> Remembered<N> {
    pub(crate) fn get(&self, name: &ByteString) -> Option<&N> {
        self.entries.get(name).map(|entry| &entry.number)
    }

    pub(crate) fn get_mut(&mut self, name: &ByteString) -> Option<&mut N> {
        self.entries.get_mut(name).map(|entry| &mut entry.number)
    }

    /// Sets a number; gives the name of a stored entry that had to go.
    pub(crate) fn set(
        &mut self,
        name: &ByteString,
        number: N,
        stored: bool,
        most: usize,
    ) -> Option<ByteString> {
        self.uses += 1;
        let used = self.uses;
        match self.entries.get_mut(name) {
            Some(entry) => {
                let name = self.by_use.remove(&entry.used);
                *entry = Entry { number, stored: stored || entry.stored, used };
                self.by_use.insert(used, name.unwrap_or_default());
                None
            }
            None => {
                self.entries.insert(name.clone(), Entry { number, stored, used });
                self.by_use.insert(used, name.clone());
                if self.entries.len() <= most {
                    return None;
                }
                let (_, oldest) = self.by_use.pop_first()?;
                self.entries.remove(&oldest).filter(|entry| entry.stored).map(|_| oldest)
            }
        }
    }

    /// Forgets a name; gives whether the store has an entry for it.
    pub(crate) fn remove(&mut self, name: &ByteString) -> bool {
        let Some(entry) = self.entries.remove(name) else { return false };
        self.by_use.remove(&entry.used);
        entry.stored
    }
}

#[derive(Debug)]
struct Entry<N> {
    number: N,
    /// Whether the store has an entry for it.
    stored: bool,
    used: u64,
}
