//! Rules about master and slave without a shared store.

use super::rule::{Danger, Rule};
use crate::model::Configuration;

pub(super) static RULES: &[Rule] = &[Rule { name: "a pair without an arbiter", find: no_arbiter }];

fn no_arbiter(configuration: &Configuration) -> Vec<Danger> {
    let pair = &configuration.broker.pair;
    let Some(master) = &pair.master_connector_uri else { return Vec::new() };
    if pair.arbiter.is_some() || pair.shutdown_on_master_failure {
        return Vec::new();
    }
    let advice = "this slave takes over when its master is gone, and where both live and the line between them does not, both serve and go \
                  ways of their own: name an arbiter for both, a directory that both reach, a kahawai witness or a database";
    vec![Danger::new("masterConnectorURI", format!("masterConnectorURI {master} without an arbiter"), advice)]
}

#[cfg(test)]
mod tests {
    use super::super::rule::finds;
    use super::*;

    #[test]
    fn a_slave_that_may_take_over_without_an_arbiter_is_told_of() {
        let said = |more: &str| format!("masterConnectorURI = \"tcp://m:61616\"\n{more}");
        let fine = [said("arbiter = \"/mnt/shared\""), said("shutdownOnMasterFailure = true")];
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(no_arbiter, &said(""), &["tcp://m:61616", "both serve"], &fine);
    }
}
