//! Which messages a consumer wants. Selectors will live here.

use bytestring::ByteString;
use kahawai_store::message::Message;

use crate::core::failure::{Failure, FailureKind};
use crate::core::spec::LeavesOut;

/// Says of each message whether a consumer wants it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// The connection whose messages are left out (JMS's noLocal).
    own: Option<ByteString>,
    leaves_out: Option<LeavesOut>,
}

impl Filter {
    pub(crate) fn new(
        selector: Option<&str>,
        own: Option<ByteString>,
        leaves_out: Option<LeavesOut>,
    ) -> Result<Self, Failure> {
        if let Some(selector) = selector.filter(|selector| !selector.trim().is_empty()) {
            // Ignoring it would hand out messages that were not asked for.
            let message = format!("selectors are not supported by this version: {selector}");
            return Err(Failure::new(FailureKind::InvalidSelector, message));
        }
        Ok(Self { own, leaves_out })
    }

    pub(crate) fn accepts(&self, message: &Message) -> bool {
        if self.leaves_out.as_ref().is_some_and(|leaves_out| (leaves_out.0)(message)) {
            return false;
        }
        let Some(own) = &self.own else { return true };
        // A message id begins with the name of the connection that sent it and a colon.
        let id = &message.header.message_id;
        !(id.starts_with(&**own) && id.as_bytes().get(own.len()) == Some(&b':'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kahawai_store::message::Header;

    #[test]
    fn no_local_looks_at_the_whole_connection_name() {
        let filter = Filter::new(None, Some("ID:host-1:1".into()), None).unwrap();
        let message = |id: &str| Message {
            header: Header { message_id: id.into(), ..Header::default() },
            ..Message::default()
        };
        assert!(!filter.accepts(&message("ID:host-1:1:1:1:5")));
        assert!(filter.accepts(&message("ID:host-1:11:1:1:5")));
        assert!(Filter::new(Some("a = 1"), None, None).is_err());
    }
}
