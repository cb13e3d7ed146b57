//! What there is to tell of a bridge to whoever asks.

/// What a bridge has done, and has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages that were sent to the other broker; those that were sent again count again.
    pub forwarded: u64,
    /// Those of them that were acknowledged here, as the other broker has them.
    pub acknowledged: u64,
    /// Those that the other broker has not answered.
    pub in_flight: u64,
    /// Consumers here that stand for some over there.
    pub subscriptions: u64,
}

/// A bridge, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its network connector's name.
    pub connector: String,
    /// Whom it goes to: an address or several, or who dialled.
    pub target: String,
    /// Whether it stands.
    pub stands: bool,
    /// Since when it does, or does not, in milliseconds since 1970.
    pub since: i64,
    /// The name of the other broker and its address: where it stands, or stood last.
    pub broker: String,
    /// See `broker`.
    pub address: String,
    /// Why it does not stand; nothing before the first try has come to something.
    pub why: String,
    /// How many tries were in vain since it stood last.
    pub tries: u64,
    /// Since this broker serves.
    pub figures: Figures,
}
