//! What is known of a producer.

use std::sync::Arc;

use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::ProducerId;
use kahawai_openwire::producer::ProducerInfo;

/// One producer's books.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) id: Arc<ProducerId>,
    pub(crate) destination: Option<Arc<Destination>>,
    /// Number of its newest message.
    pub(crate) sequence: i64,
}

impl Producer {
    /// The command that opens it.
    pub(crate) fn info(&self) -> ProducerInfo {
        ProducerInfo {
            producer_id: Some(self.id.clone()),
            destination: self.destination.clone(),
            ..ProducerInfo::default()
        }
    }
}
