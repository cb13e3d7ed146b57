//! The model as an engine of the suite.

use std::sync::Arc;

use kahawai_store::conformance::Engine;
use kahawai_store::contract::Store;
use kahawai_store::model::{Memory, Model};
use kahawai_store::names::Epoch;

#[derive(Default)]
pub(crate) struct ModelEngine {
    memory: Memory,
    epoch: u64,
    current: Option<Arc<Model>>,
}

impl Engine for ModelEngine {
    fn open(&mut self) -> Arc<dyn Store> {
        self.epoch += 1;
        let model = Arc::new(Model::open(&self.memory, Epoch(self.epoch)));
        self.current = Some(model.clone());
        model
    }

    fn crash(&mut self, _store: Arc<dyn Store>) -> Result<(), &'static str> {
        self.current.take().expect("a model is open").crash();
        Ok(())
    }
}
