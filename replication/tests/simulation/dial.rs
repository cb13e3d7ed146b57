//! Dials another member: connects, waits for a sign of life, and only then says hello and hears the answer.

use std::time::Duration;

use bytes::Bytes;
use kahawai_replication::frame::{Frame, FrameReader, Hello};
use kahawai_replication::member::Came;
use kahawai_simulation::{ConnectionId, Context};

use super::{GREETING, PAIR, PORT};

/// Dialling somebody.
pub(crate) struct Dial {
    pub(crate) address: String,
    pub(crate) connection: ConnectionId,
    hello: Box<Hello>,
    said_hello: bool,
    reader: FrameReader,
    timer: u64,
    /// Does not tell that it said hello: a mistake.
    denies: bool,
}

impl Dial {
    pub(crate) fn begin(
        address: &str,
        hello: Hello,
        timer: u64,
        patience: Duration,
        denies: bool,
        context: &mut Context<'_>,
    ) -> Self {
        let connection = context.connect(address, PORT);
        context.set_timer(timer, patience);
        Self {
            address: address.to_owned(),
            connection,
            hello: Box::new(hello),
            said_hello: false,
            reader: FrameReader::default(),
            timer,
            denies,
        }
    }

    fn say_hello(&mut self, context: &mut Context<'_>) {
        self.said_hello = true;
        let mut bytes = vec![PAIR];
        Frame::Hello(self.hello.clone()).encode(&mut bytes);
        context.send(self.connection, bytes);
    }

    /// Something came; what came of dialling, once that is known.
    pub(crate) fn received(&mut self, mut bytes: Bytes, context: &mut Context<'_>) -> Option<Came> {
        if bytes.first() == Some(&GREETING) && !self.said_hello {
            let _ = bytes.split_to(1);
            self.say_hello(context);
        }
        self.reader.push(&bytes);
        match self.reader.take() {
            Ok(None) => None,
            Ok(Some(Frame::Refused(_))) if self.denies => Some(self.silent(context)),
            Ok(Some(frame)) => {
                context.cancel_timer(self.timer);
                Some(Came::Said(frame))
            }
            Err(error) => Some(self.over(Came::Other(error.to_string()), context)),
        }
    }

    fn over(&self, came: Came, context: &mut Context<'_>) -> Came {
        context.cancel_timer(self.timer);
        context.close(self.connection);
        came
    }

    pub(crate) fn refused(&self, context: &mut Context<'_>) -> Came {
        self.over(Came::Refused, context)
    }

    /// The connection broke, or nobody answered in time.
    pub(crate) fn silent(&self, context: &mut Context<'_>) -> Came {
        self.over(Came::Silent { said_hello: self.said_hello && !self.denies }, context)
    }

    /// For whoever goes on with what comes.
    pub(crate) fn into_reader(self) -> FrameReader {
        self.reader
    }
}
