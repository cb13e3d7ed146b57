//! The address of several brokers, of which one is connected to at a time.
//!
//! ```text
//! failover:(tcp://A:PORT[?OPTIONS],tcp://B:PORT[?OPTIONS]...)[?OPTION=VALUE...]
//! failover:tcp://A:PORT[?OPTIONS],tcp://B:PORT[?OPTIONS]...
//! ```
//!
//! `//` may follow `failover:`. Options are ActiveMQ's, with its defaults; those of the way to a broker stand with the
//! broker, or in front of all of them with `nested.` (which wins).

use std::fmt;
use std::time::Duration;

use crate::url::error::{UrlError, without_options};
use crate::url::login::Login;
use crate::url::tcp::{self, TcpUrl};
use crate::url::values::{self, boolean, choice, count_or_endless, duration, number};

/// What lets an option be one of each broker.
const NESTED: &str = "nested.";

/// Several brokers, one of which is connected to at a time.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FailoverUrl {
    /// The brokers, as listed; at least one.
    pub brokers: Vec<TcpUrl>,
    /// When and in which order they are tried.
    pub options: FailoverOptions,
    /// What `jms.*` sets.
    pub login: Login,
    /// `nested.*`, for brokers that become known later.
    pub(crate) nested: Nested,
}

/// Options that every broker gets, beside those of its own address. Their values are known to be good.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Nested(Vec<(String, String)>);

impl Nested {
    fn apply(&self, url: &mut TcpUrl) -> Result<(), UrlError> {
        self.0.iter().try_for_each(|(name, value)| url.set(name, value))
    }

    /// Reads the address of a broker that another broker told of. What its options say is the connector's business,
    /// not ours; `nio` and the like are other words for TCP.
    ///
    /// # Errors
    /// [`UrlError`].
    pub(crate) fn told(&self, url: &str) -> Result<TcpUrl, UrlError> {
        let url = url.trim();
        let no_scheme = || UrlError::NoScheme { url: without_options(url) };
        let (scheme, rest) = url.split_once("://").ok_or_else(no_scheme)?;
        if !["tcp", "nio", "auto", "auto+nio"].contains(&scheme) {
            return Err(UrlError::UnknownScheme { found: scheme.to_owned() });
        }
        let mut url = TcpUrl::of_location(rest.split('?').next().unwrap_or_default())?;
        self.apply(&mut url)?;
        Ok(url)
    }
}

/// The options of `failover:`, by ActiveMQ's names.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FailoverOptions {
    /// `initialReconnectDelay`: before the first attempt after a loss, and between the first rounds (10 ms).
    pub initial_reconnect_delay: Duration,
    /// `maxReconnectDelay`: between rounds at most (30 s).
    pub max_reconnect_delay: Duration,
    /// `useExponentialBackOff`: whether each round that found no broker makes the next wait longer (true).
    pub use_exponential_back_off: bool,
    /// `reconnectDelayExponent`: by what factor (2).
    pub reconnect_delay_exponent: f64,
    /// `maxReconnectAttempts`: after how many rounds in vain the connection is given up; 0 is to try once and not to
    /// reconnect after a loss, none (-1) is never.
    pub max_reconnect_attempts: Option<u32>,
    /// `startupMaxReconnectAttempts`: as that, until the first connection; none (-1) is the same as that.
    pub startup_max_reconnect_attempts: Option<u32>,
    /// `timeout`: how long a call waits for a broker before it fails; none (-1) is for ever.
    pub timeout: Option<Duration>,
    /// `randomize`: whether the brokers are tried in random order (true).
    pub randomize: bool,
    /// `backup`: whether connections to other brokers are held ready (false).
    pub backup: bool,
    /// `backupPoolSize`: how many of them (1).
    pub backup_pool_size: usize,
    /// `priorityBackup`: whether to return to a broker of `priority_brokers` as soon as there is one (false).
    pub priority_backup: bool,
    /// `priorityURIs`: the preferred brokers; where there are none, the first of the list is.
    pub priority_brokers: Vec<TcpUrl>,
    /// `trackMessages`: whether messages that no answer is asked for are remembered and sent again (false).
    pub track_messages: bool,
    /// `maxCacheSize`: bytes of messages that are remembered for that (131072).
    pub max_cache_size: usize,
    /// `trackTransactionProducers` (true). Either way the messages of a transaction that is replayed name their
    /// producers themselves.
    pub track_transaction_producers: bool,
    /// `warnAfterReconnectAttempts`: a warning at the first round in vain and at each so many (10); 0 is none.
    pub warn_after_reconnect_attempts: u32,
    /// `updateURIsSupported`: whether a broker may change the list (true).
    pub update_uris_supported: bool,
    /// `reconnectSupported`: whether a broker may send us elsewhere (true).
    pub reconnect_supported: bool,
}

impl Default for FailoverOptions {
    fn default() -> Self {
        Self {
            initial_reconnect_delay: Duration::from_millis(10),
            max_reconnect_delay: Duration::from_secs(30),
            use_exponential_back_off: true,
            reconnect_delay_exponent: 2.0,
            max_reconnect_attempts: None,
            startup_max_reconnect_attempts: None,
            timeout: None,
            randomize: true,
            backup: false,
            backup_pool_size: 1,
            priority_backup: false,
            priority_brokers: Vec::new(),
            track_messages: false,
            max_cache_size: 131_072,
            track_transaction_producers: true,
            warn_after_reconnect_attempts: 10,
            update_uris_supported: true,
            reconnect_supported: true,
        }
    }
}

impl FailoverOptions {
    fn set(&mut self, name: &str, value: &str) -> Result<(), UrlError> {
        match name {
            "initialReconnectDelay" => self.initial_reconnect_delay = duration(name, value)?,
            "maxReconnectDelay" => self.max_reconnect_delay = duration(name, value)?,
            "useExponentialBackOff" => self.use_exponential_back_off = boolean(name, value)?,
            "reconnectDelayExponent" | "backOffMultiplier" => {
                self.reconnect_delay_exponent = choice(name, value, "a number, 1 or more", |value| {
                    value.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor >= 1.0)
                })?;
            }
            "maxReconnectAttempts" => self.max_reconnect_attempts = count_or_endless(name, value)?,
            "startupMaxReconnectAttempts" => {
                self.startup_max_reconnect_attempts = count_or_endless(name, value)?;
            }
            "timeout" => {
                let milliseconds = number(name, value, -1, i64::MAX, "milliseconds, or -1 for ever")?;
                // As in ActiveMQ, 0 is for ever as well.
                self.timeout = u64::try_from(milliseconds)
                    .ok()
                    .filter(|milliseconds| *milliseconds > 0)
                    .map(Duration::from_millis);
            }
            "randomize" => self.randomize = boolean(name, value)?,
            "backup" => self.backup = boolean(name, value)?,
            "backupPoolSize" => {
                self.backup_pool_size = number(name, value, 0, 64, "0 to 64")? as usize;
            }
            "priorityBackup" => self.priority_backup = boolean(name, value)?,
            "priorityURIs" => {
                self.priority_brokers =
                    components(value).map(|url| broker(url, None)).collect::<Result<_, _>>()?;
            }
            "trackMessages" => self.track_messages = boolean(name, value)?,
            "maxCacheSize" => {
                self.max_cache_size = number(name, value, 0, i32::MAX.into(), "bytes, 0 or more")? as usize;
            }
            "trackTransactionProducers" => self.track_transaction_producers = boolean(name, value)?,
            "warnAfterReconnectAttempts" => {
                self.warn_after_reconnect_attempts =
                    number(name, value, 0, u32::MAX.into(), "a number, 0 or more")? as u32;
            }
            "updateURIsSupported" => self.update_uris_supported = boolean(name, value)?,
            "reconnectSupported" => self.reconnect_supported = boolean(name, value)?,
            _ if name.starts_with("wireFormat.") || name == "connectionTimeout" => {
                return Err(UrlError::NotNested { name: name.to_owned() });
            }
            _ => return Err(UrlError::UnknownOption { name: name.to_owned() }),
        }
        Ok(())
    }
}

/// Without users, passwords and options: fit for a log.
impl fmt::Display for FailoverUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("failover:(")?;
        for (at, broker) in self.brokers.iter().enumerate() {
            write!(formatter, "{}{broker}", if at == 0 { "" } else { "," })?;
        }
        formatter.write_str(")")
    }
}

/// What follows `failover:`.
pub(super) fn parse(rest: &str) -> Result<FailoverUrl, UrlError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (list, query) = match rest.strip_prefix('(') {
        Some(bracketed) => {
            let end =
                closing(bracketed).ok_or_else(|| UrlError::OpenBracket { found: without_options(rest) })?;
            let after = &bracketed[end + 1..];
            let query = match after.strip_prefix('?') {
                Some(query) => query,
                None if after.is_empty() => "",
                None => return Err(UrlError::Path { found: without_options(after) }),
            };
            (&bracketed[..end], query)
        }
        None => (rest, ""),
    };
    let (mut options, mut login, mut nested) =
        (FailoverOptions::default(), Login::default(), Nested::default());
    for option in values::options(query) {
        let (name, value) = option?;
        if let Some(name) = name.strip_prefix(NESTED) {
            nested.0.push((name.to_owned(), value));
        } else if !login.set(name, &value)? {
            options.set(name, &value)?;
        }
    }
    let brokers: Vec<_> = components(list).map(|url| broker(url, Some(&nested))).collect::<Result<_, _>>()?;
    if brokers.is_empty() {
        return Err(UrlError::NoBroker);
    }
    Ok(FailoverUrl { brokers, options, login, nested })
}

/// Where the bracket is closed that was opened before.
fn closing(bracketed: &str) -> Option<usize> {
    let mut open = 1;
    bracketed.char_indices().find_map(|(at, character)| {
        match character {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        (open == 0).then_some(at)
    })
}

fn components(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|url| !url.is_empty())
}

/// One broker of a list.
fn broker(url: &str, nested: Option<&Nested>) -> Result<TcpUrl, UrlError> {
    let no_scheme = || UrlError::NoScheme { url: without_options(url) };
    let (scheme, rest) = url.split_once(':').ok_or_else(no_scheme)?;
    if scheme != "tcp" {
        // "a:61616" names no scheme although it has a colon.
        let is_scheme = rest.starts_with("//") || rest.starts_with('(');
        return Err(if is_scheme {
            UrlError::NestedScheme { found: scheme.to_owned() }
        } else {
            no_scheme()
        });
    }
    let rest =
        rest.strip_prefix("//").ok_or_else(|| UrlError::BadAuthority { found: without_options(rest) })?;
    let mut url = tcp::parse(rest)?;
    if url.login != Login::default() {
        return Err(UrlError::NotOfOneBroker { broker: url.address() });
    }
    nested.map_or(Ok(()), |nested| nested.apply(&mut url))?;
    Ok(url)
}
