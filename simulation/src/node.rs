//! What runs in a world: a state machine that is told what happened, and says what it does.

use std::any::Any;

use crate::event::Event;
use crate::kernel::context::Context;

/// A process: synchronous, with no thread, clock, socket, file or chance of its own. It lives from a start to a kill; what is to outlive
/// it is in the store it opens by its [`Context`].
pub trait Node: Any {
    /// Something happened.
    fn handle(&mut self, event: Event, context: &mut Context<'_>);
}
