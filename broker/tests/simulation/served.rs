//! A connection as the broker has it: bytes in, calls of the core, events out, bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kahawai_broker::core::Core;
use kahawai_broker::core::effects::Event;
use kahawai_broker::core::keys::ConnectionKey;
use kahawai_broker::openwire::advisory::Origin;
use kahawai_broker::openwire::network::Peer;
use kahawai_broker::openwire::outgoing::{Outgoing, OutgoingEncoder};
use kahawai_broker::openwire::session::{Flow, Session};
use kahawai_broker::openwire::statistics::Beside;
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{BrokerInfo, KeepAliveInfo, ShutdownInfo, WireFormatInfo};
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::ids::BrokerId;
use kahawai_openwire::negotiation::{Preferences, negotiate};
use kahawai_openwire::wire_format::{Decoder, WireFormat};
use kahawai_simulation::ConnectionId;
use kahawai_store::batch::DurabilityState;

use super::wire::{FRAME_BYTES_MAX, Wire};

/// Where its other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Towards {
    Socket(ConnectionId),
    /// A bridge of this broker's.
    Inside,
}

/// What came of bytes.
pub(crate) enum Came {
    /// Nothing but what the core was told.
    Nothing,
    /// It is over, and is told so by this where there is something to tell.
    Over(Option<String>),
    /// It goes on as the other end of a duplex bridge.
    Duplex(Box<(BrokerInfo, Peer)>),
}

pub(crate) struct Served {
    pub(crate) key: ConnectionKey,
    pub(crate) towards: Towards,
    pub(crate) session: Session,
    encoder: OutgoingEncoder,
    decoder: Decoder,
    received: BytesMut,
    out: BytesMut,
    /// Bytes of deliveries that were written and that the core was not told of.
    written: usize,
    pub(crate) closes: Option<String>,
    pub(crate) last_read: Duration,
    pub(crate) last_write: Duration,
}

impl Served {
    pub(crate) fn new(key: ConnectionKey, towards: Towards, origin: &Arc<Origin>, now: Duration) -> Self {
        let (decoder, encoder) = WireFormat::initial().split();
        let beside = || Beside {
            durability: DurabilityState { level: Default::default(), bytes_at_risk: 0 },
            bridges: Vec::new(),
        };
        let mut served = Self {
            key,
            towards,
            session: Session::new(
                key,
                format!("sim://{}", key.0),
                Arc::new(beside),
                origin.broker_id.clone(),
            ),
            encoder: OutgoingEncoder::new(encoder, Arc::clone(origin)),
            decoder,
            received: BytesMut::new(),
            out: BytesMut::new(),
            written: 0,
            closes: None,
            last_read: now,
            last_write: now,
        };
        served.push(Outgoing::Command(Preferences::default().to_info().into()), 0);
        served
    }

    fn push(&mut self, outgoing: Outgoing, now: i64) {
        self.written += outgoing.delivered_bytes();
        self.encoder.write(outgoing, now, &mut self.out).expect("what is said here can be written");
    }

    /// The core tells it something.
    pub(crate) fn event(&mut self, event: Event, now: i64) {
        match event {
            Event::Close { reason } | Event::Cut { reason } => self.closes = Some(reason),
            event => self.push(Outgoing::Event(event), now),
        }
    }

    pub(crate) fn say(&mut self, command: Command) {
        self.push(Outgoing::Command(command), 0);
    }

    /// A sign of life, once both have agreed on how to write.
    pub(crate) fn beat(&mut self) {
        if !self.session.stage().is_opening() {
            self.say(KeepAliveInfo::default().into());
        }
    }

    pub(crate) fn farewell(&mut self) {
        if !self.session.stage().is_opening() {
            self.say(ShutdownInfo::default().into());
        }
    }

    pub(crate) fn take_out(&mut self, now: Duration) -> Option<Bytes> {
        if self.out.is_empty() {
            return None;
        }
        self.last_write = now;
        Some(self.out.split().freeze())
    }

    /// Bytes that were written since it was asked last, of which the core is to know.
    pub(crate) fn take_written(&mut self) -> usize {
        std::mem::take(&mut self.written)
    }

    pub(crate) fn feed(&mut self, bytes: &[u8], now: Duration) {
        self.last_read = now;
        self.received.extend_from_slice(bytes);
    }

    /// The next command of what has come.
    pub(crate) fn next(&mut self) -> Option<Command> {
        let frame = take_frame(&mut self.received, FRAME_BYTES_MAX).expect("a frame")?;
        Some(self.decoder.decode(frame).expect("a command"))
    }

    pub(crate) fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// Within a turn.
    pub(crate) fn handle(&mut self, core: &mut Core, origin: &Origin, now: i64, command: Command) -> Came {
        let mut pushed = Vec::new();
        let flow = self.session.handle(core, now, command, &mut |outgoing| pushed.push(outgoing));
        for outgoing in pushed {
            self.push(outgoing, now);
        }
        match flow {
            Ok(Flow::Continue) => Came::Nothing,
            Ok(Flow::Negotiate(info)) => {
                self.negotiate(&info, origin);
                Came::Nothing
            }
            Ok(Flow::Shutdown) => Came::Over(None),
            Ok(Flow::Refused(why)) => Came::Over(Some(why.message)),
            Ok(Flow::Duplex(who)) => Came::Duplex(who),
            Ok(Flow::Slave) => Came::Over(Some("no slaves here".to_owned())),
            Err(why) => Came::Over(Some(why.message)),
        }
    }

    fn negotiate(&mut self, theirs: &WireFormatInfo, origin: &Origin) {
        let agreed = negotiate(&Preferences::default(), theirs).expect("they agree");
        let (decoder, encoder) = WireFormat::new(&agreed).split();
        self.decoder = decoder;
        let info = BrokerInfo {
            broker_id: Some(Arc::new(BrokerId::new(origin.broker_id.clone()))),
            broker_url: Some(origin.broker_url.clone()),
            broker_name: Some(origin.broker_name.clone()),
            ..BrokerInfo::default()
        };
        self.push(Outgoing::Encoder(Box::new(encoder)), 0);
        self.say(info.into());
    }

    /// What the other end of a duplex bridge goes on with.
    pub(crate) fn into_wire(mut self, now: Duration) -> Wire {
        let encoder = self.encoder.take_encoder();
        Wire::agreed(WireFormat::join(self.decoder, encoder), self.received, now)
    }
}
