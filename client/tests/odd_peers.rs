//! Proves what the client does with a peer that is no good broker: silent, foreign, slow, or gone before it answered.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kahawai_client::{ConnectOptions, Connection, Destination, Error, ErrorKind, Loss, Message};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::KeepAliveInfo;
use kahawai_openwire::frame::{FRAME_LIMIT_DEFAULT, take_frame};
use kahawai_openwire::negotiation::{Preferences, negotiate};
use kahawai_openwire::response::Response;
use kahawai_openwire::wire_format::WireFormat;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("not within the test's patience")
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// The broker's end of one connection.
struct Peer {
    stream: TcpStream,
    input: BytesMut,
    wire: WireFormat,
}

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut this = Self { stream, input: BytesMut::new(), wire: WireFormat::initial() };
        let Command::WireFormatInfo(theirs) = this.hear().await.unwrap() else { panic!() };
        let ours = Preferences::default();
        this.say(ours.to_info().into()).await;
        this.wire = WireFormat::new(&negotiate(&ours, &theirs).unwrap());
        this
    }

    async fn hear(&mut self) -> Option<Command> {
        loop {
            if let Some(frame) = take_frame(&mut self.input, FRAME_LIMIT_DEFAULT).unwrap() {
                return Some(self.wire.decode(frame).unwrap());
            }
            if self.stream.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn say(&mut self, command: Command) {
        let mut output = BytesMut::new();
        self.wire.encode(&command, &mut output).unwrap();
        self.stream.write_all(&output).await.unwrap();
    }

    /// Answers all that asks for it, until `stop` says so; that command is given back unanswered.
    async fn serve_until(&mut self, stop: impl Fn(&Command) -> bool) -> Option<Command> {
        loop {
            let command = self.hear().await?;
            if stop(&command) {
                return Some(command);
            }
            if command.response_required() {
                let correlation_id = command.command_id();
                self.say(Response { correlation_id, ..Response::default() }.into()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_given_up_in_time() {
    let (listener, url) = listen().await;
    let limit = Duration::from_millis(100);
    let error = soon(ConnectOptions::new().connect_timeout(limit).open(url)).await.unwrap_err();
    assert!(matches!(error, Error::ConnectTimeout { limit: told, .. } if told == limit), "{error}");
    // And is let go: the stream ends.
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut said = Vec::new();
    soon(stream.read_to_end(&mut said)).await.unwrap();
    assert!(said.windows(8).any(|window| window == b"ActiveMQ"));
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_found_out() {
    let (listener, url) = listen().await;
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        stream
    });
    let error = soon(Connection::open(url)).await.unwrap_err();
    assert!(matches!(error, Error::Lost(Loss::Frame(_))), "{error}");
    peer.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_goes_before_it_answers_leaves_the_send_in_doubt() {
    let (listener, url) = listen().await;
    let peer = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve_until(|command| matches!(command, Command::Message(_))).await.unwrap();
    });
    let connection = soon(Connection::open(url)).await.unwrap();
    let session = soon(connection.session()).await.unwrap();
    let producer = soon(session.producer(Destination::queue("A"))).await.unwrap();
    let error = soon(producer.send("in doubt")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt, "{error}");
    let error = soon(producer.send("too late")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    peer.await.unwrap();
}

#[tokio::test]
async fn senders_wait_for_a_slow_peer_and_go_on_when_it_does() {
    const MESSAGES: usize = 2_000;
    const BYTES: usize = 64 * 1024;
    let (listener, url) = listen().await;
    let (release, released) = tokio::sync::oneshot::channel();
    let peer = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve_until(|command| matches!(command, Command::Message(_))).await.unwrap();
        released.await.unwrap();
        let mut messages = 1;
        while peer.serve_until(|command| matches!(command, Command::Message(_))).await.is_some() {
            messages += 1;
        }
        messages
    });
    let connection = soon(Connection::open(url)).await.unwrap();
    let session = soon(connection.session()).await.unwrap();
    let producer = soon(session.producer(Destination::queue("A"))).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let sender = tokio::spawn({
        let sent = sent.clone();
        async move {
            let body = Bytes::from(vec![b'x'; BYTES]);
            for _ in 0..MESSAGES {
                producer.send(Message::bytes(body.clone()).persistent(false)).await.unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // It stops by itself: what the operating system and the client take is far less than all of it.
    soon(async {
        let mut before = usize::MAX;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = sent.load(Ordering::Relaxed);
            if now == before && now > 0 {
                break;
            }
            before = now;
        }
    })
    .await;
    let stalled_at = sent.load(Ordering::Relaxed);
    assert!(stalled_at * BYTES < 32 * 1024 * 1024, "{stalled_at} messages taken");
    release.send(()).unwrap();
    soon(sender).await.unwrap();
    soon(connection.close()).await.unwrap();
    assert_eq!(soon(peer).await.unwrap(), MESSAGES);
}

#[tokio::test]
async fn a_dropped_handle_sends_what_was_to_be_sent_and_says_goodbye() {
    let (listener, url) = listen().await;
    let peer = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        let is_goodbye = |command: &Command| matches!(command, Command::ShutdownInfo(_));
        // As much unread as the client will ever leave, before the last of its messages are read.
        let mut messages = 0;
        let goodbye = loop {
            match peer
                .serve_until(|command| matches!(command, Command::Message(_)) || is_goodbye(command))
                .await
            {
                Some(Command::Message(_)) => messages += 1,
                other => break other.is_some(),
            }
            peer.say(KeepAliveInfo::default().into()).await;
        };
        (messages, goodbye, peer.hear().await.is_none())
    });
    let connection = soon(Connection::open(url)).await.unwrap();
    let session = soon(connection.session()).await.unwrap();
    let producer = soon(session.producer(Destination::queue("A"))).await.unwrap();
    for _ in 0..5000 {
        producer.send(Message::text("x".repeat(500)).persistent(false)).await.unwrap();
    }
    drop((producer, session, connection));
    assert_eq!(soon(peer).await.unwrap(), (5000, true, true));
}

#[tokio::test]
async fn a_runtime_that_ends_is_told_to_those_who_wait_elsewhere() {
    let (listener, url) = listen().await;
    let (heard, has_heard) = tokio::sync::oneshot::channel();
    let peer = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve_until(|command| matches!(command, Command::Message(_))).await.unwrap();
        heard.send(()).unwrap();
        peer.hear().await;
    });
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let connection = other.spawn(Connection::open(url)).await.unwrap().unwrap();
    let session = soon(connection.session()).await.unwrap();
    let producer = soon(session.producer(Destination::queue("A"))).await.unwrap();
    let confirm = soon(producer.start_send("never answered")).await.unwrap();
    // Before the runtime ends the message must have left it.
    soon(has_heard).await.unwrap();
    other.shutdown_background();
    let error = soon(confirm).await.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown(Loss::RuntimeGone)), "{error}");
    soon(peer).await.unwrap();
}
