//! The address of one broker: `tcp://HOST:PORT[?OPTION=VALUE…]`.

use std::time::Duration;

use kahawai_broker::bridge::Remote;

use super::text::{options, split_query, with_options};
use crate::value;

/// Reads one. `more` are options that its list says for each, and that win.
pub(super) fn read(text: &str, more: &[(&str, &str)]) -> Result<Remote, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("needs tcp://HOST:PORT for each broker".to_owned());
    };
    match scheme {
        "tcp" | "nio" | "auto" | "auto+nio" => {}
        "ssl" | "nio+ssl" | "auto+ssl" | "auto+nio+ssl" => {
            return Err("there is no TLS yet: ssl: cannot be bridged to".to_owned());
        }
        _ => return Err("needs tcp://HOST:PORT for each broker".to_owned()),
    }
    let (address, query) = split_query(rest);
    let address = address.strip_suffix('/').unwrap_or(address);
    let address = value::bind_address(address)?;
    let (host, port) = address.rsplit_once(':').unwrap_or((&address, ""));
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port: u16 = port
        .parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| "needs a port from 1 to 65535".to_owned())?;
    let mut remote = Remote::new(host, port);
    for (name, value) in options(query).chain(more.iter().copied()) {
        set(&mut remote, name, value).map_err(|problem| format!("option {name} {problem}"))?;
    }
    Ok(remote)
}

fn set(remote: &mut Remote, name: &str, text: &str) -> Result<(), String> {
    match name {
        "connectionTimeout" | "transport.connectionTimeout" => {
            remote.connection_timeout = value::milliseconds(1)(text)?;
        }
        "wireFormat.maxInactivityDuration" => remote.max_inactivity_duration = value::milliseconds(0)(text)?,
        // The misspelt name is ActiveMQ's own.
        "wireFormat.maxInactivityDurationInitalDelay" => {
            remote.max_inactivity_duration_initial_delay = value::milliseconds(0)(text)?;
        }
        "wireFormat.maxFrameSize" => {
            let size: Option<usize> = text.parse().ok().filter(|size| *size >= 1024);
            remote.max_frame_size =
                size.ok_or_else(|| "needs a whole number of bytes, 1024 at least".to_owned())?;
        }
        _ => return Err("is none that a bridge's address has here".to_owned()),
    }
    Ok(())
}

/// The text that [`read`] makes the same of.
pub(super) fn show(remote: &Remote) -> String {
    let usual = Remote::new("", 0);
    let mut said = Vec::new();
    let mut time = |name: &str, time: Duration, usual: Duration| {
        if time != usual {
            said.push(format!("{name}={}", time.as_millis()));
        }
    };
    time("connectionTimeout", remote.connection_timeout, usual.connection_timeout);
    time("wireFormat.maxInactivityDuration", remote.max_inactivity_duration, usual.max_inactivity_duration);
    let (delay, usual_delay) =
        (remote.max_inactivity_duration_initial_delay, usual.max_inactivity_duration_initial_delay);
    time("wireFormat.maxInactivityDurationInitalDelay", delay, usual_delay);
    if remote.max_frame_size != usual.max_frame_size {
        said.push(format!("wireFormat.maxFrameSize={}", remote.max_frame_size));
    }
    with_options(remote.to_string(), &said)
}
