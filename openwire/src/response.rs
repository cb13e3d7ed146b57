//! Responses to commands that asked for one.

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
    /// The command was carried out, with a number as its result.
    IntegerResponse = 34, command {
        /// `command_id` of the command.
        correlation_id: int,
        /// The result.
        result: int,
    }
}
