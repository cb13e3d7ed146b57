//! The storage contract: plain types, two traits, the reference model and the conformance suite
