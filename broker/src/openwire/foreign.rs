//! What speaks there, where the first bytes are no OpenWire: the frame's length that they make says nothing to anybody.

/// Says what a peer's first bytes look like and what to do, where they are another protocol's that is met on such a port.
pub fn looks_like(first: &[u8]) -> Option<&'static str> {
    const HTTP: [&[u8]; 9] =
        [b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"PATC", b"CONN", b"TRAC"];
    Some(match first {
        // A handshake record of SSL 3 to TLS 1.3; or of SSL 2, a client hello that offers a later version.
        [0x16, 3, ..] | [0x80..=0xff, _, 1, 3, ..] => {
            "looks like a TLS client hello; this connector speaks OpenWire without TLS: use tcp://…"
        }
        // Before HTTP, which has a CONNECT too: STOMP's stands alone on its line.
        [b'S', b'T', b'O', b'M', ..] | [b'C', b'O', b'N', b'N', b'E', b'C', b'T', b'\n' | b'\r', ..] => {
            "looks like STOMP; this connector speaks OpenWire only: use an OpenWire client with tcp://…"
        }
        [b'A', b'M', b'Q', b'P', ..] => {
            "looks like AMQP; this connector speaks OpenWire only: use an OpenWire client with tcp://…"
        }
        [0x10, rest @ ..] if is_mqtt_connect(rest) => {
            "looks like MQTT; this connector speaks OpenWire only: use an OpenWire client with tcp://…"
        }
        [b'P', b'R', b'O', b'X', ..] | [0x0d, 0x0a, 0x0d, 0x0a, ..] => {
            "looks like the PROXY protocol of a load balancer; this connector does not speak it: turn it off there"
        }
        [b'S', b'S', b'H', b'-', ..] => "looks like SSH; this connector speaks OpenWire only",
        first if HTTP.iter().any(|method| first.starts_with(method)) => {
            "looks like HTTP; this connector speaks OpenWire only, and there is no web console: use tcp://…, and a TCP check for health"
        }
        _ => return None,
    })
}

/// After the first byte: the remaining length in one to four bytes, the length of the protocol's name, its first letters.
fn is_mqtt_connect(rest: &[u8]) -> bool {
    let length = 1 + rest.iter().take(3).take_while(|byte| **byte & 0x80 != 0).count();
    let name = rest.get(length..).unwrap_or_default();
    // MQTT 3.1.1 and 5 say MQTT, 3.1 says MQIsdp. Where no more has come, the name's length must do.
    let known: [&[u8]; 2] = [b"\0\x04MQTT", b"\0\x06MQIsdp"];
    name.len() >= 2 && known.iter().any(|known| name.starts_with(known) || known.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_told_by_their_first_bytes() {
        let cases: [(&[u8], &str); 16] = [
            (b"\x16\x03\x01\x02\x00\x01\x00", "TLS"),
            (b"\x16\x03\x03\x00", "TLS"),
            (b"\x80\x2e\x01\x03\x01", "TLS"),
            (b"GET / HTTP/1.1\r\n", "HTTP"),
            (b"GET ", "HTTP"),
            (b"OPTIONS * HTTP/1.1\r\n", "HTTP"),
            (b"CONNECT host:443 HTTP/1.1\r\n", "HTTP"),
            (b"CONNECT\naccept-version:1.2\n", "STOMP"),
            (b"CONNECT\r\naccept-version:1.2\r\n", "STOMP"),
            (b"STOMP\naccept-version:1.2\n", "STOMP"),
            (b"\x10\x10\x00\x04MQTT\x04", "MQTT"),
            (b"\x10\x90\x02\x00\x04MQTT\x05", "MQTT"),
            (b"\x10\x12\x00\x06MQIsdp\x03", "MQTT"),
            (b"AMQP\x00\x01\x00\x00", "AMQP"),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY"),
            (b"\r\n\r\n\0\r\nQUIT\n", "PROXY"),
        ];
        for (first, name) in cases {
            let said = looks_like(first).unwrap_or_default();
            assert!(said.starts_with("looks like ") && said.contains(name), "{first:?}: {said}");
        }
    }

    #[test]
    fn openwire_and_noise_look_like_nothing() {
        let openwire = b"\0\0\x01\x00\x01ActiveMQ\0\0\0\x0c";
        let cases: [&[u8]; 6] =
            [openwire, b"", b"\x16", b"\x10\x10\x00\x05other", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff"];
        for first in cases {
            assert_eq!(looks_like(first), None, "{first:?}");
        }
    }
}
