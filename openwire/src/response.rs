//! Responses to commands that asked for one.

use crate::data_structure::DataStructure;
use crate::table::structure;

structure! {
    /// The command was carried out.
    Response = 30, command {
        /// `command_id` of the command.
        correlation_id: int,
    }
}

structure! {
    /// The command failed.
    ExceptionResponse = 31, command {
        /// `command_id` of the command.
        correlation_id: int,
        /// Why.
        exception: throwable,
    }
}

structure! {
    /// The command was carried out, with one structure as its result.
    DataResponse = 32, command {
        /// `command_id` of the command.
        correlation_id: int,
        /// The result.
        data: nested(DataStructure),
    }
}

structure! {
    /// The command was carried out, with several structures as its result.
    DataArrayResponse = 33, command {
        /// `command_id` of the command.
        correlation_id: int,
        /// The result.
        data: list(DataStructure),
    }
}

structure! {
    /// The command was carried out, with a number as its result.
    IntegerResponse = 34, command {
        /// `command_id` of the command.
        correlation_id: int,
        /// The result.
        result: int,
    }
}
