//! Failures as Java exceptions, so that ActiveMQ's client throws what JMS promises. The class is a name sent as text;
//! nothing here or there is made of it but by the client's own list.

use kahawai_openwire::connection::ConnectionError;
use kahawai_openwire::response::ExceptionResponse;
use kahawai_openwire::throwable::Throwable;

use crate::core::failure::{Failure, FailureKind};
use crate::core::keys::RequestId;

fn class(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::IllegalState => "javax.jms.IllegalStateException",
        FailureKind::InvalidClientId => "javax.jms.InvalidClientIDException",
        FailureKind::NoDestination => "org.apache.activemq.DestinationDoesNotExistException",
        FailureKind::InvalidDestination => "javax.jms.InvalidDestinationException",
        FailureKind::InvalidSelector => "javax.jms.InvalidSelectorException",
        FailureKind::ResourceAllocation => "javax.jms.ResourceAllocationException",
        FailureKind::TransactionRolledBack => "javax.jms.TransactionRolledBackException",
        FailureKind::NotSupported | FailureKind::General => "javax.jms.JMSException",
    }
}

/// A failure as a throwable.
pub fn throwable(failure: &Failure) -> Box<Throwable> {
    Box::new(Throwable::new(class(failure.kind), failure.message.as_str()))
}

/// A failure as the answer to a request.
pub fn response(request: RequestId, failure: &Failure) -> ExceptionResponse {
    ExceptionResponse {
        correlation_id: request.0,
        exception: Some(throwable(failure)),
        ..ExceptionResponse::default()
    }
}

/// A failure that no request waits for.
pub fn connection_error(failure: &Failure) -> ConnectionError {
    ConnectionError { exception: Some(throwable(failure)), ..ConnectionError::default() }
}

/// A command lacks what it is nothing without.
pub fn missing(command: &str, what: &str) -> Failure {
    protocol(&format!("{command} without {what}"))
}

/// A peer breaks the protocol.
pub fn protocol(what: &str) -> Failure {
    Failure::new(FailureKind::General, format!("Protocol violation: {what}"))
}
