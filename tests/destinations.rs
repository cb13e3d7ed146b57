//! Destinations that are to be there from the start on are, whoever says so, before anybody has used one.

mod support;

use std::fs;

use support::broker::Instance;
use support::command::kahawai;
use support::directory;

/// What clients see there, by advisories.
fn seen(instance: &Instance) -> Vec<String> {
    let told = kahawai(&["stats", "--json", "--url", &instance.uri()]).json().remove(0);
    let all = told["destinations"].as_array().expect("a list").clone();
    let mut names: Vec<_> =
        all.iter().map(|one| one["destination"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names
}

#[test]
fn clients_see_the_destinations_of_a_file_and_of_the_environment_from_the_start_on() {
    let folder = directory();
    let xml = folder.path().join("activemq.xml");
    let text = "<broker xmlns='http://activemq.apache.org/schema/core'>\
                <destinations><queue physicalName='ORDERS'/><topic physicalName='PRICES'/></destinations>\
                <persistenceAdapter><kahaDB directory='STORE'/></persistenceAdapter>\
                <transportConnectors><transportConnector uri='tcp://127.0.0.1:0'/></transportConnectors></broker>";
    let store = folder.path().join("store");
    fs::write(&xml, text.replace("STORE", store.to_str().expect("UTF-8"))).expect("written");
    let instance = Instance::configured("first", &xml);
    let broker = instance.serve();
    assert_eq!(seen(&instance), ["queue://ORDERS", "topic://PRICES"]);
    // They are as all others, and may go.
    kahawai(&["send", "ORDERS", "kept", "--url", &instance.uri()]).ok();
    broker.stop();

    // What was in one is there; those that are gone from the configuration stay, as ActiveMQ's do.
    let broker = instance.start_with(&[("KAHAWAI_DESTINATIONS", "queue://ORDERS, queue://MORE")]);
    broker.wait_ready(0);
    assert_eq!(seen(&instance), ["queue://MORE", "queue://ORDERS", "topic://PRICES"]);
    assert_eq!(kahawai(&["receive", "ORDERS", "--url", &instance.uri()]).ok().trim(), "kept");
    broker.stop();

    let shown = kahawai(&["config", "show", "--config", xml.to_str().expect("UTF-8")]).ok();
    let line = shown.lines().find(|line| line.starts_with("destinations")).expect("it is shown");
    assert!(line.starts_with("destinations = [\"queue://ORDERS\", \"topic://PRICES\"]"), "{line}");
    let converted = kahawai(&["config", "convert", xml.to_str().expect("UTF-8")]).ok();
    assert!(converted.contains("\ndestinations = [\"queue://ORDERS\", \"topic://PRICES\"]"), "{converted}");
}
