//! Network connectors.

use super::rule::{Danger, Rule};
use crate::model::Configuration;
use crate::origin::of_network;

pub(super) static RULES: &[Rule] =
    &[Rule { name: "a password that is told to whoever says that it is a broker", find: told_to_anybody }];

fn told_to_anybody(configuration: &Configuration) -> Vec<Danger> {
    let all = configuration.broker.network_connectors.iter().enumerate();
    let told = all.filter(|(_, one)| {
        one.finding.is_some() && (one.password.is_some() || one.remote_password.is_some())
    });
    let advice = "whoever reaches the multicast group can say that it is a broker, and is sent the password of this connector: name the \
                  brokers, static:(tcp://HOST:PORT)";
    told.map(|(place, one)| {
        Danger::new(of_network(place, "uri"), format!("the network connector {}", one.name), advice)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rule::finds;
    use super::*;

    #[test]
    fn a_password_for_brokers_that_are_found_is_told_of() {
        let with = |uri: &str, more: &str| format!("[[networkConnector]]\nuri = \"{uri}\"\n{more}\n");
        let fine =
            [with("static:(tcp://a:1)", "password = \"p\""), with("multicast://default", "userName = \"u\"")];
        let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
        finds(
            told_to_anybody,
            &with("multicast://default", "password = \"p\""),
            &["connector NC: whoever"],
            &fine,
        );
        finds(
            told_to_anybody,
            &with("multicast://default", "remotePassword = \"p\""),
            &["is sent the password"],
            &[],
        );
    }
}
