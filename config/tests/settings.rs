//! What is told of settings is so.

use kahawai_broker::BrokerConfig;
use kahawai_broker::bridge::NetworkConnector;
use kahawai_broker::core::policy::Policy;

use kahawai_config::Configuration;
use kahawai_config::settings::kind::ANY;
use kahawai_config::settings::{Kind, Setting, broker, network, policy, store};

/// What sets a setting agrees with what is told of it.
fn check<T: Default>(settings: &'static [Setting<T>]) {
    for setting in settings {
        let takes = |text: &str| (setting.set)(&mut T::default(), text).is_ok();
        let name = setting.name;
        match setting.kind {
            Kind::Text => {}
            Kind::List => assert!(takes("") && !takes(","), "{name}"),
            Kind::Word(words) => {
                assert!(words.iter().all(|word| takes(word)) && !takes("x"), "{name}");
            }
            // Some of them are for another strategy than the default one.
            Kind::Truth => assert!(!takes("yes") && !takes("1"), "{name}"),
            Kind::Decimal => assert!(takes("1.5") && !takes("x"), "{name}"),
            Kind::Whole { least, most } | Kind::Size { least, most } | Kind::Time { least, most } => {
                assert!(takes(&least.to_string()) && takes(&most.to_string()), "{name}");
                let below = i128::from(least) - 1;
                let above = i128::from(most) + 1;
                assert!(!takes(&below.to_string()), "{name} takes {below}");
                // Beyond what can be counted, each has its own bound.
                assert!(most == ANY || !takes(&above.to_string()), "{name} takes {above}");
                let with_unit = match setting.kind {
                    Kind::Whole { .. } => "5s",
                    Kind::Size { .. } => "5 hours",
                    _ => "5mb",
                };
                assert!(!takes(with_unit), "{name} takes {with_unit}");
            }
        }
    }
}

#[test]
fn what_is_told_of_a_setting_is_what_it_takes() {
    check::<BrokerConfig>(broker::SETTINGS);
    check::<Configuration>(store::SETTINGS);
    check::<Policy>(policy::SETTINGS);
    check::<NetworkConnector>(network::SETTINGS);
}
