//! When a broken bridge is tried again: options of `static:`, and of the `failover:` within it.

use std::time::Duration;

use kahawai_broker::bridge::RetryOptions;

use crate::value;

/// Sets one; says whether there is such a one.
pub(super) fn set(retry: &mut RetryOptions, name: &str, text: &str) -> Result<bool, String> {
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
        _ => return Ok(false),
    }
    Ok(true)
}

/// What is to be said of them where these are the usual ones.
pub(super) fn show(retry: &RetryOptions, usual: &RetryOptions) -> Vec<String> {
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
    said
}
