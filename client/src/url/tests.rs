//! Addresses that are understood, and those that are not.

use std::time::Duration;

use crate::prefetch::PrefetchPolicy;
use crate::url::error::UrlError;
use crate::url::{BrokerUrl, FailoverOptions, FailoverUrl, TcpUrl};

fn tcp(url: &str) -> TcpUrl {
    let BrokerUrl::Tcp(url) = url.parse().unwrap() else { panic!("{url}") };
    url
}

fn error(url: &str) -> UrlError {
    url.parse::<BrokerUrl>().unwrap_err()
}

#[test]
fn host_and_port_are_told_apart() {
    for (url, host, port, address) in [
        ("tcp://broker:61617", "broker", 61617, "broker:61617"),
        ("tcp://broker", "broker", 61616, "broker:61616"),
        ("tcp://10.0.0.1:1/", "10.0.0.1", 1, "10.0.0.1:1"),
        ("tcp://[::1]:61616", "::1", 61616, "[::1]:61616"),
        (" tcp://[::1]?connectionTimeout=5 ", "::1", 61616, "[::1]:61616"),
    ] {
        let url = tcp(url);
        assert_eq!((url.host.as_str(), url.port, url.address().as_str()), (host, port, address));
    }
}

#[test]
fn options_are_understood_by_activemqs_names() {
    let url =
        tcp("tcp://a:1?wireFormat.version=6&wireFormat.tightEncodingEnabled=false&wireFormat.cacheSize=120\
         &wireFormat.maxInactivityDuration=0&wireFormat.maxInactivityDurationInitalDelay=7\
         &wireFormat.maxFrameSize=1000&jms.userName=u&jms.password=p%26%C3%A9&jms.clientID=c\
         &jms.prefetchPolicy.all=5&jms.prefetchPolicy.topicPrefetch=6&connectionTimeout=250");
    assert_eq!(url.wire_format.version, 6);
    assert!(!url.wire_format.tight_encoding_enabled);
    assert_eq!(url.wire_format.cache_size, 120);
    assert_eq!(url.wire_format.max_inactivity_duration, 0);
    assert_eq!(url.wire_format.max_inactivity_duration_initial_delay, 7);
    assert_eq!(url.wire_format.max_frame_size, 1000);
    assert_eq!(url.wire_format.host.as_deref(), Some("a"));
    assert_eq!((url.login.user_name.as_deref(), url.login.password.as_deref()), (Some("u"), Some("p&é")));
    assert_eq!(url.login.client_id.as_deref(), Some("c"));
    assert_eq!(url.login.prefetch, PrefetchPolicy { queue: 5, topic: 6, durable_topic: 5 });
    assert_eq!(url.connect_timeout, Duration::from_millis(250));
}

#[test]
fn what_is_not_understood_is_an_error_that_says_what() {
    let unknown = |found: &str| UrlError::UnknownScheme { found: found.to_owned() };
    assert_eq!(error("ssl://a:1"), unknown("ssl"));
    assert_eq!(error("discovery:(tcp://a:1)"), unknown("discovery"));
    assert_eq!(error("localhost:61616"), UrlError::NoScheme { url: "localhost:61616".into() });
    assert_eq!(error("localhost"), UrlError::NoScheme { url: "localhost".into() });
    for authority in ["", ":1", "a:", "a:0", "a:65536", "a:x", "[::1", "[x]:1", "[::1]1", "u@a:1", "a b"] {
        let found = authority.to_owned();
        assert_eq!(error(&format!("tcp://{authority}")), UrlError::BadAuthority { found }, "{authority}");
    }
    assert_eq!(error("tcp:a:1"), UrlError::BadAuthority { found: "a:1".into() });
    assert_eq!(error("tcp://a:1/path"), UrlError::Path { found: "path".into() });
    let name = "wireFormat.cachesize".to_owned();
    assert_eq!(error("tcp://a:1?wireFormat.cachesize=1"), UrlError::UnknownOption { name });
    for option in [
        "wireFormat.version=0",
        "wireFormat.version=13",
        "wireFormat.cacheSize=-1",
        "wireFormat.cacheEnabled=yes",
        "wireFormat.sizePrefixDisabled=true",
        "wireFormat.maxInactivityDuration=",
        "connectionTimeout=0",
        "jms.prefetchPolicy.all=32768",
        "jms.userName=%zz",
    ] {
        let UrlError::BadValue { name, .. } = error(&format!("tcp://a:1?{option}")) else {
            panic!("{option}")
        };
        assert_eq!(Some(name.as_str()), option.split('=').next());
    }
}

#[test]
fn a_password_is_never_shown() {
    let url = tcp("tcp://a:1?jms.password=secret");
    assert!(!format!("{url:?} {url}").contains("secret"));
    assert!(!error("a:1?jms.password=secret").to_string().contains("secret"));
}

fn failover(url: &str) -> FailoverUrl {
    let BrokerUrl::Failover(url) = url.parse().unwrap() else { panic!("{url}") };
    url
}

#[test]
fn several_brokers_are_told_apart_however_they_are_written() {
    for url in [
        "failover:(tcp://a:1,tcp://b:2)",
        "failover://(tcp://a:1, tcp://b:2)?",
        "failover:tcp://a:1,tcp://b:2",
        "failover://tcp://a:1,tcp://b:2",
    ] {
        let url = failover(url);
        let brokers: Vec<_> = url.brokers.iter().map(TcpUrl::address).collect();
        assert_eq!(brokers, ["a:1", "b:2"]);
        assert_eq!(url.to_string(), "failover:(tcp://a:1,tcp://b:2)");
        assert_eq!(url.options, FailoverOptions::default());
    }
}

#[test]
fn the_defaults_of_failover_are_activemqs() {
    let options = FailoverOptions::default();
    assert_eq!(options.initial_reconnect_delay, Duration::from_millis(10));
    assert_eq!(options.max_reconnect_delay, Duration::from_secs(30));
    assert!(options.use_exponential_back_off && options.randomize && options.update_uris_supported);
    assert!((options.reconnect_delay_exponent - 2.0).abs() < f64::EPSILON);
    assert_eq!((options.max_reconnect_attempts, options.startup_max_reconnect_attempts), (None, None));
    assert_eq!((options.timeout, options.max_cache_size, options.backup_pool_size), (None, 131_072, 1));
    assert!(!options.backup && !options.priority_backup && !options.track_messages);
    assert_eq!(options.warn_after_reconnect_attempts, 10);
}

#[test]
fn options_of_failover_of_a_broker_and_of_the_whole_connection_are_told_apart() {
    let url = failover(
        "failover:(tcp://a:1?wireFormat.maxInactivityDuration=5&connectionTimeout=6,tcp://b:2)\
         ?initialReconnectDelay=1&maxReconnectDelay=2&useExponentialBackOff=false&reconnectDelayExponent=1.5\
         &maxReconnectAttempts=0&startupMaxReconnectAttempts=-1&timeout=3000&randomize=false&backup=true\
         &backupPoolSize=2&priorityBackup=true&priorityURIs=tcp://b:2,tcp://c:3&trackMessages=true&maxCacheSize=9\
         &warnAfterReconnectAttempts=0&updateURIsSupported=false&reconnectSupported=false\
         &nested.connectionTimeout=7&jms.userName=u&jms.password=a)b&jms.clientID=c",
    );
    assert_eq!(url.brokers[0].wire_format.max_inactivity_duration, 5);
    // What is nested wins.
    assert!(url.brokers.iter().all(|broker| broker.connect_timeout == Duration::from_millis(7)));
    let FailoverOptions { initial_reconnect_delay, max_reconnect_delay, priority_brokers, .. } = &url.options;
    assert_eq!([*initial_reconnect_delay, *max_reconnect_delay], [1, 2].map(Duration::from_millis));
    assert_eq!(priority_brokers.iter().map(TcpUrl::address).collect::<Vec<_>>(), ["b:2", "c:3"]);
    let options = &url.options;
    assert!(
        !options.use_exponential_back_off && !options.randomize && options.backup && options.priority_backup
    );
    assert_eq!(options.max_reconnect_attempts, Some(0));
    assert_eq!(options.startup_max_reconnect_attempts, None);
    assert_eq!(options.timeout, Some(Duration::from_secs(3)));
    assert!(options.track_messages && !options.update_uris_supported && !options.reconnect_supported);
    assert_eq!((options.max_cache_size, options.backup_pool_size), (9, 2));
    assert_eq!(url.login.user_name.as_deref(), Some("u"));
    assert_eq!(url.login.password.as_deref(), Some("a)b"));
    assert!(!format!("{url:?} {url}").contains("a)b"));
}

#[test]
fn what_failover_does_not_understand_is_an_error_that_says_what() {
    let nested = |found: &str| UrlError::NestedScheme { found: found.to_owned() };
    assert_eq!(error("failover:(failover:(tcp://a:1))"), nested("failover"));
    assert_eq!(error("failover:(tcp://a:1,ssl://b:2)"), nested("ssl"));
    assert_eq!(error("failover:()"), UrlError::NoBroker);
    assert_eq!(error("failover:"), UrlError::NoBroker);
    assert_eq!(error("failover:(a:1)"), UrlError::NoScheme { url: "a:1".into() });
    assert_eq!(error("failover:(tcp://a:1"), UrlError::OpenBracket { found: "(tcp://a:1".into() });
    assert_eq!(error("failover:(tcp://a:1)/x"), UrlError::Path { found: "/x".into() });
    let name = || "wireFormat.cacheSize".to_owned();
    assert_eq!(error("failover:(tcp://a:1)?wireFormat.cacheSize=1"), UrlError::NotNested { name: name() });
    assert_eq!(
        error("failover:(tcp://a:1?jms.userName=u)"),
        UrlError::NotOfOneBroker { broker: "a:1".into() }
    );
    for (option, name) in
        [("backups=1", "backups"), ("nested.backup=true", "backup"), ("updateURIsURL=x", "updateURIsURL")]
    {
        let name = name.to_owned();
        assert_eq!(error(&format!("failover:(tcp://a:1)?{option}")), UrlError::UnknownOption { name });
    }
    for option in [
        "maxReconnectAttempts=-2",
        "timeout=x",
        "reconnectDelayExponent=0.5",
        "backupPoolSize=-1",
        "randomize=",
    ] {
        let Some((name, _)) = option.split_once('=') else { panic!("{option}") };
        let found = error(&format!("failover:(tcp://a:1)?{option}"));
        assert!(matches!(&found, UrlError::BadValue { name: bad, .. } if bad == name), "{found:?}");
    }
}
