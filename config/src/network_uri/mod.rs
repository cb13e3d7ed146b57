//! `uri` of a network connector: whom to bridge to, and when a broken bridge is tried again.
//!
//! ```text
//! static:(BROKER,…)[?OPTION=VALUE…]        a bridge to each
//! static:BROKER
//! masterslave:(ADDRESS,ADDRESS,…)[?OPTION=VALUE…]
//! multicast://default[?OPTION=VALUE…]        a bridge to each that is found
//! BROKER = ADDRESS | failover:(ADDRESS,…)[?OPTION=VALUE…]        of several candidates whichever serves
//! ADDRESS = tcp://HOST:PORT[?OPTION=VALUE…]
//! ```
//!
//! Nothing in it can name a file, load anything or hold another discovery.

mod address;
mod failover;
mod found;
mod retry;
#[cfg(test)]
mod tests;
mod text;

use kahawai_broker::bridge::{NetworkConnector, RetryOptions, Target};

use text::{bracketed, options, parts, with_options};

/// How many bridges one connector has at most.
const TARGETS_MAX: usize = 100;

/// Reads one, and sets a connector's by it.
///
/// # Errors
/// What is wrong, or not there yet, in words.
pub fn set(connector: &mut NetworkConnector, text: &str) -> Result<(), String> {
    let (targets, retry, finding) = match text.trim().split_once(':') {
        Some(("multicast", _)) => (Vec::new(), RetryOptions::default(), Some(found::read(text.trim())?)),
        _ => {
            let (targets, retry) = read(text)?;
            (targets, retry, None)
        }
    };
    (connector.targets, connector.retry, connector.finding) = (targets, retry, finding);
    Ok(())
}

/// Whom it names, and when they are tried again.
fn read(text: &str) -> Result<(Vec<Target>, RetryOptions), String> {
    let text = text.trim();
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    match scheme {
        "static" => read_static(rest),
        "masterslave" => read_pair(rest),
        "zeroconf" | "http" | "discovery" => Err(format!(
            "finding brokers by {scheme}: is not built: multicast://default is, or name them, static:(tcp://HOST:PORT,…)"
        )),
        "failover" => {
            Err("needs static: around failover: – static:(failover:(tcp://HOST:PORT,…))".to_owned())
        }
        _ => Err("needs static:(tcp://HOST:PORT,…)".to_owned()),
    }
}

fn read_static(rest: &str) -> Result<(Vec<Target>, RetryOptions), String> {
    let mut retry = RetryOptions::default();
    let list = match bracketed(rest)? {
        Some((list, query)) => {
            set_all(&mut retry, query)?;
            list
        }
        None => rest,
    };
    let targets = parts(list).map(|one| target(one, &retry)).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err("names no broker: static:(tcp://HOST:PORT)".to_owned());
    }
    if targets.len() > TARGETS_MAX {
        return Err(format!("names too many brokers: {TARGETS_MAX} at most"));
    }
    Ok((targets, retry))
}

/// As ActiveMQ has it: one bridge, over all of them in their order.
fn read_pair(rest: &str) -> Result<(Vec<Target>, RetryOptions), String> {
    let mut retry = RetryOptions::default();
    let (list, query) = bracketed(rest)?.unwrap_or((rest, ""));
    set_all(&mut retry, query)?;
    let candidates = failover::candidates(list, &[])?;
    if candidates.len() < 2 {
        return Err("needs two brokers at least: masterslave:(tcp://HOST:PORT,tcp://HOST:PORT)".to_owned());
    }
    Ok((vec![Target { candidates, randomize: false, retry: None }], retry))
}

fn set_all(retry: &mut RetryOptions, query: &str) -> Result<(), String> {
    for (name, value) in options(query) {
        match retry::set(retry, name, value) {
            Ok(true) => {}
            Ok(false) => return Err(format!("option {name} is none of static: and masterslave:")),
            Err(problem) => return Err(format!("option {name} {problem}")),
        }
    }
    Ok(())
}

fn target(text: &str, usual: &RetryOptions) -> Result<Target, String> {
    match text.split_once(':') {
        Some(("failover", rest)) => failover::read(rest, usual),
        Some(("masterslave", _)) => {
            Err("needs masterslave: to stand by itself, masterslave:(tcp://HOST:PORT,…), or failover: here"
                .to_owned())
        }
        _ => Ok(Target::from(address::read(text, &[])?)),
    }
}

/// The text that [`set`] makes the same of, where a connector has any.
pub fn shown(connector: &NetworkConnector) -> Option<String> {
    match &connector.finding {
        Some(finding) => Some(found::show(finding)),
        None => (!connector.targets.is_empty()).then(|| show(&connector.targets, &connector.retry)),
    }
}

fn show(targets: &[Target], retry: &RetryOptions) -> String {
    let each: Vec<String> = targets.iter().map(|one| show_target(one, retry)).collect();
    let said = retry::show(retry, &RetryOptions::default());
    with_options(format!("static:({})", each.join(",")), &said)
}

fn show_target(target: &Target, usual: &RetryOptions) -> String {
    match &target.candidates[..] {
        [one] if target.retry.is_none() => address::show(one),
        _ => failover::show(target, usual),
    }
}
