//! A connection: two ends, and an ordered stream of bytes each way.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

/// An end of a connection: its name for life, in the whole world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Of both ends.
    pub(crate) wire: u64,
    side: Side,
}

impl ConnectionId {
    pub(crate) fn new(wire: u64, side: Side) -> Self {
        Self { wire, side }
    }

    /// Which end it is.
    pub fn side(self) -> Side {
        self.side
    }

    /// The end on the other side.
    pub fn other(self) -> Self {
        Self { side: self.side.other(), ..self }
    }
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The one that connected.
    Dialer,
    /// The one that listened.
    Listener,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The other end closed it; all that it sent has come.
    Closed,
    /// It broke: what was sent last may never have come, either way.
    Reset,
}

/// The break of a connection: one end learns of it now and gets nothing more, the other learns of it later.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// How many of the bytes that the first end sent, and that are under way, still arrive at the other.
    pub prefix: u64,
    /// After how long they do, and the other end learns of it: also when a new connection between the two has long been up.
    pub late: Duration,
}

/// What an end's kernel has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Socket {
    /// Not connected yet.
    Opening,
    Open,
    /// Gone: what arrives is answered with a reset.
    Gone,
}

/// One end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: usize,
    pub(crate) incarnation: u64,
    pub(crate) socket: Socket,
}

/// The bytes that one end sent.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// What is under way, and when each part arrives at the earliest; never before the part in front.
    pub(crate) parts: VecDeque<(Duration, Bytes)>,
    /// How it ends, behind the last part.
    pub(crate) end: Option<(Duration, Ending)>,
    pub(crate) sent: u64,
    /// What the other end's kernel has.
    pub(crate) arrived: u64,
    /// What the other end's process has.
    pub(crate) taken: u64,
    /// When the last of it arrives.
    pub(crate) last: Duration,
    /// After how many bytes that arrived it is cut, and how late the rest is.
    pub(crate) cut_after: Option<(u64, Duration)>,
    /// Whether something waits here for a link to be mended.
    pub(crate) is_stuck: bool,
}

impl Stream {
    /// Puts bytes behind those that are there; tells when they arrive.
    pub(crate) fn push(&mut self, at: Duration, bytes: Bytes) -> Duration {
        self.last = self.last.max(at);
        self.sent += bytes.len() as u64;
        self.parts.push_back((self.last, bytes));
        self.last
    }

    /// Ends it behind what is there, unless it ends already; tells when.
    pub(crate) fn finish(&mut self, at: Duration, ending: Ending) -> Duration {
        self.last = self.last.max(at);
        self.end.get_or_insert((self.last, ending)).0
    }

    /// Leaves the first so many bytes of what is under way, to arrive then; tells whether that cut anything off.
    pub(crate) fn truncate(&mut self, prefix: u64, at: Duration) -> bool {
        let mut left = prefix;
        let mut is_cut = false;
        let parts = std::mem::take(&mut self.parts);
        for (_, mut bytes) in parts {
            let kept = left.min(bytes.len() as u64);
            is_cut |= kept < bytes.len() as u64;
            left -= kept;
            bytes.truncate(kept as usize);
            if !bytes.is_empty() {
                self.parts.push_back((at, bytes));
            }
        }
        self.last = self.last.max(at);
        self.end = None;
        is_cut
    }

    /// Takes everything that is due, in one piece.
    pub(crate) fn take_due(&mut self, now: Duration) -> Bytes {
        let count = self.parts.iter().take_while(|(at, _)| *at <= now).count();
        let mut due = self.parts.drain(..count).map(|(_, bytes)| bytes);
        let bytes = match (count, due.next()) {
            (1, Some(bytes)) => bytes,
            (_, first) => first.into_iter().chain(due).flatten().collect(),
        };
        self.arrived += bytes.len() as u64;
        bytes
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) port: u16,
    pub(crate) ends: [End; 2],
    /// What each end sent.
    pub(crate) streams: [Stream; 2],
}

impl Connection {
    pub(crate) fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    pub(crate) fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    pub(crate) fn stream(&self, from: Side) -> &Stream {
        &self.streams[from as usize]
    }

    pub(crate) fn stream_mut(&mut self, from: Side) -> &mut Stream {
        &mut self.streams[from as usize]
    }

    /// Whether nothing can come of it any more.
    pub(crate) fn is_over(&self) -> bool {
        let over = |side: Side| {
            let stream = self.stream(side);
            self.end(side).socket == Socket::Gone && stream.parts.is_empty() && stream.end.is_none()
        };
        over(Side::Dialer) && over(Side::Listener)
    }
}
