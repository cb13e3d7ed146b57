//! `uri` of a network connector: whom to bridge to, and when a broken bridge is tried again.
//!
//! ```text
//! static:(tcp://HOST:PORT[?OPTION=VALUE…],…)[?OPTION=VALUE…]
//! static:tcp://HOST:PORT
//! ```
//!
//! Nothing in it can name a file, load anything or hold another discovery.

use std::time::Duration;

use kahawai_broker::bridge::{Remote, RetryOptions};

use crate::value;

/// How many brokers one connector names at most.
const REMOTES_MAX: usize = 100;

/// Reads one.
///
/// # Errors
/// What is wrong, or not there yet, in words.
pub fn read(text: &str) -> Result<(Vec<Remote>, RetryOptions), String> {
    let text = text.trim();
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    match scheme {
        "static" => {}
        "multicast" | "zeroconf" | "http" | "discovery" => {
            return Err(format!(
                "finding brokers by {scheme}: is not built yet: name them, static:(tcp://HOST:PORT,…)"
            ));
        }
        "masterslave" | "failover" => {
            return Err(format!(
                "{scheme}: is not built yet in a network connector: name each broker, static:(tcp://HOST:PORT,…)"
            ));
        }
        _ => return Err("needs static:(tcp://HOST:PORT,…)".to_owned()),
    }
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (list, query) = match rest.strip_prefix('(') {
        Some(within) => {
            let (list, behind) =
                within.rsplit_once(')').ok_or_else(|| "needs a closing bracket".to_owned())?;
            let query = match behind {
                "" => "",
                behind => {
                    behind.strip_prefix('?').ok_or_else(|| "has something behind its bracket".to_owned())?
                }
            };
            (list, query)
        }
        None => (rest, ""),
    };
    if list.contains(['(', ')']) {
        return Err(
            "lists of candidates within static: are not built yet: name each broker by itself".to_owned()
        );
    }
    let mut remotes = Vec::new();
    for one in list.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        remotes.push(remote(one)?);
    }
    if remotes.is_empty() {
        return Err("names no broker: static:(tcp://HOST:PORT)".to_owned());
    }
    if remotes.len() > REMOTES_MAX {
        return Err(format!("names too many brokers: {REMOTES_MAX} at most"));
    }
    let mut retry = RetryOptions::default();
    for (name, value) in options(query) {
        set_retry(&mut retry, name, value).map_err(|problem| format!("option {name} {problem}"))?;
    }
    Ok((remotes, retry))
}

fn options(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let each = query.split('&').filter(|option| !option.is_empty());
    each.map(|option| option.split_once('=').unwrap_or((option, "")))
        .map(|(name, value)| (name.strip_prefix("amp;").unwrap_or(name), value))
}

fn remote(text: &str) -> Result<Remote, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("needs tcp://HOST:PORT for each broker".to_owned());
    };
    match scheme {
        "tcp" | "nio" | "auto" | "auto+nio" => {}
        "ssl" | "nio+ssl" | "auto+ssl" | "auto+nio+ssl" => {
            return Err("there is no TLS yet: ssl: cannot be bridged to".to_owned());
        }
        "failover" | "masterslave" | "static" => {
            return Err(format!("{scheme}: within static: is not built yet: name each broker by itself"));
        }
        _ => return Err("needs tcp://HOST:PORT for each broker".to_owned()),
    }
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
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
    for (name, value) in options(query) {
        set_remote(&mut remote, name, value).map_err(|problem| format!("option {name} {problem}"))?;
    }
    Ok(remote)
}

fn set_remote(remote: &mut Remote, name: &str, text: &str) -> Result<(), String> {
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

fn set_retry(retry: &mut RetryOptions, name: &str, text: &str) -> Result<(), String> {
    let whole = || text.parse::<u32>().map_err(|_| "needs a whole number".to_owned());
    match name {
        "initialReconnectDelay" => retry.initial_reconnect_delay = value::milliseconds(1)(text)?,
        "maxReconnectDelay" => retry.max_reconnect_delay = value::milliseconds(1)(text)?,
        "useExponentialBackOff" => retry.use_exponential_back_off = value::boolean(text)?,
        "backOffMultiplier" => {
            retry.back_off_multiplier = whole().and_then(|by| match by {
                0 => Err("needs 1 at least".to_owned()),
                by => Ok(by),
            })?;
        }
        "maxReconnectAttempts" => retry.max_reconnect_attempts = whole()?,
        "minConnectTime" => retry.min_connect_time = value::milliseconds(0)(text)?,
        _ => return Err("is none of static:".to_owned()),
    }
    Ok(())
}

/// The text that [`read`] makes the same of.
pub fn show(remotes: &[Remote], retry: &RetryOptions) -> String {
    let each: Vec<String> = remotes.iter().map(show_remote).collect();
    let usual = RetryOptions::default();
    let mut said = Vec::new();
    let mut time = |name: &str, time: Duration, usual: Duration| {
        if time != usual {
            said.push(format!("{name}={}", time.as_millis()));
        }
    };
    time("initialReconnectDelay", retry.initial_reconnect_delay, usual.initial_reconnect_delay);
    time("maxReconnectDelay", retry.max_reconnect_delay, usual.max_reconnect_delay);
    time("minConnectTime", retry.min_connect_time, usual.min_connect_time);
    if retry.use_exponential_back_off != usual.use_exponential_back_off {
        said.push(format!("useExponentialBackOff={}", retry.use_exponential_back_off));
    }
    if retry.back_off_multiplier != usual.back_off_multiplier {
        said.push(format!("backOffMultiplier={}", retry.back_off_multiplier));
    }
    if retry.max_reconnect_attempts != usual.max_reconnect_attempts {
        said.push(format!("maxReconnectAttempts={}", retry.max_reconnect_attempts));
    }
    with_options(format!("static:({})", each.join(",")), &said)
}

fn show_remote(remote: &Remote) -> String {
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

fn with_options(text: String, said: &[String]) -> String {
    if said.is_empty() { text } else { format!("{text}?{}", said.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_shown_as_it_is_read() {
        let text = "static:(tcp://a:1?connectionTimeout=5&wireFormat.maxInactivityDuration=0,tcp://[::1]:2)?initialReconnectDelay=10&backOffMultiplier=3";
        let (remotes, retry) = read(text).expect(text);
        assert_eq!((remotes[0].host.as_str(), remotes[1].host.as_str()), ("a", "::1"));
        assert_eq!(remotes[0].connection_timeout, Duration::from_millis(5));
        assert_eq!(
            (retry.initial_reconnect_delay, retry.back_off_multiplier),
            (Duration::from_millis(10), 3)
        );
        assert_eq!(show(&remotes, &retry), text);
        for same in
            ["static:tcp://a:1", "static://(tcp://a:1)", "static:( tcp://a:1 )", "static:(nio://a:1/)"]
        {
            let (remotes, retry) = read(same).expect(same);
            assert_eq!(show(&remotes, &retry), "static:(tcp://a:1)");
        }
    }

    #[test]
    fn what_is_not_there_yet_or_wrong_is_named() {
        for (text, expected) in [
            ("multicast://default", "finding brokers by multicast:"),
            ("masterslave:(tcp://a:1,tcp://b:1)", "masterslave: is not built"),
            ("failover:(tcp://a:1)", "failover: is not built"),
            ("static:failover:(tcp://a:1)", "lists of candidates"),
            ("static:(failover:(tcp://a:1,tcp://b:1))", "lists of candidates"),
            ("static:(failover://tcp://a:1)", "failover: within static:"),
            ("static:(ssl://a:1)", "there is no TLS yet"),
            ("static:(vm://a?brokerConfig=xbean:x)", "needs tcp://"),
            ("static:(a:1)", "needs tcp://"),
            ("static:()", "names no broker"),
            ("static:(tcp://a:1", "needs a closing"),
            ("static:(tcp://a:0)", "needs a port"),
            ("static:(tcp://a:1)x", "has something behind"),
            ("static:(tcp://a:1)?colour=red", "option colour is none"),
            ("static:(tcp://a:1?colour=red)", "option colour is none"),
            ("static:(tcp://a:1)?backOffMultiplier=0", "option backOffMultiplier needs 1"),
            ("tcp://a:1", "needs static:"),
            ("", "needs static:"),
        ] {
            let problem = read(text).expect_err(text);
            assert!(problem.starts_with(expected), "{text}: {problem}");
        }
    }
}
