//! What an entry of the journal says: its type and the few fields that counting needs (`journal-data.proto` of ActiveMQ).
//!
//! Protocol buffers, read by hand: a key (field number and wire type) and a value, until the end. The message itself is skipped, so the
//! beginning of an entry is enough.

/// What one entry does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A message is stored.
    Add {
        /// In this transaction, or at once.
        transaction: Option<Transaction<'a>>,
        /// Where to.
        destination: Destination<'a>,
        /// Which.
        message: &'a [u8],
    },
    /// A stored message has changed: it is stored where it was not.
    Update {
        /// Where it is.
        destination: Destination<'a>,
        /// Which.
        message: &'a [u8],
    },
    /// A message is acknowledged: by one durable subscription where it has one, for all others.
    Remove {
        /// In this transaction, or at once.
        transaction: Option<Transaction<'a>>,
        /// Where from.
        destination: Destination<'a>,
        /// Which.
        message: &'a [u8],
        /// By whom.
        subscription: Option<&'a [u8]>,
    },
    /// A transaction is prepared.
    Prepare(Transaction<'a>),
    /// A transaction is committed.
    Commit(Transaction<'a>),
    /// A transaction is rolled back.
    Rollback(Transaction<'a>),
    /// A destination goes, with all that is in it.
    RemoveDestination(Destination<'a>),
    /// A durable subscription is made.
    Subscribe {
        /// On which topic.
        destination: Destination<'a>,
        /// Its key.
        subscription: &'a [u8],
        /// Whether it is given what waits for others already.
        retroactive: bool,
    },
    /// A durable subscription goes.
    Unsubscribe {
        /// On which topic.
        destination: Destination<'a>,
        /// Its key.
        subscription: &'a [u8],
    },
    /// A message is to be sent later.
    Schedule(&'a [u8]),
    /// It no longer is.
    Unschedule(&'a [u8]),
    /// All of a time are not: which, cannot be told here.
    UnscheduleTime,
    /// Nothing is to be sent later.
    UnscheduleAll,
    /// What follows in this file stands for that other file, unless it is still there.
    Rewritten {
        /// The other file's number.
        source: u64,
        /// Whether it counts only where the other is gone.
        skip_if_there: bool,
    },
    /// Of no matter to what waits.
    Other,
}

/// A transaction, as it is named: the bytes of its identity, the same in each of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transaction<'a> {
    /// Whether an XA manager decides it.
    pub(super) is_xa: bool,
    /// What names it.
    pub(super) id: &'a [u8],
}

/// A destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Destination<'a> {
    /// 0 a queue, 1 a topic, 2 and 3 temporary ones.
    pub(super) kind: u64,
    /// Its name.
    pub(super) name: &'a [u8],
}

/// Reads an entry, of which `bytes` is the beginning and `length` the whole. `None` where it is none.
pub(super) fn read(bytes: &[u8], length: u64) -> Option<Entry<'_>> {
    let (kind, framed) = bytes.split_first()?;
    let mut fields = Fields { bytes: framed, whole: length.checked_sub(1)? };
    let framed_length = fields.varint()?;
    if framed_length != fields.whole {
        return None;
    }
    match kind {
        1 => add(fields).map(|(transaction, destination, message)| Entry::Add {
            transaction,
            destination,
            message,
        }),
        2 => remove(fields),
        3 => transaction_of(fields).map(Entry::Prepare),
        4 => transaction_of(fields).map(Entry::Commit),
        5 => transaction_of(fields).map(Entry::Rollback),
        6 => fields.find(1)?.destination().map(Entry::RemoveDestination),
        7 => subscription(fields),
        10 => {
            let nested = fields.find(1)?;
            let (_, destination, message) = add(nested)?;
            Some(Entry::Update { destination, message })
        }
        11 => fields.find(2)?.all().map(Entry::Schedule),
        13 => fields.find(2)?.all().map(Entry::Unschedule),
        14 => Some(Entry::UnscheduleTime),
        15 => Some(Entry::UnscheduleAll),
        16 => rewritten(fields),
        0 | 8 | 9 | 12 => Some(Entry::Other),
        _ => None,
    }
}

type Added<'a> = (Option<Transaction<'a>>, Destination<'a>, &'a [u8]);

fn add(mut fields: Fields<'_>) -> Option<Added<'_>> {
    let (mut transaction, mut destination, mut message) = (None, None, None);
    // What comes after these is long, and not needed.
    while destination.is_none() || message.is_none() {
        match fields.next()?? {
            (1, Value::Bytes(inner)) => transaction = Some(inner.transaction()?),
            (2, Value::Bytes(inner)) => destination = Some(inner.destination()?),
            (3, Value::Bytes(inner)) => message = Some(inner.all()?),
            _ => {}
        }
    }
    Some((transaction, destination?, message?))
}

fn remove(mut fields: Fields<'_>) -> Option<Entry<'_>> {
    let (mut transaction, mut destination, mut message, mut subscription) = (None, None, None, None);
    while let Some(field) = fields.next() {
        match field? {
            (1, Value::Bytes(inner)) => transaction = Some(inner.transaction()?),
            (2, Value::Bytes(inner)) => destination = Some(inner.destination()?),
            (3, Value::Bytes(inner)) => message = Some(inner.all()?),
            (5, Value::Bytes(inner)) => subscription = Some(inner.all()?),
            _ => {}
        }
    }
    Some(Entry::Remove { transaction, destination: destination?, message: message?, subscription })
}

fn subscription(mut fields: Fields<'_>) -> Option<Entry<'_>> {
    let (mut destination, mut key, mut retroactive, mut made) = (None, None, false, false);
    while let Some(field) = fields.next() {
        match field? {
            (1, Value::Bytes(inner)) => destination = Some(inner.destination()?),
            (2, Value::Bytes(inner)) => key = Some(inner.all()?),
            (3, Value::Number(number)) => retroactive = number != 0,
            (4, Value::Bytes(_)) => made = true,
            _ => {}
        }
    }
    let (destination, subscription) = (destination?, key?);
    Some(if made {
        Entry::Subscribe { destination, subscription, retroactive }
    } else {
        Entry::Unsubscribe { destination, subscription }
    })
}

fn rewritten(mut fields: Fields<'_>) -> Option<Entry<'_>> {
    let (mut source, mut skip_if_there) = (None, true);
    while let Some(field) = fields.next() {
        match field? {
            (1, Value::Number(number)) => source = Some(number),
            (3, Value::Number(number)) => skip_if_there = number != 0,
            _ => {}
        }
    }
    Some(Entry::Rewritten { source: source?, skip_if_there })
}

fn transaction_of(mut fields: Fields<'_>) -> Option<Transaction<'_>> {
    fields.find(1)?.transaction()
}

/// The value of a field.
enum Value<'a> {
    Number(u64),
    Bytes(Fields<'a>),
}

/// Fields, one after the other.
#[derive(Clone, Copy)]
struct Fields<'a> {
    /// What of them is here.
    bytes: &'a [u8],
    /// How long they are in all.
    whole: u64,
}

impl<'a> Fields<'a> {
    /// The next field; `None` at the end, and `Some(None)` where what is there is no field.
    fn next(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        (self.whole > 0).then(|| self.field())
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.cut(8)?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.cut(length)?)
            }
            5 => Value::Bytes(self.cut(4)?),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    /// The first of these fields that has bytes.
    fn find(&mut self, wanted: u64) -> Option<Self> {
        while let Some(field) = self.next() {
            match field? {
                (number, Value::Bytes(inner)) if number == wanted => return Some(inner),
                _ => {}
            }
        }
        None
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for at in 0..10 {
            let (byte, rest) = self.bytes.split_first()?;
            self.whole = self.whole.checked_sub(1)?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// So many bytes, of which the end may not be here.
    fn cut(&mut self, length: u64) -> Option<Self> {
        self.whole = self.whole.checked_sub(length)?;
        let here = usize::try_from(length).unwrap_or(usize::MAX).min(self.bytes.len());
        let (inner, rest) = self.bytes.split_at(here);
        self.bytes = rest;
        Some(Self { bytes: inner, whole: length })
    }

    /// All of it, where all of it is here.
    fn all(self) -> Option<&'a [u8]> {
        (self.bytes.len() as u64 == self.whole).then_some(self.bytes)
    }

    fn destination(mut self) -> Option<Destination<'a>> {
        let (mut kind, mut name) = (0, None);
        while let Some(field) = self.next() {
            match field? {
                (1, Value::Number(number)) => kind = number,
                (2, Value::Bytes(inner)) => name = Some(inner.all()?),
                _ => {}
            }
        }
        Some(Destination { kind, name: name? })
    }

    fn transaction(mut self) -> Option<Transaction<'a>> {
        while let Some(field) = self.next() {
            match field? {
                (1, Value::Bytes(inner)) => return Some(Transaction { is_xa: false, id: inner.all()? }),
                (2, Value::Bytes(inner)) => return Some(Transaction { is_xa: true, id: inner.all()? }),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries as ActiveMQ 5.17.2 wrote them, of two kinds.
    const QUEUE: [u8; 7] = [0x08, 0, 0x12, 3, b'o', b'n', b'e'];

    fn add_entry() -> Vec<u8> {
        let mut fields = vec![0x12, 7];
        fields.extend(QUEUE);
        fields.extend([0x1a, 2, b'i', b'd', 0x22, 5, 9, 9, 9, 9, 9, 0x28, 4]);
        let mut entry = vec![1, fields.len() as u8];
        entry.extend(fields);
        entry
    }

    #[test]
    fn an_entry_is_read_by_its_beginning() {
        let entry = add_entry();
        let wanted = Entry::Add {
            transaction: None,
            destination: Destination { kind: 0, name: b"one" },
            message: b"id",
        };
        assert_eq!(read(&entry, entry.len() as u64), Some(wanted));
        // The message's own bytes are not needed.
        assert!(read(&entry[..16], entry.len() as u64).is_some());
        assert!(read(&entry[..12], entry.len() as u64).is_none());
    }

    #[test]
    fn whatever_is_cut_or_flipped_is_read_or_refused() {
        let entry = add_entry();
        for length in 0..entry.len() {
            assert_eq!(read(&entry[..length], length as u64), None, "cut at {length}");
        }
        for at in 0..entry.len() {
            for bit in 0..8 {
                let mut flipped = entry.clone();
                flipped[at] ^= 1 << bit;
                let _ = read(&flipped, flipped.len() as u64);
            }
        }
        // Lengths beyond everything.
        let _ = read(&[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], u64::MAX);
        assert_eq!(read(&[1, 0x12, 0x12, 255, 255, 255, 255, 15], 19), None);
    }
}
