//! Commands of unreliable transports: parts of commands, and the request to send again.

use crate::header::Header;
use crate::table::structure;

structure! {
    /// Part of a command that was too long for one datagram.
    PartialCommand = 60 {
        /// Number of the whole command.
        command_id: int,
        /// The part.
        data: bytes,
    }
}

structure! {
    /// Last part of a command.
    LastPartialCommand = 61 {
        /// Number of the whole command.
        command_id: int,
        /// The part.
        data: bytes,
    }
}

structure! {
    /// Asks for commands to be sent again.
    ReplayCommand = 65, command {
        /// Number of the first command missed.
        first_nak_number: int,
        /// Number of the last command missed.
        last_nak_number: int,
    }
}

structure! {
    /// A broker was found or lost.
    DiscoveryEvent = 40 {
        /// URI of the broker.
        service_name: text,
        /// Name of the broker.
        broker_name: text,
    }
}

macro_rules! partial_header {
    ($name:ident) => {
        impl Header for $name {
            fn command_id(&self) -> i32 {
                self.command_id
            }
            fn set_command_id(&mut self, command_id: i32) {
                self.command_id = command_id;
            }
            fn response_required(&self) -> bool {
                false
            }
            fn set_response_required(&mut self, _: bool) {}
        }
    };
}

partial_header!(PartialCommand);
partial_header!(LastPartialCommand);
