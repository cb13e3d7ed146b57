//! Tests of the codec as a whole, from inside, where the table's generator is.

mod bad_input;
mod bodies;
mod cache_behaviour;
mod generated;
mod negotiating;
mod round_trip;

use crate::negotiation::Negotiated;
use crate::wire_format::WireFormat;

/// A wire format for tests.
fn wire_format(version: u8, tight: bool, cache_size: Option<usize>, stack_trace: bool) -> WireFormat {
    WireFormat::new(&negotiated(version, tight, cache_size, stack_trace))
}

fn negotiated(version: u8, tight: bool, cache_size: Option<usize>, stack_trace: bool) -> Negotiated {
    Negotiated {
        version,
        tight_encoding_enabled: tight,
        cache_size,
        stack_trace_enabled: stack_trace,
        frame_limit: i32::MAX as usize,
        ..Negotiated::initial()
    }
}
