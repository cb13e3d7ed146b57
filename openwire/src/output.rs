//! Where encoded bytes go: one buffer, or a sequence of chunks in which large bodies are shared, not copied.

use bytes::{Bytes, BytesMut};

use crate::frame::FRAME_PREFIX_LENGTH;

/// Takes encoded bytes in order.
pub(crate) trait Output {
    /// The buffer at the end, to append to.
    fn buffer(&mut self) -> &mut BytesMut;

    /// Appends these bytes, shared or copied.
    fn put_shared(&mut self, bytes: &Bytes);

    /// Begins a frame whose length is not known yet, with room for its prefix; gives where it begins.
    fn begin(&mut self, prefix_length: usize) -> usize;

    /// Bytes appended since `begin` gave `start`, the prefix not counted.
    fn length_since(&self, start: usize) -> usize;

    /// Writes the prefix of the frame that begins at `start`.
    fn patch(&mut self, start: usize, prefix: [u8; FRAME_PREFIX_LENGTH]);

    /// Tells how much will come.
    fn reserve(&mut self, additional: usize);

    /// Appends a copy.
    fn put(&mut self, bytes: &[u8]) {
        self.buffer().extend_from_slice(bytes);
    }
}

impl Output for BytesMut {
    fn buffer(&mut self) -> &mut BytesMut {
        self
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        self.extend_from_slice(bytes);
    }

    fn begin(&mut self, prefix_length: usize) -> usize {
        self.extend_from_slice(&[0; FRAME_PREFIX_LENGTH][..prefix_length]);
        self.len()
    }

    fn length_since(&self, start: usize) -> usize {
        self.len() - start
    }

    fn patch(&mut self, start: usize, prefix: [u8; FRAME_PREFIX_LENGTH]) {
        self[start - FRAME_PREFIX_LENGTH..start].copy_from_slice(&prefix);
    }

    fn reserve(&mut self, additional: usize) {
        BytesMut::reserve(self, additional);
    }
}

/// Chunks of one frame, in order; what is shared is a chunk of its own.
#[derive(Debug)]
pub(crate) struct Chunks {
    buffer: BytesMut,
    chunks: Vec<Bytes>,
    share_from: usize,
}

impl Chunks {
    /// Shares what has at least `share_from` bytes.
    pub(crate) fn new(share_from: usize) -> Self {
        Self { buffer: BytesMut::new(), chunks: Vec::new(), share_from }
    }

    /// The frame's chunks.
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        self.cut();
        self.chunks
    }

    fn cut(&mut self) {
        if !self.buffer.is_empty() {
            self.chunks.push(self.buffer.split().freeze());
        }
    }
}

impl Output for Chunks {
    fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < self.share_from {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.cut();
            self.chunks.push(bytes.clone());
        }
    }

    fn begin(&mut self, _: usize) -> usize {
        0
    }

    fn length_since(&self, start: usize) -> usize {
        self.chunks.iter().map(Bytes::len).sum::<usize>() + self.buffer.len() - start
    }

    /// The prefix is a chunk of its own: the frame's first chunk can no longer be changed.
    fn patch(&mut self, _: usize, prefix: [u8; FRAME_PREFIX_LENGTH]) {
        self.chunks.insert(0, Bytes::copy_from_slice(&prefix));
    }

    /// The body, most of it, will not be copied.
    fn reserve(&mut self, _: usize) {}
}
