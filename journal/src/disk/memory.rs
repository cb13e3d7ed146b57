//! A disk in memory that knows what was synced: the ground of deterministic crash tests.
//!
//! What is written is seen at once by every reader, as through a page cache. [`MemoryDisk::crash`] gives the disk as
//! it might be after the power failed: what was synced, and of everything else, sector by sector and name by name,
//! whatever `keep` chooses. A process that dies without the machine dying is simply one that makes no more calls.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{
    Disk, FinishedFile, KeptFile, LockGuard, NewFile, SMALL_FILE_MAX, SegmentFile, check_range, total,
};
use crate::format::name::FileName;

/// The unit in which a write is torn.
pub const SECTOR: usize = 512;

/// A disk in memory. Clones are handles of the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for MemoryDisk {
    /// Not what is on it: that may be hundreds of megabytes.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MemoryDisk")
    }
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<FileName, Arc<Inode>>,
    durable_names: BTreeMap<FileName, Arc<Inode>>,
    inode_next: u64,
    lock: Weak<()>,
    /// How many bytes all segments together may have, prepared ones too; `None` without limit.
    capacity: Option<u64>,
    /// Shared by every segment that is open.
    open: Arc<()>,
}

#[derive(Debug)]
struct Inode {
    number: u64,
    bytes: Mutex<Content>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One step of a digest: both halves of a product, so that no bit is lost.
fn mix(digest: u64, word: u64) -> u64 {
    let product = u128::from(digest ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xd6e8_feb8_6659_fd93);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(word).rotate_left(23)
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk after a power failure. `keep` is asked, in a fixed order, for each sector written and not synced and
    /// for each name changed and not synced whether the change made it.
    pub fn crash(&self, keep: &mut dyn FnMut() -> bool) -> Self {
        let state = locked(&self.state);
        let mut after = State { inode_next: state.inode_next, capacity: state.capacity, ..State::default() };
        let mut names: Vec<FileName> =
            state.names.keys().chain(state.durable_names.keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        let mut copies: BTreeMap<u64, Arc<Inode>> = BTreeMap::new();
        let is_aside = |name: &FileName| matches!(name, FileName::Aside { .. });
        let aside: BTreeSet<u64> =
            state.names.iter().filter_map(|(name, inode)| is_aside(name).then_some(inode.number)).collect();
        let mut kept_aside: BTreeMap<u64, bool> = BTreeMap::new();
        for name in names {
            let (now, durable) = (state.names.get(&name), state.durable_names.get(&name));
            let same = now.map(|inode| inode.number) == durable.map(|inode| inode.number);
            // What is given its name as set aside is at one of its names: a rename is atomic. Elsewhere more is tried than can happen.
            let moved = [now, durable].into_iter().flatten().find(|inode| aside.contains(&inode.number));
            let kept = match moved {
                Some(inode) if !same => *kept_aside.entry(inode.number).or_insert_with(&mut *keep),
                _ => !same && keep(),
            };
            let chosen = if kept { now } else { durable };
            if let Some(inode) = chosen {
                let copy = copies.entry(inode.number).or_insert_with(|| Arc::new(inode.crash(keep)));
                after.names.insert(name, Arc::clone(copy));
            }
        }
        after.durable_names = after.names.clone();
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// Limits the bytes of segments that may still be created.
    pub fn set_room(&self, room: Option<u64>) {
        let mut state = locked(&self.state);
        state.capacity = room.map(|room| state.in_segments() + room);
    }

    /// How many bytes all files have together.
    pub fn bytes(&self) -> u64 {
        let state = locked(&self.state);
        state.names.values().map(|inode| locked(&inode.bytes).now.len() as u64).sum()
    }

    /// A number for what can be read here: every name, and the bytes of every file but for segments that are only prepared
    /// for later. Who recovers cannot tell disks of one number apart.
    pub fn digest(&self) -> u64 {
        let state = locked(&self.state);
        let mut digest = 0;
        for (name, inode) in &state.names {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            digest = mix(digest, hasher.finish());
            if !matches!(name, FileName::Spare { .. }) {
                let content = locked(&inode.bytes);
                digest = mix(digest, content.now.len() as u64);
                for word in content.now.chunks(8) {
                    let mut bytes = [0; 8];
                    bytes[..word.len()].copy_from_slice(word);
                    digest = mix(digest, u64::from_le_bytes(bytes));
                }
            }
        }
        digest
    }

    /// How many segments are open.
    pub fn segments_open(&self) -> usize {
        Arc::strong_count(&locked(&self.state).open) - 1
    }

    /// Changes bytes of a file behind everyone's back, on the disk too: damage.
    ///
    /// # Panics
    /// Where there is no such file or it ends before.
    pub fn damage(&self, name: FileName, offset: usize, change: impl Fn(&mut [u8])) {
        let state = locked(&self.state);
        let inode = state.names.get(&name).unwrap_or_else(|| panic!("there is no {name}"));
        let mut content = locked(&inode.bytes);
        change(&mut content.now[offset..]);
        content.synced = content.now.clone();
    }

    fn inode(&self, name: FileName) -> io::Result<Arc<Inode>> {
        let found = locked(&self.state).names.get(&name).cloned();
        found.ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("{name} is not there")))
    }

    fn opened(&self, inode: Arc<Inode>, length: u64) -> Arc<dyn SegmentFile> {
        let open = Arc::clone(&locked(&self.state).open);
        Arc::new(MemorySegment { inode, length, disk: self.clone(), _open: open })
    }

    fn insert(&self, name: FileName, content: Content) -> io::Result<Arc<Inode>> {
        let mut state = locked(&self.state);
        if state.names.contains_key(&name) {
            return Err(io::Error::new(ErrorKind::AlreadyExists, format!("{name} is there")));
        }
        if let Some(capacity) = state.capacity
            && is_segment(name)
            && state.in_segments() + content.now.len() as u64 > capacity
        {
            return Err(ErrorKind::StorageFull.into());
        }
        state.inode_next += 1;
        let inode = Arc::new(Inode { number: state.inode_next, bytes: Mutex::new(content) });
        state.names.insert(name, Arc::clone(&inode));
        Ok(inode)
    }
}

impl State {
    /// How many bytes all segments together have: after a crash too, whatever came back or went.
    fn in_segments(&self) -> u64 {
        let segments = self.names.iter().filter(|(name, _)| is_segment(**name));
        segments.map(|(_, inode)| locked(&inode.bytes).now.len() as u64).sum()
    }
}

fn is_segment(name: FileName) -> bool {
    matches!(name, FileName::Segment { .. } | FileName::Spare { .. })
}

impl Inode {
    fn crash(&self, keep: &mut dyn FnMut() -> bool) -> Self {
        let content = locked(&self.bytes);
        let mut bytes = content.synced.clone();
        bytes.resize(content.now.len(), 0);
        for (after, now) in bytes.chunks_mut(SECTOR).zip(content.now.chunks(SECTOR)) {
            if after != now && keep() {
                after.copy_from_slice(now);
            }
        }
        let content = Content { now: bytes.clone(), synced: bytes };
        Self { number: self.number, bytes: Mutex::new(content) }
    }
}

impl Disk for MemoryDisk {
    fn create_segment(&self, name: FileName, length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let zeros = vec![0; length as usize];
        let inode = self.insert(name, Content { now: zeros.clone(), synced: zeros })?;
        Ok(self.opened(inode, length))
    }

    fn open_segment(&self, name: FileName) -> io::Result<Arc<dyn SegmentFile>> {
        let inode = self.inode(name)?;
        let length = locked(&inode.bytes).now.len() as u64;
        Ok(self.opened(inode, length))
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        let mut state = locked(&self.state);
        let inode = state.names.remove(&from).ok_or(ErrorKind::NotFound)?;
        state.names.insert(to, inode);
        Ok(())
    }

    fn remove(&self, name: FileName) -> io::Result<()> {
        locked(&self.state).names.remove(&name);
        Ok(())
    }

    fn read(&self, name: FileName) -> io::Result<Option<Vec<u8>>> {
        Ok(self.inode(name).ok().map(|inode| {
            let content = locked(&inode.bytes);
            content.now[..content.now.len().min(SMALL_FILE_MAX)].to_vec()
        }))
    }

    fn publish(&self, name: FileName, content: &[u8]) -> io::Result<bool> {
        let bytes = Content { now: content.to_vec(), synced: content.to_vec() };
        match self.insert(name, bytes) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let mut state = locked(&self.state);
        let Some(inode) = state.names.get(&name).cloned() else { return Ok(false) };
        state.durable_names.insert(name, Arc::clone(&inode));
        drop(state);
        Ok(locked(&inode.bytes).now == content)
    }

    fn overwrite(&self, name: FileName, content: &[u8]) -> io::Result<()> {
        let inode = match self.inode(name) {
            Ok(inode) => inode,
            Err(_) => self.insert(name, Content::default())?,
        };
        let mut bytes = locked(&inode.bytes);
        let length = bytes.now.len().max(content.len());
        bytes.now.resize(length, 0);
        bytes.now[..content.len()].copy_from_slice(content);
        Ok(())
    }

    fn ask(&self, name: FileName) -> io::Result<bool> {
        Ok(locked(&self.state).names.contains_key(&name))
    }

    fn list(&self) -> io::Result<Vec<FileName>> {
        Ok(locked(&self.state).names.keys().copied().collect())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = locked(&self.state);
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn sweep(&self) -> io::Result<()> {
        Ok(())
    }

    fn keep(&self, name: FileName) -> io::Result<Box<dyn KeptFile>> {
        Ok(Box::new(MemoryKept { inode: self.inode(name)?, name, disk: self.clone() }))
    }

    fn is_in_place(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn look_again(&self) -> io::Result<()> {
        Ok(())
    }

    fn create_file(&self, name: FileName) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(MemoryFile { inode: self.insert(name, Content::default())? }))
    }

    fn open_file(&self, name: FileName) -> io::Result<Arc<dyn FinishedFile>> {
        Ok(Arc::new(MemoryFile { inode: self.inode(name)? }))
    }

    fn try_lock(&self) -> io::Result<Option<Box<dyn LockGuard>>> {
        let mut state = locked(&self.state);
        if state.lock.strong_count() > 0 {
            return Ok(None);
        }
        let held = Arc::new(());
        state.lock = Arc::downgrade(&held);
        Ok(Some(Box::new(MemoryLock { _held: held })))
    }
}

#[derive(Debug)]
struct MemoryKept {
    inode: Arc<Inode>,
    name: FileName,
    disk: MemoryDisk,
}

impl KeptFile for MemoryKept {
    fn is_in_place(&self) -> io::Result<bool> {
        let found = locked(&self.disk.state).names.get(&self.name).map(|inode| inode.number);
        Ok(found == Some(self.inode.number))
    }
}

#[derive(Debug)]
struct MemoryLock {
    _held: Arc<()>,
}

impl LockGuard for MemoryLock {
    fn inode(&self) -> u64 {
        1
    }

    fn is_in_place(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct MemoryFile {
    inode: Arc<Inode>,
}

impl NewFile for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        locked(&self.inode.bytes).now.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut content = locked(&self.inode.bytes);
        content.synced = content.now.clone();
        Ok(())
    }
}

impl FinishedFile for MemoryFile {
    fn length(&self) -> u64 {
        locked(&self.inode.bytes).now.len() as u64
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length(), ErrorKind::UnexpectedEof)?;
        let start = offset as usize;
        bytes.copy_from_slice(&locked(&self.inode.bytes).now[start..start + bytes.len()]);
        Ok(())
    }
}

#[derive(Debug)]
struct MemorySegment {
    inode: Arc<Inode>,
    length: u64,
    disk: MemoryDisk,
    _open: Arc<()>,
}

impl SegmentFile for MemorySegment {
    fn length(&self) -> u64 {
        self.length
    }

    fn write(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        check_range(offset, total(parts), self.length, ErrorKind::InvalidInput)?;
        let mut start = offset as usize;
        let mut content = locked(&self.inode.bytes);
        for part in parts {
            content.now[start..start + part.len()].copy_from_slice(part);
            start += part.len();
        }
        Ok(())
    }

    fn flush(&self, from: u64, to: u64) -> io::Result<()> {
        // Whole sectors, as a disk does: what shares a sector with the range is synced with it.
        let sector = SECTOR as u64;
        let start = (from / sector * sector) as usize;
        let end = to.next_multiple_of(sector).min(self.length) as usize;
        let mut content = locked(&self.inode.bytes);
        let Content { now, synced } = &mut *content;
        synced[start..end].copy_from_slice(&now[start..end]);
        Ok(())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        check_range(offset, bytes.len(), self.length, ErrorKind::UnexpectedEof)?;
        let start = offset as usize;
        bytes.copy_from_slice(&locked(&self.inode.bytes).now[start..start + bytes.len()]);
        Ok(())
    }

    fn has_one_name(&self) -> io::Result<bool> {
        let state = locked(&self.disk.state);
        Ok(state.names.values().filter(|inode| inode.number == self.inode.number).count() == 1)
    }
}
