//! Where clients connect.

use std::net::IpAddr;

use super::rule::{Danger, Rule};
use crate::model::Configuration;
use crate::origin::{CONNECTORS, DISCOVERY};

pub(super) static RULES: &[Rule] = &[
    Rule { name: "a connector that whoever reaches it can use", find: open },
    Rule { name: "two connectors on one port", find: twice },
    Rule { name: "a connector that others are told of and cannot reach", find: unreachable },
    Rule { name: "connections that are never closed", find: never_closed },
    Rule { name: "frames that no message has room in", find: too_long },
];

/// Host and port of an address to listen on.
fn split(bind: &str) -> (&str, &str) {
    let (host, port) = bind.rsplit_once(':').unwrap_or((bind, ""));
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

/// Whether only this host can connect.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|host: IpAddr| host.is_loopback())
}

fn open(configuration: &Configuration) -> Vec<Danger> {
    let binds = configuration.broker.bind.iter().filter(|bind| !is_loopback(split(bind).0));
    let advice = "nobody is asked for a name or a password: whoever reaches it can send, receive and empty queues; let a firewall say who \
                  does, or listen on 127.0.0.1";
    binds.map(|bind| Danger::new(CONNECTORS, format!("tcp://{bind}"), advice)).collect()
}

fn twice(configuration: &Configuration) -> Vec<Danger> {
    let binds = &configuration.broker.bind;
    // A free port is another one each time.
    let is_same = |one: &str, other: &str| {
        let ((one, port), (other, other_port)) = (split(one), split(other));
        let is_every = |host: &str| matches!(host, "0.0.0.0" | "::");
        port == other_port && port != "0" && (one == other || is_every(one) || is_every(other))
    };
    let mut found = Vec::new();
    for (number, bind) in binds.iter().enumerate() {
        if let Some(before) = binds.iter().take(number).find(|before| is_same(before, bind)) {
            let advice =
                format!("tcp://{before} has the port already: no broker starts with both, give each its own");
            found.push(Danger::new(CONNECTORS, format!("tcp://{bind}"), advice));
        }
    }
    found
}

fn unreachable(configuration: &Configuration) -> Vec<Danger> {
    let broker = &configuration.broker;
    let first =
        broker.bind.first().filter(|bind| broker.discovery_uri.is_some() && is_loopback(split(bind).0));
    let Some(bind) = first else { return Vec::new() };
    let advice = format!(
        "other hosts are told that this broker is at tcp://{bind}, which is each of them itself: let the first connector listen on 0.0.0.0 or \
         an address that they reach"
    );
    vec![Danger::new(DISCOVERY, DISCOVERY, advice)]
}

fn never_closed(configuration: &Configuration) -> Vec<Danger> {
    if !configuration.broker.max_inactivity_duration.is_zero() {
        return Vec::new();
    }
    let name = "maxInactivityDuration";
    let advice = "a client whose host is gone keeps its connection for ever, and with it the messages that it took in advance: write 30000";
    vec![Danger::new(name, format!("{name} = 0"), advice)]
}

fn too_long(configuration: &Configuration) -> Vec<Danger> {
    let most = configuration.store.journal.message_bytes_max;
    if configuration.broker.max_frame_size <= most {
        return Vec::new();
    }
    let advice = format!(
        "no message is stored that is larger than {} MiB: a client that sends one is refused only after all of it was read; write no more",
        most >> 20
    );
    vec![Danger::new("maxFrameSize", "maxFrameSize", advice)]
}

#[cfg(test)]
mod tests {
    use super::super::rule::finds;
    use super::*;

    fn listening(uris: &[&str]) -> String {
        format!("transportConnectors = {uris:?}")
    }

    #[test]
    fn a_connector_for_others_than_this_host_is_told_of() {
        let fine = [&["tcp://localhost:1"][..], &["tcp://127.1.2.3:1"], &["tcp://[::1]:1"]].map(listening);
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(
            open,
            &listening(&["tcp://127.0.0.1:1", "tcp://0.0.0.0:2"]),
            &["tcp://0.0.0.0:2: nobody is asked"],
            &fine,
        );
        finds(open, &listening(&["tcp://[::]:2"]), &["firewall"], &[]);
    }

    #[test]
    fn two_connectors_on_one_port_are_told_of() {
        let fine =
            [&["tcp://a:0", "tcp://a:0"][..], &["tcp://a:1", "tcp://a:2"], &["tcp://a:1", "tcp://b:1"]];
        let fine = fine.map(listening);
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(
            twice,
            &listening(&["tcp://a:1", "tcp://0.0.0.0:1"]),
            &["tcp://0.0.0.0:1: tcp://a:1 has"],
            &fine,
        );
        finds(twice, &listening(&["tcp://a:1", "tcp://a:1"]), &["no broker starts"], &[]);
    }

    #[test]
    fn a_connector_that_others_are_told_of_and_cannot_reach_is_told_of() {
        let uri = "discoveryUri = \"multicast://default\"";
        let with = |uris: &[&str]| format!("{uri}\n{}", listening(uris));
        let fine = [
            with(&["tcp://0.0.0.0:1"]),
            with(&["tcp://a:1", "tcp://localhost:2"]),
            listening(&["tcp://[::1]:1"]),
        ];
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(unreachable, &with(&["tcp://localhost:1", "tcp://a:1"]), &["tcp://localhost:1, which"], &fine);
        finds(unreachable, uri, &["127.0.0.1:61616"], &[]);
    }

    #[test]
    fn connections_that_are_never_closed_are_told_of() {
        finds(never_closed, "maxInactivityDuration = 0", &["for ever"], &["maxInactivityDuration = 1"]);
    }

    #[test]
    fn frames_larger_than_any_message_are_told_of() {
        finds(too_long, "maxFrameSize = \"129mb\"", &["128 MiB"], &["maxFrameSize = \"128mb\""]);
    }
}
