//! Agreeing on a wire format: each side sends a `WireFormatInfo` first, and both take what both can.

use std::time::Duration;

use crate::connection::WireFormatInfo;
use crate::error::NegotiationError;
use crate::frame::{FRAME_LIMIT_BEFORE_AUTHENTICATION, FRAME_LIMIT_DEFAULT};
use crate::primitive::{self, Limits, PrimitiveMap, Value};
use crate::text::Text;

/// Lowest version known.
pub const VERSION_MIN: u8 = 1;

/// Highest version known.
pub const VERSION_MAX: u8 = 12;

/// Which replication is spoken: what a broker and its slave say to each other once OpenWire has brought them together.
pub const REPLICATION: i32 = 1;

/// The property that says so. No other implementation knows it, and each passes over what it does not know.
const REPLICATION_PROPERTY: &str = "KahawaiReplication";

/// Cache slots where both peers leave the size open, ActiveMQ's `MARSHAL_CACHE_SIZE`.
const CACHE_SIZE_OPEN: usize = i16::MAX as usize / 2;

/// What one side of a connection can and would like to do; the content of a [`WireFormatInfo`].
#[derive(Debug, Clone, PartialEq)]
pub struct Preferences {
    /// Highest version spoken.
    pub version: i32,
    /// Whether exceptions travel with stack traces.
    pub stack_trace_enabled: bool,
    /// Whether objects are cached.
    pub cache_enabled: bool,
    /// Slots of the caches; 0 leaves it open.
    pub cache_size: i32,
    /// Whether TCP sends small packets at once.
    pub tcp_no_delay_enabled: bool,
    /// Whether the encoding is tight.
    pub tight_encoding_enabled: bool,
    /// Whether frames go without a length in front.
    pub size_prefix_disabled: bool,
    /// Milliseconds without a byte after which the peer is taken for dead; 0 never.
    pub max_inactivity_duration: i64,
    /// Milliseconds before the first such check.
    pub max_inactivity_duration_initial_delay: i64,
    /// Largest frame in bytes; 0 leaves it open.
    pub max_frame_size: i64,
    /// Whether the sender keeps to the largest frame; told, not negotiated.
    pub max_frame_size_enabled: bool,
    /// Name by which the client reached the broker.
    pub host: Option<Text>,
    /// Name of the implementation.
    pub provider_name: Option<Text>,
    /// Version of the implementation.
    pub provider_version: Option<Text>,
    /// Platform of the implementation.
    pub platform_details: Option<Text>,
    /// Which replication of Kahawai's is spoken; 0 for none, as whoever else says nothing of it.
    pub replication: i32,
}

impl Default for Preferences {
    /// ActiveMQ's defaults, with the frame size that its shipped configuration sets (100 MiB).
    fn default() -> Self {
        Self {
            version: VERSION_MAX.into(),
            stack_trace_enabled: true,
            cache_enabled: true,
            cache_size: 1024,
            tcp_no_delay_enabled: true,
            tight_encoding_enabled: true,
            size_prefix_disabled: false,
            max_inactivity_duration: 30_000,
            max_inactivity_duration_initial_delay: 10_000,
            max_frame_size: FRAME_LIMIT_DEFAULT as i64,
            max_frame_size_enabled: true,
            host: None,
            provider_name: Some("Kahawai".into()),
            provider_version: Some(env!("CARGO_PKG_VERSION").into()),
            platform_details: Some("Rust".into()),
            replication: 0,
        }
    }
}

impl Preferences {
    /// Reads what a peer sent. What it does not say is false, 0 or none, as in ActiveMQ.
    ///
    /// # Errors
    /// [`NegotiationError::Properties`] where the properties are not a primitive map within
    /// [`Limits::WIRE_FORMAT`].
    pub fn from_info(info: &WireFormatInfo) -> Result<Self, NegotiationError> {
        let properties = match &info.marshalled_properties {
            Some(bytes) => primitive::decode_map(bytes, &Limits::WIRE_FORMAT)?,
            None => PrimitiveMap::new(),
        };
        let boolean = |name| matches!(properties.get(name), Some(Value::Boolean(true)));
        let number = |name| match properties.get(name) {
            Some(Value::Integer(number)) => i64::from(*number),
            Some(Value::Long(number)) => *number,
            _ => 0,
        };
        let text = |name| match properties.get(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        Ok(Self {
            version: info.version,
            stack_trace_enabled: boolean("StackTraceEnabled"),
            cache_enabled: boolean("CacheEnabled"),
            cache_size: number("CacheSize").clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            tcp_no_delay_enabled: boolean("TcpNoDelayEnabled"),
            tight_encoding_enabled: boolean("TightEncodingEnabled"),
            size_prefix_disabled: boolean("SizePrefixDisabled"),
            max_inactivity_duration: number("MaxInactivityDuration"),
            max_inactivity_duration_initial_delay: number("MaxInactivityDurationInitalDelay"),
            max_frame_size: number("MaxFrameSize"),
            max_frame_size_enabled: boolean("MaxFrameSizeEnabled"),
            host: text("Host"),
            provider_name: text("ProviderName"),
            provider_version: text("ProviderVersion"),
            platform_details: text("PlatformDetails"),
            replication: number(REPLICATION_PROPERTY).clamp(0, i32::MAX.into()) as i32,
        })
    }

    /// The command that tells the peer. (The misspelt property name is ActiveMQ's.)
    pub fn to_info(&self) -> WireFormatInfo {
        let mut properties: PrimitiveMap = [
            ("StackTraceEnabled", Value::from(self.stack_trace_enabled)),
            ("CacheEnabled", self.cache_enabled.into()),
            ("CacheSize", self.cache_size.into()),
            ("TcpNoDelayEnabled", self.tcp_no_delay_enabled.into()),
            ("TightEncodingEnabled", self.tight_encoding_enabled.into()),
            ("SizePrefixDisabled", self.size_prefix_disabled.into()),
            ("MaxInactivityDuration", self.max_inactivity_duration.into()),
            ("MaxInactivityDurationInitalDelay", self.max_inactivity_duration_initial_delay.into()),
            ("MaxFrameSize", self.max_frame_size.into()),
            ("MaxFrameSizeEnabled", self.max_frame_size_enabled.into()),
        ]
        .into_iter()
        .collect();
        if self.replication != 0 {
            properties.put(REPLICATION_PROPERTY, self.replication);
        }
        for (name, text) in [
            ("Host", &self.host),
            ("ProviderName", &self.provider_name),
            ("ProviderVersion", &self.provider_version),
            ("PlatformDetails", &self.platform_details),
        ] {
            if let Some(text) = text {
                properties.put(name, text.clone());
            }
        }
        WireFormatInfo {
            version: self.version,
            marshalled_properties: Some(primitive::encode_map(Some(&properties))),
        }
    }
}

/// What two peers agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The version in force, 1 to 12.
    pub version: u8,
    /// Whether the encoding is tight.
    pub tight_encoding_enabled: bool,
    /// Slots of each cache, at most 32767; none where nothing is cached.
    pub cache_size: Option<usize>,
    /// Whether exceptions travel with stack traces.
    pub stack_trace_enabled: bool,
    /// Whether TCP sends small packets at once.
    pub tcp_no_delay_enabled: bool,
    /// Whether frames go without a length in front. [`crate::frame::take_frame`] cannot be used then; we never ask
    /// for it.
    pub size_prefix_disabled: bool,
    /// Largest frame in bytes, for both directions.
    pub frame_limit: usize,
    /// Time without a byte after which the peer is taken for dead; none is never. Something is sent at least every
    /// third of it.
    pub max_inactivity_duration: Option<Duration>,
    /// Time before the first such check.
    pub max_inactivity_duration_initial_delay: Duration,
}

impl Negotiated {
    /// How every connection starts: version 1, loose, no cache, small frames.
    pub fn initial() -> Self {
        Self {
            version: VERSION_MIN,
            tight_encoding_enabled: false,
            cache_size: None,
            stack_trace_enabled: false,
            tcp_no_delay_enabled: false,
            size_prefix_disabled: false,
            frame_limit: FRAME_LIMIT_BEFORE_AUTHENTICATION,
            max_inactivity_duration: None,
            max_inactivity_duration_initial_delay: Duration::ZERO,
        }
    }
}

/// Finds what both sides can: the lower version, the smaller sizes and times, and of the options those that both
/// want. Both sides compute the same.
///
/// # Errors
/// [`NegotiationError`] where the peer's properties are unreadable, its cache size is negative, or the common version
/// is none of ours.
pub fn negotiate(ours: &Preferences, theirs: &WireFormatInfo) -> Result<Negotiated, NegotiationError> {
    let theirs = Preferences::from_info(theirs)?;
    let found = smaller(ours.version.into(), theirs.version.into());
    let version = u8::try_from(found)
        .ok()
        .filter(|version| (VERSION_MIN..=VERSION_MAX).contains(version))
        .ok_or_else(|| NegotiationError::Version {
            found: found.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            min: VERSION_MIN.into(),
            max: VERSION_MAX.into(),
        })?;
    let cache_size =
        match (ours.cache_enabled && theirs.cache_enabled, ours.cache_size.min(theirs.cache_size)) {
            (false, _) => None,
            (true, found) if found < 0 => return Err(NegotiationError::CacheSize { found }),
            (true, 0) => Some(CACHE_SIZE_OPEN),
            (true, size) => Some((size as usize).min(i16::MAX as usize)),
        };
    let frame_limit = match smaller(ours.max_frame_size, theirs.max_frame_size) {
        open if open <= 0 => FRAME_LIMIT_DEFAULT,
        limit => usize::try_from(limit).unwrap_or(usize::MAX).min(i32::MAX as usize),
    };
    let milliseconds = |ours: i64, theirs: i64| Duration::from_millis(ours.min(theirs).max(0) as u64);
    let max_inactivity = milliseconds(ours.max_inactivity_duration, theirs.max_inactivity_duration);
    Ok(Negotiated {
        version,
        tight_encoding_enabled: ours.tight_encoding_enabled && theirs.tight_encoding_enabled,
        cache_size,
        stack_trace_enabled: ours.stack_trace_enabled && theirs.stack_trace_enabled,
        tcp_no_delay_enabled: ours.tcp_no_delay_enabled && theirs.tcp_no_delay_enabled,
        size_prefix_disabled: ours.size_prefix_disabled && theirs.size_prefix_disabled,
        frame_limit,
        max_inactivity_duration: (!max_inactivity.is_zero()).then_some(max_inactivity),
        max_inactivity_duration_initial_delay: milliseconds(
            ours.max_inactivity_duration_initial_delay,
            theirs.max_inactivity_duration_initial_delay,
        ),
    })
}

/// The smaller of two numbers of which zero and less mean "open", as ActiveMQ computes it.
fn smaller(ours: i64, theirs: i64) -> i64 {
    if (ours < theirs && ours > 0) || theirs <= 0 { ours } else { theirs }
}
