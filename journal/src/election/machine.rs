//! What machine this is, and chance: the two things an election needs from outside the store.

use std::fs;
use std::io;

use crate::format::RandomId;

/// This machine since its last start: Linux's `boot_id`. All zeros, which match nobody, where it cannot be read.
pub(crate) fn boot_id() -> Option<RandomId> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: Vec<u8> = text.trim().bytes().filter(|byte| *byte != b'-').collect();
    let mut id = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(id)
}

/// 16 bytes from the kernel's random source.
pub(crate) fn random_id() -> io::Result<RandomId> {
    #[cfg(any(test, feature = "simulation"))]
    if let Some(id) = chance::next() {
        return Ok(id);
    }
    let mut id = [0; 16];
    let mut filled = 0;
    while filled < id.len() {
        filled += rustix::rand::getrandom(&mut id[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(id)
}

/// This host's name, for people.
pub(super) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Chance that is none, for tests and simulations that must write the same bytes each time.
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod chance {
    use std::cell::Cell;

    use super::RandomId;

    thread_local! {
        static SEED: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    }

    /// The ids that this thread asks for meanwhile follow from the seed. One may be within another.
    pub(crate) fn settled<T>(seed: u64, act: impl FnOnce() -> T) -> T {
        let before = SEED.replace(Some((seed, 0)));
        let done = act();
        SEED.set(before);
        done
    }

    pub(super) fn next() -> Option<RandomId> {
        let (seed, count) = SEED.get()?;
        SEED.set(Some((seed, count + 1)));
        let mut id = [0x5a; 16];
        id[..8].copy_from_slice(&seed.to_le_bytes());
        id[8..12].copy_from_slice(&(count as u32).to_le_bytes());
        Some(id)
    }
}
