//! A list of candidates for one bridge: `failover:(tcp://HOST:PORT,…)[?OPTION=VALUE…]`.
//!
//! A bridge is no client: it is never carried over from one broker to the next, but built anew. So what a failover transport has for that
//! (`trackMessages`, `timeout`, …) has no place here, and how often it would try by itself comes to the same: for as long as it takes.

use kahawai_broker::bridge::{Remote, RetryOptions, Target};

use super::text::{bracketed, options, parts, with_options};
use super::{address, retry};
use crate::value;

/// How many brokers one list names at most.
const CANDIDATES_MAX: usize = 100;

/// Reads what stands behind `failover:`. `usual` holds where it says nothing of tries.
pub(super) fn read(text: &str, usual: &RetryOptions) -> Result<Target, String> {
    let text = text.strip_prefix("//").unwrap_or(text);
    let (list, query) = match bracketed(text)? {
        Some(split) => split,
        // Options behind the one address are that address's, as in ActiveMQ.
        None => (text, ""),
    };
    let mut said = Said { randomize: true, retry: usual.clone(), nested: Vec::new() };
    for (name, value) in options(query) {
        said.set(name, value).map_err(|problem| format!("option {name} {problem}"))?;
    }
    let candidates = candidates(list, &said.nested)?;
    let randomize = said.randomize && candidates.len() > 1;
    Ok(Target { candidates, randomize, retry: (said.retry != *usual).then_some(said.retry) })
}

/// The brokers of a list.
pub(super) fn candidates(list: &str, nested: &[(&str, &str)]) -> Result<Vec<Remote>, String> {
    let all = parts(list).map(|one| address::read(one, nested)).collect::<Result<Vec<_>, _>>()?;
    match all.len() {
        0 => Err("names no broker: failover:(tcp://HOST:PORT,…)".to_owned()),
        1..=CANDIDATES_MAX => Ok(all),
        _ => Err(format!("names too many brokers in one list: {CANDIDATES_MAX} at most")),
    }
}

struct Said<'a> {
    randomize: bool,
    retry: RetryOptions,
    nested: Vec<(&'a str, &'a str)>,
}

impl<'a> Said<'a> {
    fn set(&mut self, name: &'a str, text: &'a str) -> Result<(), String> {
        if let Some(name) = name.strip_prefix("nested.") {
            self.nested.push((name, text));
            return Ok(());
        }
        let pace = if name == "reconnectDelayExponent" { "backOffMultiplier" } else { name };
        match pace {
            "randomize" => self.randomize = value::boolean(text)?,
            "maxReconnectAttempts" | "startupMaxReconnectAttempts" => {
                if value::whole(text)? < -1 {
                    return Err("needs a whole number, -1 at least".to_owned());
                }
            }
            "initialReconnectDelay" | "maxReconnectDelay" | "useExponentialBackOff" | "backOffMultiplier" => {
                let is_known = retry::set(&mut self.retry, pace, text)?;
                debug_assert!(is_known, "static: has it too");
            }
            "backup" | "priorityBackup" | "updateURIsSupported" | "trackMessages" => {
                if value::boolean(text)? {
                    return Err("is not built for a bridge: leave it out".to_owned());
                }
            }
            _ => return Err("is none that failover: has in a network connector here".to_owned()),
        }
        Ok(())
    }
}

/// The text that [`read`] makes the same of.
pub(super) fn show(target: &Target, usual: &RetryOptions) -> String {
    let each: Vec<String> = target.candidates.iter().map(address::show).collect();
    let mut said = Vec::new();
    if !target.randomize && target.candidates.len() > 1 {
        said.push("randomize=false".to_owned());
    }
    if let Some(retry) = &target.retry {
        said.extend(retry::show(retry, usual));
    }
    with_options(format!("failover:({})", each.join(",")), &said)
}
