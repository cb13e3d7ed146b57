//! Messages, their dispatch and their acknowledgement, for those who use this crate.

pub use crate::command::{Message, MessageDispatch};
pub use crate::message_ack::{MessageAck, MessageDispatchNotification};
pub use crate::message_kind::{BlobReference, MessageKind};
