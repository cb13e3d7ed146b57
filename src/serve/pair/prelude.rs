//! What a slave and a master say in OpenWire before they speak of replication, on the master's ordinary connector.
//!
//! Both say how they write; the broker says who it is: that is the sign that somebody is there, and not just a kernel that accepts. Only then
//! ConnectionInfo and BrokerInfo say that a slave dialled, and frames follow.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{BrokerInfo, ConnectionInfo};
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::ids::{BrokerId, ConnectionId};
use kahawai_openwire::negotiation::{Negotiated, Preferences, REPLICATION, negotiate};
use kahawai_openwire::wire_format::WireFormat;
use kahawai_replication::frame::{Asked, Frame, FrameReader};
use kahawai_replication::member::Came;

use super::line::read_frames;

/// A connection on which frames follow.
pub(super) struct Connected {
    pub(super) socket: TcpStream,
    /// What came behind the broker's OpenWire.
    pub(super) received: Bytes,
}

/// Connects to a broker, until it is known that one is there and that it speaks of replication. Blocks for at most about so long.
pub(super) fn connect(address: &str, name: &str, within: Duration) -> Result<Connected, Came> {
    let until = Instant::now() + within;
    let place = address.strip_prefix("tcp://").unwrap_or(address);
    // Every address of this host is this host's own, seen from here.
    let place =
        place.strip_prefix("0.0.0.0:").map_or_else(|| place.to_owned(), |port| format!("127.0.0.1:{port}"));
    let place = place.strip_prefix("[::]:").map_or_else(|| place.clone(), |port| format!("[::1]:{port}"));
    let found = place.to_socket_addrs().map_err(|error| Came::Other(format!("{place}: {error}")))?;
    let mut came = Came::Other(format!("{place} has no address"));
    for address in found {
        match connect_to(address, left(until)) {
            Ok(socket) => return greet(socket, name, until),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => came = Came::Refused,
            Err(_) => came = Came::Silent { said_hello: false },
        }
    }
    Err(came)
}

fn connect_to(address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, within)?;
    // A port of this host's that nobody listens on can be given to whoever dials it: then it is itself.
    if socket.local_addr()? == socket.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn greet(mut socket: TcpStream, name: &str, until: Instant) -> Result<Connected, Came> {
    let ours = Preferences { replication: REPLICATION, max_inactivity_duration: 0, ..Preferences::default() };
    let (mut decoder, mut encoder) = WireFormat::new(&Negotiated::initial()).split();
    let mut out = BytesMut::new();
    let other = |error: &dyn std::fmt::Display| Came::Other(error.to_string());
    encoder.encode(&ours.to_info().into(), &mut out).map_err(|error| other(&error))?;
    let silent = |_| Came::Silent { said_hello: false };
    socket.set_write_timeout(Some(left(until))).and_then(|()| socket.write_all(&out)).map_err(silent)?;
    let mut received = BytesMut::new();
    let mut is_agreed = false;
    loop {
        let command = match take_frame(&mut received, Negotiated::initial().frame_limit) {
            Ok(Some(frame)) => decoder.decode(frame).map_err(|error| other(&error))?,
            Ok(None) => {
                let mut bytes = [0; 4096];
                let read = socket.set_read_timeout(Some(left(until))).and_then(|()| socket.read(&mut bytes));
                match read {
                    // Closed before a word: it is going, or full.
                    Ok(0) | Err(_) => return Err(Came::Silent { said_hello: false }),
                    Ok(count) => received.extend_from_slice(&bytes[..count]),
                }
                continue;
            }
            Err(error) => return Err(other(&error)),
        };
        match command {
            Command::WireFormatInfo(theirs) => {
                let said = Preferences::from_info(&theirs).map_err(|error| other(&error))?;
                match said.replication {
                    REPLICATION => {}
                    0 => {
                        let who = said.provider_name.map_or_else(|| "it".to_owned(), |name| name.to_string());
                        return Err(Came::Other(format!(
                            "{who} is a broker that has no slaves of this kind: both must run kahawai, of a version that has them"
                        )));
                    }
                    other => {
                        return Err(Came::Other(format!(
                            "it speaks replication {other}, this broker {REPLICATION}: run one version on both"
                        )));
                    }
                }
                let negotiated = negotiate(&ours, &theirs).map_err(|error| other(&error))?;
                let (newer, newer_encoder) = WireFormat::new(&negotiated).split();
                (decoder, encoder) = (newer, newer_encoder);
                is_agreed = true;
            }
            Command::BrokerInfo(_) if is_agreed => break,
            _ => {}
        }
    }
    let connection = ConnectionInfo {
        connection_id: Some(Arc::new(ConnectionId::new(format!("{name}-slave")))),
        client_id: Some(format!("{name}-slave").into()),
        broker_master_connector: true,
        ..ConnectionInfo::default()
    };
    let broker = BrokerInfo {
        broker_id: Some(Arc::new(BrokerId::new(name))),
        broker_name: Some(name.into()),
        slave_broker: true,
        ..BrokerInfo::default()
    };
    out.clear();
    encoder.encode(&connection.into(), &mut out).map_err(|error| other(&error))?;
    encoder.encode(&broker.into(), &mut out).map_err(|error| other(&error))?;
    socket.write_all(&out).map_err(silent)?;
    socket.set_read_timeout(None).and_then(|()| socket.set_write_timeout(None)).map_err(silent)?;
    Ok(Connected { socket, received: received.freeze() })
}

/// Asks a master something, as an operator.
pub(crate) fn ask(address: &str, what: Asked, within: Duration) -> Result<Vec<(String, String)>, String> {
    let came = |came: Came| match came {
        Came::Refused => "nobody listens there: it is a slave, or not running".to_owned(),
        Came::Silent { .. } => "nobody answers".to_owned(),
        Came::Other(why) => why,
        Came::Said(frame) => format!("it answered with {}", frame.kind()),
    };
    let connected = connect(address, "kahawai-cluster", within).map_err(came)?;
    match hear(&connected, &Frame::Ask(what), within) {
        Some((Frame::Told(told), _)) => Ok(told),
        Some((other, _)) => Err(format!("it answered with {}", other.kind())),
        None => Err("no answer".to_owned()),
    }
}

/// Says something and hears the answer, with what reads on behind it; nothing where none comes in time.
pub(super) fn hear(connected: &Connected, said: &Frame, within: Duration) -> Option<(Frame, FrameReader)> {
    let mut socket = &connected.socket;
    let mut out = Vec::new();
    said.encode(&mut out);
    socket.write_all(&out).and_then(|()| socket.set_read_timeout(Some(within))).ok()?;
    let mut reader = FrameReader::default();
    reader.push(&connected.received);
    let mut answer = None;
    read_frames(socket, &mut reader, &mut |_, frame| {
        if !matches!(frame, Frame::SignOfLife) {
            answer = Some(frame);
        }
        answer.is_none()
    });
    Some((answer?, reader))
}
