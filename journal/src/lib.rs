//! The storage engine: an append-only, memory-mapped log with election by epoch
