//! Who connects.

use std::fmt;

/// Who connects.
#[derive(Clone, Default)]
pub(crate) struct Identity {
    /// Name of the connection, unlike any other's.
    pub(crate) connection_id: String,
    /// The JMS client id.
    pub(crate) client_id: String,
    /// Name of the user.
    pub(crate) user_name: Option<String>,
    /// Password, in the clear.
    pub(crate) password: Option<String>,
}

/// Without the password.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("connection_id", &self.connection_id)
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}
