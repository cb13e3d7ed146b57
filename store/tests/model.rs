//! The reference model keeps its own contract.

mod common;

use std::sync::Arc;

use common::ModelEngine;
use kahawai_store::conformance::replica::Copies;
use kahawai_store::model::{Memory, Model};
use kahawai_store::names::Epoch;
use kahawai_store::replica::Replica;

kahawai_store::conformance_tests!(ModelEngine::default());

/// Two models that are to be copies of each other.
#[derive(Default)]
struct Models([Memory; 2], u64);

impl Copies for Models {
    fn open(&mut self, copy: usize) -> Arc<dyn Replica> {
        self.1 += 1;
        Arc::new(Model::open(&self.0[copy], Epoch(self.1)))
    }
}

mod copies {
    use super::Models;
    kahawai_store::replica_conformance_tests!(Models::default());
}
