//! What an address says of the connection as a whole, whichever broker it is to.

use std::fmt;

use crate::prefetch::PrefetchPolicy;
use crate::url::error::UrlError;
use crate::url::values::prefetch;

/// Who connects, and how much its consumers take: the `jms.*` options of an address.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Login {
    /// `jms.userName`.
    pub user_name: Option<String>,
    /// `jms.password`.
    pub password: Option<String>,
    /// `jms.clientID`.
    pub client_id: Option<String>,
    /// What `jms.prefetchPolicy.*` sets, over ActiveMQ's defaults.
    pub prefetch: PrefetchPolicy,
}

impl Login {
    /// Sets an option; false where it is none of these.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<bool, UrlError> {
        match name {
            "jms.userName" => self.user_name = Some(value.to_owned()),
            "jms.password" => self.password = Some(value.to_owned()),
            "jms.clientID" => self.client_id = Some(value.to_owned()),
            "jms.prefetchPolicy.all" => self.prefetch = PrefetchPolicy::all(prefetch(name, value)?),
            "jms.prefetchPolicy.queuePrefetch" => self.prefetch.queue = prefetch(name, value)?,
            "jms.prefetchPolicy.topicPrefetch" => self.prefetch.topic = prefetch(name, value)?,
            "jms.prefetchPolicy.durableTopicPrefetch" => self.prefetch.durable_topic = prefetch(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Login")
            .field("user_name", &self.user_name)
            .field("client_id", &self.client_id)
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}
