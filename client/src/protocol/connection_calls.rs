//! Calls about the connection as a whole: opening, closing, temporary destinations, subscriptions.

use std::sync::Arc;
use std::time::Instant;

use kahawai_openwire::connection::{ConnectionInfo, DestinationInfo, RemoveInfo, ShutdownInfo};
use kahawai_openwire::consumer::RemoveSubscriptionInfo;
use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::ids::RemovedId;
use kahawai_openwire::text::Text;

use crate::error::{Error, Result};
use crate::protocol::Protocol;
use crate::protocol::event::RequestId;
use crate::protocol::identity::Identity;
use crate::protocol::request::Request;

impl Protocol {
    /// Opens the connection, after [`Event::Negotiated`].
    pub(crate) fn open_connection(&mut self, now: Instant, identity: &Identity) -> Result<RequestId> {
        let info = self.connection_info(identity);
        self.ask(now, info, Request::Setup)
    }

    /// The command that says who connects.
    pub(super) fn connection_info(&self, identity: &Identity) -> ConnectionInfo {
        ConnectionInfo {
            connection_id: Some(self.connection_id.clone()),
            client_id: Some(self.client_id.clone()),
            user_name: identity.user_name.as_deref().map(Text::from),
            password: identity.password.as_deref().map(Text::from),
            manageable: true,
            client_master: true,
            ..ConnectionInfo::default()
        }
    }

    /// Closes the connection with all that belongs to it.
    pub(crate) fn close_connection(&mut self, now: Instant) -> Result<RequestId> {
        let info = RemoveInfo {
            object_id: Some(RemovedId::Connection(self.connection_id.clone())),
            last_delivered_sequence_id: RemoveInfo::LAST_DELIVERED_UNKNOWN,
            ..RemoveInfo::default()
        };
        self.send_due(now);
        self.sessions.clear();
        self.consumers.clear();
        self.producers.clear();
        self.ask(now, info, Request::Setup)
    }

    /// Says goodbye: nothing may be sent after it.
    pub(crate) fn shut_down(&mut self, now: Instant) -> Result<()> {
        self.submit(now, ShutdownInfo::default(), None).map(drop)
    }

    /// Makes a temporary queue or topic, which lives as long as the connection at most.
    pub(crate) fn create_temporary(
        &mut self,
        now: Instant,
        kind: DestinationKind,
    ) -> Result<(Destination, RequestId)> {
        self.temporary_number += 1;
        let name = format!("{}:{}", self.connection_id, self.temporary_number);
        let destination = Destination::new(kind, name);
        let known = Arc::new(destination.clone());
        let kind = Request::CreateTemporary(known.clone());
        let request = self.destination_request(now, &destination, DestinationInfo::ADD, kind)?;
        self.temporaries.push(known);
        Ok((destination, request))
    }

    /// Removes a temporary queue or topic of this connection that has no consumer. (ActiveMQ leaves both checks to
    /// its clients.)
    pub(crate) fn remove_temporary(&mut self, now: Instant, destination: &Destination) -> Result<RequestId> {
        self.check_temporary(destination)?;
        if self.consumers.values().any(|consumer| consumer.destination() == destination) {
            return Err(Error::Usage("the temporary destination has a consumer"));
        }
        self.temporaries.retain(|known| **known != *destination);
        self.destination_request(now, destination, DestinationInfo::REMOVE, Request::Setup)
    }

    /// # Errors
    /// [`Error::Usage`] for a temporary destination of another connection.
    pub(super) fn check_temporary(&self, destination: &Destination) -> Result<()> {
        let is_own = || {
            let number = destination.physical_name.strip_prefix(self.connection_id.value.as_str());
            number.is_some_and(|number| number.starts_with(':'))
        };
        if destination.kind.is_temporary() && !is_own() {
            return Err(Error::Usage("the temporary destination is another connection's"));
        }
        Ok(())
    }

    fn destination_request(
        &mut self,
        now: Instant,
        of: &Destination,
        operation: u8,
        request: Request,
    ) -> Result<RequestId> {
        let info = DestinationInfo {
            connection_id: Some(self.connection_id.clone()),
            destination: Some(Arc::new(of.clone())),
            operation,
            ..DestinationInfo::default()
        };
        self.ask(now, info, request)
    }

    /// Deletes a durable subscription of this connection's client id.
    pub(crate) fn unsubscribe(&mut self, now: Instant, subscription: &str) -> Result<RequestId> {
        let info = RemoveSubscriptionInfo {
            connection_id: Some(self.connection_id.clone()),
            subscription_name: Some(subscription.into()),
            client_id: Some(self.client_id.clone()),
            ..RemoveSubscriptionInfo::default()
        };
        self.ask(now, info, Request::Lasting)
    }
}
