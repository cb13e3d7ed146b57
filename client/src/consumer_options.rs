//! What a consumer is to be.

use kahawai_openwire::destination::Destination;
use kahawai_openwire::text::Text;

/// When a message counts as consumed. In a transacted session it is always the commit, whatever is set here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acknowledge {
    /// As it is handed out: what the application was given is never delivered again (JMS: `AUTO_ACKNOWLEDGE`).
    #[default]
    Auto,
    /// As it is handed out, but told to the broker only now and then: fewer bytes, and up to half of the prefetch comes
    /// a second time if the connection is lost (JMS: `DUPS_OK_ACKNOWLEDGE`).
    Lazy,
    /// When the application says so, by [`crate::Delivery::acknowledge`] for one message or
    /// [`crate::Delivery::acknowledge_up_to_here`] for all so far (JMS: `INDIVIDUAL` and `CLIENT_ACKNOWLEDGE`).
    Explicit,
}

/// What a consumer consumes, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerOptions {
    pub(crate) destination: Destination,
    pub(crate) acknowledge: Acknowledge,
    pub(crate) prefetch: Option<u32>,
    pub(crate) selector: Option<Text>,
    pub(crate) subscription: Option<Text>,
    pub(crate) no_local: bool,
    pub(crate) exclusive: bool,
    pub(crate) retroactive: bool,
    pub(crate) priority: u8,
    pub(crate) redeliveries_max: Option<u32>,
    pub(crate) browser: bool,
}

impl ConsumerOptions {
    /// Redeliveries after roll-backs before a message is given to the dead-letter queue: ActiveMQ's
    /// `maximumRedeliveries`.
    pub const REDELIVERIES_MAX_DEFAULT: u32 = 6;

    /// Consumes from a destination.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination,
            acknowledge: Acknowledge::Auto,
            prefetch: None,
            selector: None,
            subscription: None,
            no_local: false,
            exclusive: false,
            retroactive: false,
            priority: 0,
            redeliveries_max: Some(Self::REDELIVERIES_MAX_DEFAULT),
            browser: false,
        }
    }

    /// Consumes from a queue.
    pub fn queue(name: impl Into<Text>) -> Self {
        Self::new(Destination::queue(name))
    }

    /// Consumes from a topic what is sent from now on.
    pub fn topic(name: impl Into<Text>) -> Self {
        Self::new(Destination::topic(name))
    }

    /// Consumes from a durable subscription to a topic, which is made if need be. It belongs to the connection's
    /// client id and lives on when the consumer is closed, until [`crate::Connection::unsubscribe`].
    pub fn durable(topic: impl Into<Text>, subscription: impl Into<Text>) -> Self {
        Self { subscription: Some(subscription.into()), ..Self::topic(topic) }
    }

    /// Looks at what is in a queue and takes nothing from it: the stream ends when all was seen that was there. How
    /// much a broker shows at most is its own decision (ActiveMQ: `maxBrowsePageSize`, 400).
    pub fn browse(queue: impl Into<Text>) -> Self {
        Self { browser: true, prefetch: Some(Self::BROWSER_PREFETCH), ..Self::queue(queue) }
    }

    /// ActiveMQ's prefetch of a browser.
    const BROWSER_PREFETCH: u32 = 500;

    /// When a message counts as consumed.
    #[must_use]
    pub fn acknowledge(mut self, acknowledge: Acknowledge) -> Self {
        self.acknowledge = acknowledge;
        self
    }

    /// How many messages may be on their way or waiting ahead of the application, at most
    /// [`crate::PrefetchPolicy::LIMIT`]; 0 asks for each message when the application does.
    #[must_use]
    pub fn prefetch(mut self, prefetch: u32) -> Self {
        self.prefetch = Some(prefetch);
        self
    }

    /// Takes only messages that a selector in JMS syntax matches.
    #[must_use]
    pub fn selector(mut self, selector: impl Into<Text>) -> Self {
        self.selector = Some(selector.into());
        self
    }

    /// Leaves out what this connection sends (topics).
    #[must_use]
    pub fn no_local(mut self) -> Self {
        self.no_local = true;
        self
    }

    /// Wants to be the queue's only consumer; others wait until it has gone.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Wants what a topic's recovery policy kept from before.
    #[must_use]
    pub fn retroactive(mut self) -> Self {
        self.retroactive = true;
        self
    }

    /// Consumers of higher priority (0 to 127) are served first.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority.min(127);
        self
    }

    /// After how many redeliveries by roll-back a message is poison: it goes to the dead-letter queue instead of
    /// coming once more. `None` is without end.
    #[must_use]
    pub fn redeliveries_max(mut self, redeliveries: Option<u32>) -> Self {
        self.redeliveries_max = redeliveries;
        self
    }
}

impl From<Destination> for ConsumerOptions {
    fn from(destination: Destination) -> Self {
        Self::new(destination)
    }
}

impl From<&Destination> for ConsumerOptions {
    fn from(destination: &Destination) -> Self {
        Self::new(destination.clone())
    }
}
