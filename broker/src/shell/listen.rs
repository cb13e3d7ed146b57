//! Addresses to listen on: whether a text can be one, whether it could be had now, and to have it.
//!
//! A slave listens only when it has become master. What is wrong with its address must be known before, so there are two looks that
//! take nothing: [`check`] at the text alone, and [`probe`] at this host as it is now.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// How many connections may wait to be accepted: ActiveMQ's `backlog`. The system may allow fewer (`net.core.somaxconn`). Where they are
/// too many, the system drops what comes, and each such client waits a second before it tries again.
const BACKLOG: u32 = 5000;
/// The longest name of a host, as the domain name system has it.
const HOST_BYTES_MAX: usize = 253;

/// Whether this can be an address to listen on, whatever the host: `HOST:PORT`, with an IPv6 address in brackets.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn check(address: &str) -> Result<(), String> {
    if address.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    if let Some((scheme, rest)) = address.split_once("://") {
        return Err(format!("write it without '{scheme}://': HOST:PORT, as in {}", example(rest)));
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(format!("it lacks a port: write HOST:PORT, as in {}", example(address)));
    };
    if host.contains([':', '[', ']']) {
        return Err("this is no IPv6 address with a port: write it as in [::1]:61616".to_owned());
    }
    if port.parse::<u16>().is_err() {
        let range = "a whole number from 0 to 65535, where 0 takes any that is free";
        return Err(format!("'{port}' is no port: write {range}, as in {}", example(host)));
    }
    let every =
        format!("write 0.0.0.0:{port} for every IPv4 address of this host, [::]:{port} for every address");
    if host.is_empty() || host == "*" {
        return Err(format!("it lacks a host: {every}"));
    }
    let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(format!("'{host}' is no IPv4 address: write one as in 127.0.0.1:{port}, or {every}"));
    }
    if !is_host_name(host) {
        return Err(format!("'{host}' is no name of a host: write HOST:PORT, as in 127.0.0.1:{port}"));
    }
    Ok(())
}

fn is_host_name(host: &str) -> bool {
    let letters =
        |label: &str| label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= HOST_BYTES_MAX && host.split('.').all(|label| !label.is_empty() && letters(label))
}

/// What was written, made right where that can be guessed.
fn example(host: &str) -> String {
    let guess = format!("{}:61616", host.split(['/', '?', ':']).next().unwrap_or_default());
    let right = if host.split_once(':').is_some() { host } else { &guess };
    if check(right).is_ok() { right.to_owned() } else { "127.0.0.1:61616".to_owned() }
}

/// Looks whether an address could be listened on now, and leaves it to whoever has it or takes it meanwhile: nothing listens there
/// at any time, so that no client comes here and no other broker is kept from it. Blocks, for as long as a name server takes.
///
/// # Errors
/// Why not: the name has no address, the address is none of this host's, somebody listens there, or the system does not allow it.
pub fn probe(address: &str) -> io::Result<()> {
    first(address.to_socket_addrs()?, |socket| {
        drop(socket);
        Ok(())
    })
}

/// Listens on the first of an address's addresses that can be had.
pub(super) async fn listen(address: &str) -> io::Result<TcpListener> {
    first(lookup_host(address).await?, |socket| socket.listen(BACKLOG))
}

/// Does something with a socket bound to the first of these addresses where that works.
fn first<T>(
    addresses: impl Iterator<Item = SocketAddr>,
    act: impl Fn(TcpSocket) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in addresses {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let acted = socket.and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            act(socket)
        });
        match acted {
            Ok(result) => return Ok(result),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_an_address_is_taken() {
        for right in [
            "127.0.0.1:61616",
            "0.0.0.0:0",
            "[::1]:61616",
            "[::]:1",
            "localhost:65535",
            "mq-1.example.org:61616",
            "a_b:1",
            "host.:1",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_with_what_to_write() {
        for (wrong, problem, advice) in [
            ("nonsense", "lacks a port", "nonsense:61616"),
            ("", "lacks a port", "127.0.0.1:61616"),
            ("127.0.0.1", "lacks a port", "127.0.0.1:61616"),
            ("127.0.0.1:99999", "'99999' is no port", "127.0.0.1:61616"),
            ("127.0.0.1:-1", "'-1' is no port", "from 0 to 65535"),
            ("127.0.0.1:", "'' is no port", "127.0.0.1:61616"),
            ("tcp://0.0.0.0:61616", "without 'tcp://'", "in 0.0.0.0:61616"),
            ("tcp://mq:61616?maximumConnections=5", "without 'tcp://'", "HOST:PORT"),
            (":61616", "lacks a host", "0.0.0.0:61616"),
            ("*:61616", "lacks a host", "[::]:61616"),
            ("::1:61616", "no IPv6 address", "[::1]:61616"),
            ("[::1]", "no IPv6 address", "[::1]:61616"),
            ("[nonsense]:1", "no IPv6 address", "[::1]:61616"),
            ("300.0.0.1:61616", "no IPv4 address", "127.0.0.1:61616"),
            ("127.1:61616", "no IPv4 address", "127.0.0.1:61616"),
            ("a b:61616", "no name of a host", "HOST:PORT"),
            ("a..b:61616", "no name of a host", "HOST:PORT"),
            ("café:61616", "no name of a host", "HOST:PORT"),
        ] {
            let said = check(wrong).expect_err(wrong);
            assert!(said.contains(problem) && said.contains(advice), "{wrong}: {said}");
        }
    }

    #[tokio::test]
    async fn a_probe_tells_what_is_taken_and_takes_nothing() {
        let taken = listen("127.0.0.1:0").await.expect("a port");
        let address = taken.local_addr().expect("its address").to_string();
        let error = probe(&address).expect_err("somebody listens there");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(taken);
        probe(&address).expect("it is free");
        listen(&address).await.expect("the probe has left it");
        let error = probe("192.0.2.1:0").expect_err("it is none of this host's");
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
