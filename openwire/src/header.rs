//! What every command has in front.

/// A command's number, and whether its sender waits for a response.
pub(crate) trait Header {
    fn command_id(&self) -> i32;
    fn set_command_id(&mut self, command_id: i32);
    fn response_required(&self) -> bool;
    fn set_response_required(&mut self, response_required: bool);
}
