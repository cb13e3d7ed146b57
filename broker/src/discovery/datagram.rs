//! The text of a datagram.
//!
//! ```text
//! GROUP.ActiveMQ-4.alive.%localhost%tcp://HOST:PORT
//! GROUP.ActiveMQ-4.dead.%localhost%tcp://HOST:PORT
//! ```
//!
//! What stands between the percent signs is to be a broker's name, and ActiveMQ always writes this one.

/// What a datagram holds at most, in bytes, as in ActiveMQ.
pub const BYTES_MAX: usize = 8192;
/// The longest address of a broker: far more than any has.
const SERVICE_BYTES_MAX: usize = 1024;
/// What stands behind the name of a group.
const KIND: &str = ".ActiveMQ-4.";

/// What a broker says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is there.
    Alive,
    /// It goes.
    Dead,
}

/// What a datagram comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// This was said of the broker with this address.
    Said(Said, &'a str),
    /// It is of another group.
    OtherGroup,
    /// It is nothing that ActiveMQ would have sent, for this reason.
    Odd(&'static str),
}

/// What is to be sent.
pub fn write(group: &str, said: Said, service: &str) -> Vec<u8> {
    let said = match said {
        Said::Alive => "alive",
        Said::Dead => "dead",
    };
    format!("{group}{KIND}{said}.%localhost%{service}").into_bytes()
}

/// Reads what came for whoever is in `group`.
pub fn read<'a>(group: &str, bytes: &'a [u8]) -> Read<'a> {
    if bytes.len() > BYTES_MAX {
        return Read::Odd("it is longer than any of ActiveMQ's");
    }
    let Ok(text) = str::from_utf8(bytes) else { return Read::Odd("it is no text") };
    let Some(payload) = text.strip_prefix(group).and_then(|rest| rest.strip_prefix(KIND)) else {
        return if text.contains(KIND) { Read::OtherGroup } else { Read::Odd("it is none of ActiveMQ's") };
    };
    let (said, rest) = match (payload.strip_prefix("alive."), payload.strip_prefix("dead.")) {
        (Some(rest), _) => (Said::Alive, rest),
        (_, Some(rest)) => (Said::Dead, rest),
        _ => return Read::Odd("it says neither alive nor dead"),
    };
    let named = rest.strip_prefix('%').and_then(|rest| rest.split_once('%'));
    let Some((_, service)) = named else { return Read::Odd("it names no broker") };
    if service.is_empty()
        || service.len() > SERVICE_BYTES_MAX
        || !service.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Read::Odd("what it names is no address");
    }
    Read::Said(said, service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_activemqs() {
        let alive = write("default", Said::Alive, "tcp://a:61616");
        assert_eq!(alive, b"default.ActiveMQ-4.alive.%localhost%tcp://a:61616");
        let dead = write("x.y", Said::Dead, "tcp://a:61616");
        assert_eq!(dead, b"x.y.ActiveMQ-4.dead.%localhost%tcp://a:61616");
        assert_eq!(read("default", &alive), Read::Said(Said::Alive, "tcp://a:61616"));
        assert_eq!(read("x.y", &dead), Read::Said(Said::Dead, "tcp://a:61616"));
        assert_eq!(read("y", &dead), Read::OtherGroup);
        assert_eq!(read("x", &dead), Read::OtherGroup);
    }

    #[test]
    fn any_name_may_stand_there_and_an_address_may_have_a_percent_sign() {
        let named = read("default", b"default.ActiveMQ-4.alive.%%tcp://[fe80::1%25eth0]:1?a=b%20c");
        assert_eq!(named, Read::Said(Said::Alive, "tcp://[fe80::1%25eth0]:1?a=b%20c"));
        assert_eq!(read("g", b"g.ActiveMQ-4.alive.%b%x"), Read::Said(Said::Alive, "x"));
    }

    #[test]
    fn whatever_else_comes_is_odd() {
        let of = |rest: &str| format!("default.ActiveMQ-4.{rest}").into_bytes();
        for bytes in [
            Vec::new(),
            b"\xff\xfe".to_vec(),
            b"hello".to_vec(),
            b"default.ActiveMQ-5.alive.%localhost%tcp://a:1".to_vec(),
            of(""),
            of("alive"),
            of("alive."),
            of("asleep.%localhost%tcp://a:1"),
            of("alive.localhost%tcp://a:1"),
            of("alive.%localhost"),
            of("alive.%localhost%"),
            of("dead.%localhost%tcp://a:1\n"),
            of("alive.%localhost%tcp://a:1 and more"),
            of("alive.%localhost%tcp://é:1"),
            of(&format!("alive.%localhost%tcp://{}:1", "a".repeat(SERVICE_BYTES_MAX))),
            of(&format!("alive.%{}%tcp://a:1", "a".repeat(BYTES_MAX))),
        ] {
            assert!(matches!(read("default", &bytes), Read::Odd(_)), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_stumble(group in "[a-z.%]{0,4}", bytes: Vec<u8>, text in "[a.%\\-]{0,20}") {
            let _ = read(&group, &bytes);
            let _ = read(&group, &[group.as_bytes(), KIND.as_bytes(), text.as_bytes()].concat());
        }
    }
}
