//! `multicast:` URIs: the group of brokers that is told of this one, or that others are found in.
//!
//! ```text
//! multicast://default[?OPTION=VALUE…]
//! multicast://239.255.2.3:6155[?OPTION=VALUE…]
//! ```
//!
//! `default` is where ActiveMQ's own default is.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use kahawai_broker::discovery::Multicast;

use crate::value;

/// The longest name of a group.
const GROUP_BYTES_MAX: usize = 255;
/// The longest name of an interface that Linux has.
const INTERFACE_BYTES_MAX: usize = 15;

/// Reads one.
///
/// # Errors
/// What is wrong, or not there yet, in words.
pub fn read(text: &str) -> Result<Multicast, String> {
    let text = text.trim();
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err("needs multicast://default".to_owned());
    };
    match scheme {
        "multicast" => {}
        "zeroconf" | "rendezvous" | "http" | "peer" | "discovery" => {
            return Err(format!("discovery by {scheme}: is not built: multicast://default is"));
        }
        _ => return Err("needs multicast://default".to_owned()),
    }
    let rest = rest.strip_prefix("//").ok_or_else(|| "needs multicast://default".to_owned())?;
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut made =
        Multicast { address: place(address.strip_suffix('/').unwrap_or(address))?, ..Multicast::default() };
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let name = name.strip_prefix("amp;").unwrap_or(name);
        set(&mut made, name, value).map_err(|problem| format!("option {name} {problem}"))?;
    }
    Ok(made)
}

fn place(text: &str) -> Result<SocketAddrV4, String> {
    let usual = Multicast::default().address;
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
        None => (text, Some(usual.port())),
    };
    let port = port.ok_or_else(|| "needs a port from 1 to 65535".to_owned())?;
    let host = match host {
        "default" => Some(*usual.ip()),
        host => host.parse().ok().filter(Ipv4Addr::is_multicast),
    };
    let host = host
        .ok_or_else(|| "needs default, or a group's address from 224.0.0.0 to 239.255.255.255".to_owned())?;
    Ok(SocketAddrV4::new(host, port))
}

fn set(made: &mut Multicast, name: &str, text: &str) -> Result<(), String> {
    let whole = || text.parse::<u32>().map_err(|_| "needs a whole number".to_owned());
    let interface = || match text {
        "" => Err("needs the name of an interface".to_owned()),
        text if text.len() > INTERFACE_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("needs the name of an interface, as ip link shows it".to_owned())
        }
        text => Ok(Some(text.to_owned())),
    };
    match name {
        "group" => {
            if text.is_empty() || text.len() > GROUP_BYTES_MAX || text.chars().any(char::is_control) {
                return Err(format!("needs a name of at most {GROUP_BYTES_MAX} bytes"));
            }
            text.clone_into(&mut made.group);
        }
        // Ten of these are the silence after which one is gone.
        "keepAliveInterval" => made.keep_alive_interval = value::milliseconds(10)(text)?,
        "timeToLive" => {
            made.time_to_live = text.parse().map_err(|_| "needs a whole number from 0 to 255".to_owned())?;
        }
        "loopBackMode" => made.loop_back_mode = value::boolean(text)?,
        "interface" => {
            let address = text.parse().map_err(|_| "needs the IPv4 address of an interface".to_owned())?;
            made.interface = Some(address);
        }
        "networkInterface" => made.network_interface = interface()?,
        "joinNetworkInterface" => made.join_network_interface = interface()?,
        "initialReconnectDelay" => made.initial_reconnect_delay = value::milliseconds(1)(text)?,
        "maxReconnectDelay" => made.max_reconnect_delay = value::milliseconds(1)(text)?,
        "useExponentialBackOff" => made.use_exponential_back_off = value::boolean(text)?,
        "backOffMultiplier" => {
            made.back_off_multiplier = whole().and_then(|by| match by {
                0 => Err("needs 1 at least".to_owned()),
                by => Ok(by),
            })?;
        }
        "maxReconnectAttempts" => made.max_reconnect_attempts = whole()?,
        _ => return Err("is none of multicast:".to_owned()),
    }
    Ok(())
}

/// The text that [`read`] makes the same of.
pub fn show(made: &Multicast) -> String {
    let usual = Multicast::default();
    let mut said = Vec::new();
    if made.group != usual.group {
        said.push(format!("group={}", made.group));
    }
    let mut time = |name: &str, time: Duration, usual: Duration| {
        if time != usual {
            said.push(format!("{name}={}", time.as_millis()));
        }
    };
    time("keepAliveInterval", made.keep_alive_interval, usual.keep_alive_interval);
    time("initialReconnectDelay", made.initial_reconnect_delay, usual.initial_reconnect_delay);
    time("maxReconnectDelay", made.max_reconnect_delay, usual.max_reconnect_delay);
    let mut other = |name: &str, is_other: bool, value: &dyn std::fmt::Display| {
        if is_other {
            said.push(format!("{name}={value}"));
        }
    };
    other("timeToLive", made.time_to_live != usual.time_to_live, &made.time_to_live);
    other("loopBackMode", made.loop_back_mode, &true);
    if let Some(interface) = &made.interface {
        other("interface", true, interface);
    }
    if let Some(interface) = &made.network_interface {
        other("networkInterface", true, interface);
    }
    if let Some(interface) = &made.join_network_interface {
        other("joinNetworkInterface", true, interface);
    }
    other("useExponentialBackOff", made.use_exponential_back_off, &true);
    other(
        "backOffMultiplier",
        made.back_off_multiplier != usual.back_off_multiplier,
        &made.back_off_multiplier,
    );
    other("maxReconnectAttempts", made.max_reconnect_attempts > 0, &made.max_reconnect_attempts);
    let (host, port) = (made.address.ip(), made.address.port());
    let mut text = match (made.address == usual.address, port == usual.address.port()) {
        (true, _) => "multicast://default".to_owned(),
        (_, true) => format!("multicast://{host}"),
        _ => format!("multicast://{host}:{port}"),
    };
    if !said.is_empty() {
        text = format!("{text}?{}", said.join("&"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_shown_as_it_is_read() {
        for text in [
            "multicast://default",
            "multicast://239.255.2.4",
            "multicast://239.255.2.3:6156?group=blue",
            "multicast://default?keepAliveInterval=50&initialReconnectDelay=100&maxReconnectDelay=200&timeToLive=2&loopBackMode=true&interface=10.0.0.1&networkInterface=eth0&joinNetworkInterface=eth1&useExponentialBackOff=true&backOffMultiplier=3&maxReconnectAttempts=4",
        ] {
            let made = read(text).expect(text);
            assert_eq!(show(&made), text);
        }
        for same in [
            "multicast://default/",
            " multicast://239.255.2.3:6155?group=default&amp;timeToLive=1",
            "multicast://default:6155",
        ] {
            assert_eq!(read(same), Ok(Multicast::default()), "{same}");
        }
    }

    #[test]
    fn what_is_not_there_or_wrong_is_named() {
        for (text, expected) in [
            ("zeroconf:_activemq.broker.production", "discovery by zeroconf: is not built"),
            ("http://a:1/discovery", "discovery by http: is not built"),
            ("static:(tcp://a:1)", "needs multicast:"),
            ("default", "needs multicast:"),
            ("multicast:default", "needs multicast:"),
            ("multicast://", "needs default, or a group's"),
            ("multicast://10.0.0.1:6155", "needs default, or a group's"),
            ("multicast://[ff02::1]:6155", "needs a port"),
            ("multicast://default:0", "needs a port"),
            ("multicast://default?group=", "option group needs a name"),
            ("multicast://default?keepAliveInterval=0", "option keepAliveInterval needs"),
            ("multicast://default?timeToLive=256", "option timeToLive needs"),
            ("multicast://default?interface=eth0", "option interface needs the IPv4"),
            ("multicast://default?networkInterface=a b", "option networkInterface needs the name"),
            ("multicast://default?backOffMultiplier=0", "option backOffMultiplier needs 1"),
            ("multicast://default?colour=red", "option colour is none"),
        ] {
            let problem = read(text).expect_err(text);
            assert!(problem.starts_with(expected), "{text}: {problem}");
        }
    }
}
