//! Whatever bytes a broker sends, the answer is a value: never a panic, never memory without bound.

use bytes::BytesMut;
use kahawai_openwire::command::Command;
use kahawai_openwire::negotiation::Preferences;
use kahawai_openwire::wire_format::WireFormat;

use crate::consumer_options::ConsumerOptions;
use crate::protocol::tests::conversation::{Conversation, dispatch};

#[test]
fn damaged_frames_end_the_connection_at_most() {
    let mut healthy = BytesMut::new();
    let loose = Preferences { tight_encoding_enabled: false, cache_enabled: false, ..Preferences::default() };
    let negotiated =
        kahawai_openwire::negotiation::negotiate(&Preferences::default(), &loose.to_info()).unwrap();
    WireFormat::new(&negotiated).encode(&Command::from(dispatch(1, 0)), &mut healthy).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for at in 4..healthy.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut talk = Conversation::new(Preferences::default());
            talk.agree(&loose);
            let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
            let options = ConsumerOptions::queue("A");
            let (consumer, _) = talk.protocol.open_consumer(talk.now, session, &options, 10).unwrap();
            let mut damaged = healthy.clone();
            damaged[at] = value;
            match talk.say_bytes(&mut damaged) {
                Ok(()) => {
                    accepted += 1;
                    talk.protocol.next(talk.now, consumer).unwrap();
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted > 0 && refused > 0, "accepted {accepted}, refused {refused}");
}
