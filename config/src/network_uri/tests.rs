use std::time::Duration;

use super::*;

#[test]
fn what_is_read_is_shown_as_it_is_read() {
    let text = "static:(tcp://a:1?connectionTimeout=5&wireFormat.maxInactivityDuration=0,tcp://[::1]:2)?initialReconnectDelay=10&backOffMultiplier=3";
    let (targets, retry) = read(text).expect(text);
    let hosts = targets.iter().map(|target| target.candidates[0].host.as_str());
    assert!(hosts.eq(["a", "::1"]));
    assert_eq!(targets[0].candidates[0].connection_timeout, Duration::from_millis(5));
    assert_eq!((retry.initial_reconnect_delay, retry.back_off_multiplier), (Duration::from_millis(10), 3));
    assert_eq!(show(&targets, &retry), text);
    for same in ["static:tcp://a:1", "static://(tcp://a:1)", "static:( tcp://a:1 )", "static:(nio://a:1/)"] {
        let (targets, retry) = read(same).expect(same);
        assert_eq!(show(&targets, &retry), "static:(tcp://a:1)");
    }
}

#[test]
fn what_is_not_there_yet_or_wrong_is_named() {
    for (text, expected) in [
        ("http://a:1/x", "finding brokers by http:"),
        ("masterslave:(tcp://a:1)", "needs two brokers"),
        ("masterslave:(tcp://a:1,tcp://b:1)?randomize=false", "option randomize is none"),
        ("masterslave:(tcp://a:1,failover:(tcp://b:1))", "needs tcp://"),
        ("failover:(tcp://a:1)", "needs static: around"),
        ("static:(masterslave:(tcp://a:1,tcp://b:1))", "needs masterslave: to stand by itself"),
        ("static:(failover:())", "names no broker"),
        ("static:(failover:(ssl://a:1))", "there is no TLS yet"),
        ("static:(failover:(static:(tcp://a:1)))", "needs tcp://"),
        ("static:(failover:(failover:(tcp://a:1)))", "needs tcp://"),
        ("static:(failover:(vm://a?brokerConfig=xbean:x))", "needs tcp://"),
        ("static:(failover:(tcp://a:1)", "needs a closing"),
        ("static:(failover:(tcp://a:1)x)", "has something behind"),
        ("static:(failover:(tcp://a:1)?priorityBackup=true)", "option priorityBackup is not built"),
        ("static:(failover:(tcp://a:1)?updateURIsURL=file:/x)", "option updateURIsURL is none"),
        ("static:(failover:(tcp://a:1)?maxReconnectAttempts=-2)", "option maxReconnectAttempts needs"),
        ("static:(failover:(tcp://a:1)?nested.colour=red)", "option colour is none"),
        ("static:failover:(tcp://a:1)?minConnectTime=1", "option minConnectTime is none"),
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

#[test]
fn of_a_list_of_candidates_comes_one_bridge() {
    for (text, expected, shown) in [
        ("static:(tcp://a:1,tcp://b:2)", &["tcp://a:1", "tcp://b:2"][..], "static:(tcp://a:1,tcp://b:2)"),
        (
            "static:failover:(tcp://a:1,tcp://b:2)?randomize=false&maxReconnectAttempts=0",
            &["failover:(tcp://a:1,tcp://b:2)"],
            "static:(failover:(tcp://a:1,tcp://b:2)?randomize=false)",
        ),
        (
            "static:(failover://(tcp://a:1,tcp://b:2)?nested.connectionTimeout=5&initialReconnectDelay=7,tcp://c:3)?maxReconnectDelay=9",
            &["failover:(tcp://a:1,tcp://b:2)", "tcp://c:3"],
            "static:(failover:(tcp://a:1?connectionTimeout=5,tcp://b:2?connectionTimeout=5)?initialReconnectDelay=7,tcp://c:3)?maxReconnectDelay=9",
        ),
        ("static:failover://(tcp://a:1)", &["tcp://a:1"], "static:(tcp://a:1)"),
        ("static:failover:tcp://a:1", &["tcp://a:1"], "static:(tcp://a:1)"),
        (
            "masterslave:(tcp://a:1,tcp://b:2,tcp://c:3)?initialReconnectDelay=7",
            &["failover:(tcp://a:1,tcp://b:2,tcp://c:3)"],
            "static:(failover:(tcp://a:1,tcp://b:2,tcp://c:3)?randomize=false)?initialReconnectDelay=7",
        ),
        (
            "masterslave://tcp://a:1,tcp://b:2",
            &["failover:(tcp://a:1,tcp://b:2)"],
            "static:(failover:(tcp://a:1,tcp://b:2)?randomize=false)",
        ),
    ] {
        let (targets, retry) = read(text).expect(text);
        assert_eq!(targets.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
        assert_eq!(show(&targets, &retry), shown);
        assert_eq!(read(shown), Ok((targets, retry)));
    }
    // What a list says of tries holds for it, on top of what static: says.
    let text = "static:(failover:(tcp://a:1)?reconnectDelayExponent=3&useExponentialBackOff=false)?maxReconnectDelay=9";
    let (targets, retry) = read(text).expect(text);
    let own = targets[0].retry.as_ref().expect("its own");
    assert_eq!((own.back_off_multiplier, own.use_exponential_back_off), (3, false));
    assert_eq!((own.max_reconnect_delay, retry.back_off_multiplier), (Duration::from_millis(9), 2));
    assert_eq!(
        show(&targets, &retry),
        "static:(failover:(tcp://a:1)?useExponentialBackOff=false&backOffMultiplier=3)?maxReconnectDelay=9"
    );
}

#[test]
fn a_group_is_read_with_what_holds_for_each_that_is_found_in_it() {
    let mut connector = NetworkConnector::default();
    for text in [
        "multicast://default",
        "multicast://default?group=x",
        "multicast://default?discovered.connectionTimeout=5",
        "multicast://default?group=x&discovered.connectionTimeout=5&discovered.wireFormat.maxFrameSize=2048",
    ] {
        set(&mut connector, text).expect(text);
        assert_eq!(shown(&connector).as_deref(), Some(text));
        assert!(connector.targets.is_empty());
    }
    let finding = connector.finding.clone().expect("it finds");
    let address = |text: &str| (finding.address.0)(text, &finding.discovered);
    // What is said here counts more than what somebody said there.
    let remote =
        address("tcp://a:1?connectionTimeout=7&wireFormat.maxInactivityDuration=9").expect("an address");
    assert_eq!((remote.to_string().as_str(), remote.max_frame_size), ("tcp://a:1", 2048));
    assert_eq!(remote.connection_timeout, Duration::from_millis(5));
    assert_eq!(remote.max_inactivity_duration, Duration::from_millis(9));
    for wrong in [
        "vm://a?brokerConfig=xbean:http://b/c.xml",
        "ssl://a:1",
        "a:1",
        "tcp://a:1?socketFactory=x",
        "tcp://a:0",
        "tcp://a:1,tcp://b:1",
        "failover:(tcp://a:1)",
        "multicast://default",
        "static:(tcp://a:1)",
        "%",
    ] {
        assert!(address(wrong).is_err(), "{wrong}");
    }
    for (text, expected) in [
        ("multicast://default?discovered.colour=red", "option colour is none"),
        ("multicast://default?colour=red", "option colour is none"),
        ("multicast://10.0.0.1", "needs default"),
    ] {
        let problem = set(&mut connector, text).expect_err(text);
        assert!(problem.starts_with(expected), "{text}: {problem}");
    }
    set(&mut connector, "static:(tcp://a:1)").expect("another");
    assert!(connector.finding.is_none());
}
