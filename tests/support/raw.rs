//! A bare OpenWire connection: what a broker says on it is seen byte by byte.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{BrokerInfo, ConnectionInfo, RemoveInfo, SessionInfo};
use kahawai_openwire::consumer::{ConsumerInfo, RemoveSubscriptionInfo};
use kahawai_openwire::destination::Destination;
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::ids::{ConnectionId, ConsumerId, MessageId, ProducerId, RemovedId, SessionId};
use kahawai_openwire::message::{Message, MessageAck, MessageKind};
use kahawai_openwire::negotiation::{Preferences, negotiate};
use kahawai_openwire::producer::ProducerInfo;
use kahawai_openwire::text::Text;
use kahawai_openwire::wire_format::WireFormat;

use super::PATIENCE;

const FRAME_LIMIT: usize = 100 << 20;

/// A connection with one session, whose number is 1.
pub struct Raw {
    stream: TcpStream,
    format: WireFormat,
    received: BytesMut,
    connection: Text,
    command_id: i32,
    sequence: i64,
    client_id: Option<Text>,
    /// What the broker said of itself.
    broker: BrokerInfo,
}

/// Sends a message that nobody ever consumes: the head of the log comes to hold it again and again, and has to be cleaned.
pub fn leave_stuck_message(address: &str) {
    let mut producer = Raw::open(address).expect("a connection");
    producer.open_producer().expect("a producer");
    let message = producer.message(&Destination::queue("stuck"), true, 100);
    producer.request(message).expect("it is sent");
}

/// What a broker says of itself to whoever connects.
pub fn broker_info(address: &str) -> BrokerInfo {
    let raw = Raw::open(address).expect("a connection");
    raw.broker
}

impl Raw {
    /// Connects, agrees on the wire format and opens connection and session.
    ///
    /// # Errors
    /// Where the broker ends or does not answer in time.
    pub fn open(address: &str) -> io::Result<Self> {
        Self::open_as(address, &format!("ID:raw-{}", super::process_unique()))
    }

    /// The same, as the client with this id.
    ///
    /// # Errors
    /// As [`Self::open`], and where it is refused.
    pub fn open_as(address: &str, client_id: &str) -> io::Result<Self> {
        let mut stream = connect(address)?;
        let mut greeting = BytesMut::new();
        let mut format = WireFormat::initial();
        let ours = Preferences { max_inactivity_duration: 0, ..Preferences::default() };
        format.encode(&ours.to_info().into(), &mut greeting).map_err(io::Error::other)?;
        stream.write_all(&greeting)?;
        let unique = super::process_unique();
        let connection = Text::from(format!("ID:raw-{unique}"));
        let broker = BrokerInfo::default();
        let mut raw = Self {
            stream,
            format,
            received: BytesMut::new(),
            connection,
            command_id: 0,
            sequence: 0,
            client_id: Some(client_id.into()),
            broker,
        };
        let Command::WireFormatInfo(theirs) = raw.read()? else {
            return Err(io::Error::other("no WireFormatInfo"));
        };
        let negotiated = negotiate(&ours, &theirs).map_err(io::Error::other)?;
        raw.format = WireFormat::new(&negotiated);
        let Command::BrokerInfo(broker) = raw.read()? else {
            return Err(io::Error::other("no BrokerInfo"));
        };
        raw.broker = *broker;
        let command_id = raw.next_id();
        raw.request(
            ConnectionInfo {
                command_id,
                response_required: true,
                connection_id: Some(Arc::new(ConnectionId { value: raw.connection.clone() })),
                client_id: Some(Text::from(client_id)),
                ..ConnectionInfo::default()
            }
            .into(),
        )?;
        raw.open_session(1)?;
        Ok(raw)
    }

    fn next_id(&mut self) -> i32 {
        self.command_id += 1;
        self.command_id
    }

    /// A command whose answer needs no flush.
    pub fn session_info(&mut self, number: i64) -> Command {
        let session = SessionId { connection_id: self.connection.clone(), value: number };
        SessionInfo {
            command_id: self.next_id(),
            response_required: true,
            session_id: Some(Arc::new(session)),
        }
        .into()
    }

    fn open_session(&mut self, number: i64) -> io::Result<()> {
        let command = self.session_info(number);
        self.request(command)
    }

    fn producer_id(&self) -> Arc<ProducerId> {
        Arc::new(ProducerId { connection_id: self.connection.clone(), value: 1, session_id: 1 })
    }

    /// Opens the producer whose messages [`Self::message`] makes.
    pub fn open_producer(&mut self) -> io::Result<()> {
        let command_id = self.next_id();
        let producer_id = Some(self.producer_id());
        self.request(
            ProducerInfo { command_id, response_required: true, producer_id, ..ProducerInfo::default() }
                .into(),
        )
    }

    /// Opens a consumer.
    pub fn open_consumer(&mut self, destination: &Destination, prefetch_size: i32) -> io::Result<()> {
        let info = self.consumer_info(destination, prefetch_size, 1);
        self.request(info.into())
    }

    /// What opens the consumer with this number.
    pub fn consumer_info(
        &mut self,
        destination: &Destination,
        prefetch_size: i32,
        number: i64,
    ) -> ConsumerInfo {
        let consumer = ConsumerId { connection_id: self.connection.clone(), session_id: 1, value: number };
        ConsumerInfo {
            command_id: self.next_id(),
            response_required: true,
            consumer_id: Some(Arc::new(consumer)),
            destination: Some(Arc::new(destination.clone())),
            prefetch_size,
            dispatch_async: true,
            ..ConsumerInfo::default()
        }
    }

    /// The next message, whose sender waits for an answer.
    pub fn message(&mut self, destination: &Destination, persistent: bool, body: usize) -> Command {
        self.sequence += 1;
        let producer_id = self.producer_id();
        let message_id = MessageId {
            producer_id: Some(Arc::clone(&producer_id)),
            producer_sequence_id: self.sequence,
            ..MessageId::default()
        };
        Message {
            command_id: self.next_id(),
            response_required: true,
            producer_id: Some(producer_id),
            destination: Some(Arc::new(destination.clone())),
            message_id: Some(message_id),
            persistent,
            priority: 4,
            content: Some(Bytes::from(vec![b'x'; body])),
            kind: MessageKind::Bytes,
            ..Message::default()
        }
        .into()
    }

    /// Writes a command.
    pub fn send(&mut self, command: &Command) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        self.format.encode(command, &mut bytes).map_err(io::Error::other)?;
        self.stream.write_all(&bytes)
    }

    /// Reads the next command.
    pub fn read(&mut self) -> io::Result<Command> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(frame) = take_frame(&mut self.received, FRAME_LIMIT).map_err(io::Error::other)? {
                return self.format.decode(frame).map_err(io::Error::other);
            }
            if Instant::now() > deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.received.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Writes bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads until a message is dispatched.
    pub fn read_dispatch(&mut self) -> io::Result<()> {
        self.read_message().map(drop)
    }

    /// Reads until a message is dispatched, and gives it.
    pub fn read_message(&mut self) -> io::Result<Arc<Message>> {
        loop {
            if let Command::MessageDispatch(dispatch) = self.read()? {
                return dispatch.message.ok_or_else(|| io::Error::other("nothing was dispatched"));
            }
        }
    }

    /// Acknowledges so many messages of the first consumer, of which this is the last.
    pub fn acknowledge(&mut self, last: &Message, count: i32) -> io::Result<()> {
        let consumer = ConsumerId { connection_id: self.connection.clone(), session_id: 1, value: 1 };
        let command_id = self.next_id();
        self.request(
            MessageAck {
                command_id,
                response_required: true,
                ack_type: MessageAck::STANDARD,
                consumer_id: Some(Arc::new(consumer)),
                destination: last.destination.clone(),
                last_message_id: last.message_id.clone(),
                message_count: count,
                ..MessageAck::default()
            }
            .into(),
        )
    }

    /// Closes the consumer with this number.
    pub fn close_consumer(&mut self, number: i64) -> io::Result<()> {
        let consumer = ConsumerId { connection_id: self.connection.clone(), session_id: 1, value: number };
        let object_id = Some(RemovedId::Consumer(Arc::new(consumer)));
        let command_id = self.next_id();
        self.request(
            RemoveInfo { command_id, response_required: true, object_id, ..RemoveInfo::default() }.into(),
        )
    }

    /// Ends the durable subscription of this client with this name.
    pub fn unsubscribe(&mut self, name: &str) -> io::Result<()> {
        let command_id = self.next_id();
        self.request(
            RemoveSubscriptionInfo {
                command_id,
                response_required: true,
                connection_id: Some(Arc::new(ConnectionId { value: self.connection.clone() })),
                client_id: self.client_id.clone(),
                subscription_name: Some(name.into()),
            }
            .into(),
        )
    }

    /// This side's address, by which the broker's log names it.
    pub fn local_address(&self) -> String {
        self.stream.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string())
    }

    /// Sends a command and waits until it is answered and not refused.
    pub fn request(&mut self, command: Command) -> io::Result<()> {
        self.send(&command)?;
        loop {
            match self.read()? {
                Command::Response(_) => return Ok(()),
                Command::ExceptionResponse(refusal) => return Err(io::Error::other(format!("{refusal:?}"))),
                _ => {}
            }
        }
    }

    /// The connection from here on, after what has come so far was thrown away.
    pub fn into_silent(mut self) -> Silent {
        self.stream.set_nonblocking(true).expect("a socket");
        let mut buffer = [0; 65536];
        while self.stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
        self.stream.set_nonblocking(false).expect("a socket");
        Silent { stream: self.stream, format: self.format }
    }
}

/// A connection on which nothing more may come but its end.
pub struct Silent {
    stream: TcpStream,
    format: WireFormat,
}

impl Silent {
    /// A connection that has said nothing yet.
    pub fn connect(address: &str) -> io::Result<Self> {
        Ok(Self { stream: connect(address)?, format: WireFormat::initial() })
    }

    /// Says something, if it can still be said.
    pub fn send(&mut self, command: &Command) {
        let mut bytes = BytesMut::new();
        self.format.encode(command, &mut bytes).expect("a command");
        let _ = self.stream.write_all(&bytes);
    }

    /// Reads to the end and makes sure that nothing comes before it.
    pub fn assert_closed_without_a_word(mut self, who: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => said.extend_from_slice(&buffer[..count]),
                // The end comes as a reset where something we wrote was never read.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{who}: {error}"),
            }
            assert!(Instant::now() < deadline, "{who} does not close the connection");
        }
        let text = String::from_utf8_lossy(&said);
        assert!(said.is_empty(), "{who} answered after it was replaced: {} bytes: {text:?}", said.len());
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}
