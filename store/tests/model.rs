//! The reference model keeps its own contract.

mod common;

use common::ModelEngine;

kahawai_store::conformance_tests!(ModelEngine::default());
