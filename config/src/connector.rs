//! `transportConnector`: its URI, read once into a closed type.
//!
//! ```text
//! SCHEME://HOST:PORT[?OPTION=VALUE[&OPTION=VALUE...]]
//! ```
//!
//! Nothing in a URI can name a file or load anything.

use std::time::Duration;

use kahawai_broker::BrokerConfig;
use kahawai_broker::discovery::Multicast;

use crate::origin::DISCOVERY;
use crate::remark::{Remark, Severity};
use crate::value;

/// A connector for OpenWire, as far as its URI says anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connector {
    /// Where to listen: `HOST:PORT`; port 0 takes a free one.
    pub bind: String,
    /// `maximumConnections`.
    pub maximum_connections: Option<usize>,
    /// `wireFormat.maxFrameSize`, in bytes.
    pub max_frame_size: Option<usize>,
    /// `wireFormat.maxInactivityDuration`; zero for never.
    pub max_inactivity_duration: Option<Duration>,
    /// `wireFormat.maxInactivityDurationInitalDelay` (sic).
    pub max_inactivity_duration_initial_delay: Option<Duration>,
    /// `transport.soWriteTimeout`; a day for never.
    pub write_timeout: Option<Duration>,
    /// `transport.connectionTimeout`.
    pub connection_timeout: Option<Duration>,
    /// The group that is told of it: `discoveryUri`, which stands beside its URI.
    pub discovery_uri: Option<Multicast>,
}

/// What a URI comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// A connector that this program has, where it is one.
    pub connector: Option<Connector>,
    /// What there is to say of the rest.
    pub remarks: Vec<Remark>,
}

/// What a scheme is to this program.
enum Scheme {
    OpenWire,
    /// OpenWire, by another way of waiting, or beside other protocols on one port.
    AlsoOpenWire(&'static str),
    NotYet(&'static str),
    Refused(&'static str),
    Harmless(&'static str),
}

fn scheme(name: &str) -> Option<Scheme> {
    const TLS: &str = "there is no TLS yet: in clear its passwords and messages would be open to the network; put a TLS proxy before a tcp \
                       connector that listens on 127.0.0.1, or leave it out";
    Some(match name {
        "tcp" => Scheme::OpenWire,
        "nio" => Scheme::AlsoOpenWire("served as tcp: no connection takes a thread here"),
        "auto" | "auto+nio" => {
            Scheme::AlsoOpenWire("only OpenWire is spoken on it: AMQP, STOMP and MQTT clients are refused")
        }
        "ssl" | "nio+ssl" | "auto+ssl" | "auto+nio+ssl" | "https" | "wss" | "amqp+ssl" | "stomp+ssl"
        | "mqtt+ssl" | "amqp+nio+ssl" | "stomp+nio+ssl" | "mqtt+nio+ssl" => Scheme::Refused(TLS),
        "amqp" | "amqp+nio" => Scheme::NotYet("AMQP is not spoken yet: nobody listens there"),
        "stomp" | "stomp+nio" => Scheme::NotYet("STOMP is not spoken yet: nobody listens there"),
        "mqtt" | "mqtt+nio" => Scheme::NotYet("MQTT is not spoken yet: nobody listens there"),
        "ws" => Scheme::NotYet("WebSockets are not spoken yet: nobody listens there"),
        "http" => Scheme::NotYet("OpenWire over HTTP is not spoken yet: nobody listens there"),
        "udp" | "multicast" | "xmpp" => Scheme::NotYet("this transport is not there: nobody listens there"),
        "vm" => Scheme::Harmless("it is for clients inside ActiveMQ's own process"),
        _ => return None,
    })
}

/// What an option says of a connector.
enum Fate {
    Used(fn(&mut Connector, &str) -> Result<(), String>),
    Ignored(Severity, &'static str),
}

/// The options of a tcp connector in a URI; those with a prefix besides as `transport.…` and `wireFormat.…`.
fn fate(option: &str) -> Option<Fate> {
    use Fate::{Ignored, Used};
    use Severity::{Harmless, NotYet, Refused, Warning};
    const SOCKET: &str = "sockets are set as this program needs them";
    const NEGOTIATED: &str = "agreed upon with each client";
    Some(match option {
        "maximumConnections" => {
            Used(|connector, text| whole(text).map(|number| connector.maximum_connections = Some(number)))
        }
        "wireFormat.maxFrameSize" => {
            Used(|connector, text| frame_size(text).map(|number| connector.max_frame_size = Some(number)))
        }
        "wireFormat.maxInactivityDuration" => {
            Used(|connector, text| time(text).map(|time| connector.max_inactivity_duration = Some(time)))
        }
        // The misspelt name is ActiveMQ's own.
        "wireFormat.maxInactivityDurationInitalDelay" => Used(|connector, text| {
            time(text).map(|time| connector.max_inactivity_duration_initial_delay = Some(time))
        }),
        "transport.soWriteTimeout" | "soWriteTimeout" => {
            Used(|connector, text| time(text).map(|time| connector.write_timeout = Some(or_a_day(time))))
        }
        "transport.connectionTimeout" | "connectionTimeout" => {
            Used(|connector, text| time(text).map(|time| connector.connection_timeout = Some(or_a_day(time))))
        }
        "wireFormat.maxInactivityDurationInitialDelay" => {
            Ignored(Warning, "write maxInactivityDurationInitalDelay: ActiveMQ's own name lacks an i")
        }
        "wireFormat.cacheEnabled"
        | "wireFormat.cacheSize"
        | "wireFormat.tightEncodingEnabled"
        | "wireFormat.sizePrefixDisabled"
        | "wireFormat.prefixPacketSize"
        | "wireFormat.stackTraceEnabled"
        | "wireFormat.tcpNoDelayEnabled"
        | "wireFormat.version"
        | "wireFormat.maxFrameSizeEnabled"
        | "wireFormat.host" => Ignored(Harmless, NEGOTIATED),
        "transport.tcpNoDelay"
        | "transport.keepAlive"
        | "transport.soTimeout"
        | "transport.soLinger"
        | "transport.ioBufferSize"
        | "transport.socketBufferSize"
        | "transport.trafficClass"
        | "transport.daemon"
        | "transport.stackSize"
        | "transport.trace"
        | "transport.logWriterName"
        | "transport.dynamicManagement"
        | "transport.startLogging"
        | "transport.jmxPort"
        | "transport.closeAsync"
        | "transport.threadName"
        | "transport.useLocalHost"
        | "transport.minmumWireFormatVersion"
        | "transport.diffServ"
        | "transport.typeOfService"
        | "transport.useQueueForAccept"
        | "transport.backlog"
        | "tcpNoDelay"
        | "keepAlive"
        | "soTimeout"
        | "soLinger"
        | "socketBufferSize"
        | "ioBufferSize"
        | "trace"
        | "daemon"
        | "backlog"
        | "useQueueForAccept"
        | "socket.tcpNoDelay"
        | "socket.keepAlive"
        | "socket.receiveBufferSize"
        | "socket.sendBufferSize"
        | "transport.socket.tcpNoDelay"
        | "async"
        | "transport.async"
        | "allowLinkStealing"
        | "transport.allowLinkStealing" => Ignored(Harmless, SOCKET),
        "transport.useInactivityMonitor" | "useInactivityMonitor" => Ignored(
            Warning,
            "silent connections are closed: write wireFormat.maxInactivityDuration=0 to keep them",
        ),
        "needClientAuth" | "transport.needClientAuth" | "wantClientAuth" | "transport.wantClientAuth" => {
            Ignored(Refused, "there is no TLS yet, so that no client could show a certificate")
        }
        "transport.enabledCipherSuites" | "transport.enabledProtocols" => {
            Ignored(Refused, "there is no TLS yet")
        }
        "trustStore" | "keyStore" | "transport.verifyHostName" => Ignored(Refused, "there is no TLS yet"),
        "updateClusterClients" | "rebalanceClusterClients" | "updateClusterClientsOnRemove" => {
            Ignored(NotYet, "clients are told of no other brokers: name them in their failover:(…)")
        }
        _ => return None,
    })
}

fn whole(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("needs a whole number, 1 at least".to_owned()),
    }
}

fn frame_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= 1024 => Ok(number),
        _ => Err("needs a whole number of bytes, 1024 at least".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    value::milliseconds(0)(text)
}

/// Zero is for ever, which a day stands for.
fn or_a_day(time: Duration) -> Duration {
    if time.is_zero() { Duration::from_secs(86_400) } else { time }
}

/// Reads a URI. Never fails: what is wrong is a remark that is [`Severity::Refused`].
pub fn read(uri: &str) -> Read {
    let mut read = Read::default();
    let uri = uri.trim();
    let refuse = |why: String| vec![Remark::new(Severity::Refused, "uri", why)];
    let Some((name, rest)) = uri.split_once("://") else {
        read.remarks = refuse("needs SCHEME://HOST:PORT, as in tcp://0.0.0.0:61616".to_owned());
        return read;
    };
    let mut connector = Connector::default();
    match scheme(name) {
        Some(Scheme::OpenWire) => {}
        Some(Scheme::AlsoOpenWire(why)) => {
            let severity = if name == "nio" { Severity::Harmless } else { Severity::NotYet };
            read.remarks.push(Remark::new(severity, format!("{name}://"), why));
        }
        Some(Scheme::NotYet(why)) => {
            read.remarks.push(Remark::new(Severity::NotYet, format!("{name}://"), why));
            return read;
        }
        Some(Scheme::Refused(why)) => {
            read.remarks.push(Remark::new(Severity::Refused, format!("{name}://"), why));
            return read;
        }
        Some(Scheme::Harmless(why)) => {
            read.remarks.push(Remark::new(Severity::Harmless, format!("{name}://"), why));
            return read;
        }
        None => {
            read.remarks = refuse(format!("'{name}' is no transport that ActiveMQ has: tcp://HOST:PORT is"));
            return read;
        }
    }
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let address = address.strip_suffix('/').unwrap_or(address);
    // ActiveMQ takes a missing host for every address.
    let bind = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    match value::bind_address(&bind) {
        Ok(bind) => connector.bind = bind,
        Err(why) => read.remarks.extend(refuse(why)),
    }
    for pair in query.split('&').flat_map(|pair| pair.split(';')).filter(|pair| !pair.is_empty()) {
        let (option, text) = pair.split_once('=').unwrap_or((pair, ""));
        let option = option.strip_prefix("amp;").unwrap_or(option);
        let said = match fate(option) {
            Some(Fate::Used(set)) => set(&mut connector, text).map_err(|why| (Severity::Refused, why)),
            Some(Fate::Ignored(severity, why)) => Err((severity, why.to_owned())),
            None => Err((Severity::Warning, "this program knows no such option, and ignores it".to_owned())),
        };
        if let Err((severity, why)) = said {
            read.remarks.push(Remark::new(severity, option, why));
        }
    }
    if read.remarks.iter().all(|remark| remark.severity < Severity::Refused) {
        read.connector = Some(connector);
    }
    read
}

/// Which settings of a broker [`apply`] changes by these.
pub fn says(connectors: &[Connector]) -> Vec<&'static str> {
    let any = |says: fn(&Connector) -> bool| connectors.iter().any(says);
    let all = [
        (crate::origin::CONNECTORS, !connectors.is_empty()),
        ("maximumConnections", any(|one| one.maximum_connections.is_some())),
        ("maxFrameSize", any(|one| one.max_frame_size.is_some())),
        ("maxInactivityDuration", any(|one| one.max_inactivity_duration.is_some())),
        ("maxInactivityDurationInitalDelay", any(|one| one.max_inactivity_duration_initial_delay.is_some())),
        ("soWriteTimeout", any(|one| one.write_timeout.is_some())),
        ("connectionTimeout", any(|one| one.connection_timeout.is_some())),
        (DISCOVERY, any(|one| one.discovery_uri.is_some())),
    ];
    all.into_iter().filter(|(_, is_said)| *is_said).map(|(name, _)| name).collect()
}

/// Makes a broker listen by these, if there are any. What they say of connections holds for all of this broker's: numbers of connections
/// are added up, and of the rest the most generous counts. The one that a group is told of is the first.
pub fn apply(connectors: &[Connector], broker: &mut BrokerConfig) -> Vec<Remark> {
    if connectors.is_empty() {
        return Vec::new();
    }
    let mut remarks = Vec::new();
    let mut told_of = connectors.iter().enumerate().filter(|(_, one)| one.discovery_uri.is_some());
    let first = told_of.next();
    if told_of.next().is_some() {
        let why = "a group is told of one connector: of the first that says so";
        remarks.push(Remark::new(Severity::Warning, DISCOVERY, why));
    }
    broker.bind = connectors.iter().map(|connector| connector.bind.clone()).collect();
    if let Some((place, connector)) = first {
        broker.bind[..=place].rotate_right(1);
        broker.discovery_uri.clone_from(&connector.discovery_uri);
    }
    let said = connectors.iter().filter_map(|connector| connector.maximum_connections);
    if let Some(sum) = said.reduce(usize::saturating_add) {
        broker.maximum_connections = sum;
    }
    // Where a time is zero, it never comes.
    let generous = |time: &Duration| if time.is_zero() { Duration::MAX } else { *time };
    let mut each = |name: &str, place: &mut Duration, said: fn(&Connector) -> Option<Duration>| {
        let said: Vec<_> = connectors.iter().filter_map(said).collect();
        if let Some(most) = said.iter().max_by_key(|time| generous(time)) {
            *place = *most;
        }
        if said.iter().any(|time| time != place) {
            remarks.push(Remark::new(
                Severity::Warning,
                name,
                "connectors differ in it: the most generous holds for all",
            ));
        }
    };
    each("wireFormat.maxInactivityDuration", &mut broker.max_inactivity_duration, |connector| {
        connector.max_inactivity_duration
    });
    each(
        "wireFormat.maxInactivityDurationInitalDelay",
        &mut broker.max_inactivity_duration_initial_delay,
        |connector| connector.max_inactivity_duration_initial_delay,
    );
    each("transport.soWriteTimeout", &mut broker.write_timeout, |connector| connector.write_timeout);
    each("transport.connectionTimeout", &mut broker.connection_timeout, |connector| {
        connector.connection_timeout
    });
    let sizes: Vec<_> = connectors.iter().filter_map(|connector| connector.max_frame_size).collect();
    if let Some(&most) = sizes.iter().max() {
        broker.max_frame_size = most;
        if sizes.iter().any(|size| *size != most) {
            let why = "connectors differ in it: the most generous holds for all";
            remarks.push(Remark::new(Severity::Warning, "wireFormat.maxFrameSize", why));
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severities(uri: &str) -> Vec<(Severity, String)> {
        read(uri).remarks.into_iter().map(|remark| (remark.severity, remark.what)).collect()
    }

    #[test]
    fn the_shipped_connector_is_read_whole() {
        let read = read("tcp://0.0.0.0:61616?maximumConnections=1000&wireFormat.maxFrameSize=104857600");
        assert_eq!(read.remarks, []);
        let expected = Connector {
            bind: "0.0.0.0:61616".into(),
            maximum_connections: Some(1000),
            max_frame_size: Some(104_857_600),
            ..Connector::default()
        };
        assert_eq!(read.connector, Some(expected));
    }

    #[test]
    fn what_is_not_done_is_said_by_its_name() {
        use Severity::{Harmless, NotYet, Refused, Warning};
        for (uri, expected) in [
            ("nio://0.0.0.0:61616", vec![(Harmless, "nio://")]),
            ("auto+nio://0.0.0.0:61616", vec![(NotYet, "auto+nio://")]),
            ("stomp://0.0.0.0:61613?maximumConnections=1000", vec![(NotYet, "stomp://")]),
            ("ssl://0.0.0.0:61617", vec![(Refused, "ssl://")]),
            ("vm://broker", vec![(Harmless, "vm://")]),
            ("gopher://a:1", vec![(Refused, "uri")]),
            ("0.0.0.0:61616", vec![(Refused, "uri")]),
            ("tcp://0.0.0.0", vec![(Refused, "uri")]),
            (
                "tcp://a:1?transport.keepAlive=true&colour=red",
                vec![(Harmless, "transport.keepAlive"), (Warning, "colour")],
            ),
            ("tcp://a:1?maximumConnections=many", vec![(Refused, "maximumConnections")]),
            (
                "tcp://a:1?wireFormat.maxInactivityDuration=-1",
                vec![(Refused, "wireFormat.maxInactivityDuration")],
            ),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(severity, what)| (severity, what.to_owned())).collect();
            assert_eq!(severities(uri), expected, "{uri}");
            let is_connector = uri.starts_with("nio") || uri.starts_with("auto") || uri.contains("colour");
            assert_eq!(read(uri).connector.is_some(), is_connector, "{uri}");
        }
    }

    #[test]
    fn hosts_and_ports_are_read_as_activemq_does() {
        let bind = |uri: &str| read(uri).connector.map(|connector| connector.bind);
        assert_eq!(bind("tcp://localhost:0").as_deref(), Some("localhost:0"));
        assert_eq!(bind("tcp://:61616").as_deref(), Some("0.0.0.0:61616"));
        assert_eq!(bind("tcp://[::1]:61616/").as_deref(), Some("[::1]:61616"));
        assert_eq!(
            read("tcp://a:1?wireFormat.maxInactivityDuration=0")
                .connector
                .map(|connector| connector.max_inactivity_duration),
            Some(Some(Duration::ZERO))
        );
    }

    #[test]
    fn what_connectors_say_holds_for_all_and_where_they_differ_that_is_said() {
        let connector = |uri: &str| read(uri).connector.expect(uri);
        let mut broker = BrokerConfig::default();
        assert_eq!(apply(&[], &mut broker), []);
        let usual = BrokerConfig::default();
        assert_eq!((broker.bind, broker.maximum_connections), (usual.bind, usual.maximum_connections));
        let mut broker = BrokerConfig::default();
        let connectors = [
            connector("tcp://a:1?maximumConnections=10&wireFormat.maxInactivityDuration=5000"),
            connector("tcp://b:2?maximumConnections=20&wireFormat.maxInactivityDuration=0"),
        ];
        let remarks = apply(&connectors, &mut broker);
        assert_eq!((broker.bind, broker.maximum_connections), (vec!["a:1".to_owned(), "b:2".to_owned()], 30));
        assert_eq!(broker.max_inactivity_duration, Duration::ZERO);
        assert_eq!(remarks.len(), 1, "{remarks:?}");
    }

    #[test]
    fn the_connector_that_a_group_is_told_of_is_the_first() {
        let group = |name: &str| Multicast { group: name.to_owned(), ..Multicast::default() };
        let connector = |bind: &str, discovery_uri: Option<Multicast>| Connector {
            bind: bind.to_owned(),
            discovery_uri,
            ..Connector::default()
        };
        let mut broker = BrokerConfig::default();
        let third = connector("c:3", Some(group("x")));
        let mut connectors =
            vec![connector("a:1", None), connector("b:2", None), third, connector("d:4", None)];
        assert_eq!(apply(&connectors, &mut broker), []);
        assert_eq!(broker.bind, ["c:3", "a:1", "b:2", "d:4"]);
        assert_eq!(broker.discovery_uri, Some(group("x")));
        connectors[3].discovery_uri = Some(group("y"));
        let remarks = apply(&connectors, &mut broker);
        assert_eq!((remarks.len(), remarks[0].what.as_str()), (1, DISCOVERY), "{remarks:?}");
        assert_eq!((broker.bind[0].as_str(), broker.discovery_uri), ("c:3", Some(group("x"))));
    }
}
