//! An `activemq.xml` made TOML comes to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kahawai_broker::core::address::Address;
use kahawai_broker::core::policy::Policy;
use kahawai_config::convert::{Converted, toml};
use kahawai_config::secret::Reference;
use kahawai_config::xml::{Disk, Files, Read, Sources, read};
use kahawai_config::{Configuration, Effective, Secret, properties, reference, show, toml_file};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/config")
}

/// Files of the folder, by their names alone or in it, and one that is given.
struct Here<'a>(&'a str);

impl Files for Here<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        if path == Path::new("given.xml") {
            return Ok(self.0.into());
        }
        Disk.read(&folder().join(path)).map_err(|_| "there is no such file".to_owned())
    }
}

const VARIABLES: [(&str, &str); 1] = [("DB_PASSWORD", "of the air")];

fn read_with(name: &str, text: &str, without: &BTreeSet<String>) -> Option<Read> {
    let sources = Sources {
        definitions: BTreeMap::from([("given".to_owned(), "by hand".to_owned())]),
        environment: VARIABLES.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
        without: without.clone(),
        files: &Here(text),
    };
    read(Path::new(name), &sources).ok()
}

/// All that a configuration says, so that two can be compared: the order of policies means nothing.
fn parts(
    configuration: &Configuration,
) -> (String, BTreeMap<Address, Policy>, Policy, Option<Secret>, String) {
    let mut rest = configuration.clone();
    let policies = std::mem::take(&mut rest.broker.policies);
    let entries = policies.entries().into_iter().map(|(address, policy)| (address.clone(), policy.clone()));
    let address = rest.store.address.to_string();
    (format!("{rest:?}"), entries.collect(), policies.default_policy().clone(), rest.store.password, address)
}

fn back(text: &str) -> Configuration {
    let secret = |reference: &Reference| match reference {
        Reference::Property { file, name } => {
            let bytes = Disk.read(&folder().join(file))?;
            properties::parse(&bytes).remove(name).map(Secret).ok_or_else(|| "is not there".to_owned())
        }
        Reference::Variable(name) => {
            let found = VARIABLES.iter().find(|(known, _)| known == name);
            found.map(|(_, text)| Secret((*text).to_owned())).ok_or_else(|| "is not there".to_owned())
        }
        Reference::File(_) => Err("is not there".to_owned()),
    };
    toml_file::read(text, &secret).unwrap_or_else(|problems| panic!("{problems:?}\n{text}")).configuration
}

fn converted(name: &str, read: &Read) -> Converted {
    let converted = toml(name, read, &str::to_owned);
    assert_eq!(parts(&back(&converted.text)), parts(&read.configuration), "{name}:\n{}", converted.text);
    for finding in read.report.findings() {
        assert!(
            converted.text.contains(&format!("#   {finding}\n")),
            "{finding} is not in\n{}",
            converted.text
        );
    }
    converted
}

/// Converts a file of the folder, where what opens a door is left out; whether it is accepted so.
fn is_converted(name: &str) -> bool {
    let mut without = BTreeSet::new();
    for _ in 0..2 {
        let Some(read) = read_with(name, "", &without) else { return false };
        if !read.report.is_refused() {
            converted(name, &read);
            return true;
        }
        let doors = read.report.findings().iter().filter_map(|found| {
            let (_, rest) = found.advice.split_once("--without ")?;
            rest.split_whitespace().next().map(str::to_owned)
        });
        without.extend(doors);
    }
    false
}

/// The XML files below a folder, as they are named from the folder of all.
fn below(path: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder().join(path)).expect("a folder") {
        let entry = entry.expect("an entry");
        let path = path.join(entry.file_name());
        // A package has links into nowhere.
        if entry.file_type().expect("a kind").is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            found.push(path.to_str().expect("UTF-8").to_owned());
        }
    }
}

/// Those of Debian's package too, where `tests/fetch` has unpacked it.
#[test]
fn each_file_that_is_accepted_comes_to_the_same_as_toml() {
    let mut names = Vec::new();
    below(Path::new(""), &mut names);
    let accepted: Vec<&String> = names.iter().filter(|name| is_converted(name)).collect();
    for name in
        ["article-mysql.xml", "article-network.xml", "article-pure.xml", "article-shared.xml", "upstream.xml"]
    {
        assert!(accepted.iter().any(|one| *one == name), "{name} is not in {accepted:?}");
    }
    let of_debian = |names: &[&String]| names.iter().filter(|name| name.starts_with("debian")).count();
    let there = of_debian(&names.iter().collect::<Vec<_>>());
    eprintln!(
        "of Debian's package {} files of {there} are accepted, and come to the same",
        of_debian(&accepted)
    );
    assert!(there == 0 || of_debian(&accepted) > 5, "{accepted:?}");
}

/// Whatever the XML can say, said otherwise than by default.
const ALL: &str = "<broker xmlns='http://activemq.apache.org/schema/core' brokerName='all-of_it' schedulePeriodForDestinationPurge='1000'
    maxPurgedDestinationsPerSweep='7' masterConnectorURI='tcp://m:1' shutdownOnMasterFailure='true' shutdownOnSlaveFailure='true'
    waitForSlave='true'><destinations><queue physicalName='Q \"'/><topic physicalName='T'/></destinations>
  <destinationPolicy><policyMap>
    <defaultEntry><policyEntry maxPageSize='11'/></defaultEntry>
    <policyEntries>
      <policyEntry queue='A.>, B' memoryLimit='3mb' maxPageSize='12' expireMessagesPeriod='13' gcInactiveDestinations='on'
          inactiveTimeoutBeforeGC='14' queuePrefetch='15' queueBrowserPrefetch='16' topicPrefetch='17' durableTopicPrefetch='18'>
        <deadLetterStrategy><individualDeadLetterStrategy queuePrefix='' queueSuffix=' .d &quot;\\&#233;' topicPrefix='T' topicSuffix='U'
          useQueueForQueueMessages='false' useQueueForTopicMessages='no' processExpired='false' processNonPersistent='true' expiration='19'/>
        </deadLetterStrategy>
        <pendingMessageLimitStrategy><prefetchRatePendingMessageLimitStrategy multiplier='1e300'/></pendingMessageLimitStrategy>
      </policyEntry>
      <policyEntry topic='A'><deadLetterStrategy><sharedDeadLetterStrategy deadLetterQueue='topic://X'/></deadLetterStrategy></policyEntry>
      <policyEntry topic='B'><deadLetterStrategy><sharedDeadLetterStrategy>
        <deadLetterQueue><queue physicalName='topic://Y'/></deadLetterQueue></sharedDeadLetterStrategy></deadLetterStrategy></policyEntry>
      <policyEntry topic='C'><deadLetterStrategy><discarding/></deadLetterStrategy></policyEntry>
      <policyEntry topic='D'><pendingMessageLimitStrategy><constantPendingMessageLimitStrategy limit='20'/></pendingMessageLimitStrategy></policyEntry>
      <policyEntry topic='E'><pendingMessageLimitStrategy><constantPendingMessageLimitStrategy/></pendingMessageLimitStrategy></policyEntry>
      <policyEntry tempQueue='true' maxPageSize='21'/>
      <policyEntry maxPageSize='22'><destination><tempTopic physicalName='ID:a.>'/></destination></policyEntry>
      <policyEntry queue='nothing said'/>
      <policyEntry queue='B' maxPageSize='23'/>
    </policyEntries></policyMap></destinationPolicy>
  <persistenceAdapter><kahaDB directory='/a b/\"c\"' journalMaxFileLength='1mb' journalDiskSyncStrategy='NEVER' journalDiskSyncInterval='24'
      checkpointInterval='2500' journalMaxWriteBatchSize='1mb' maxFailoverProducersToTrack='26'>
    <locker><lease-database-locker lockAcquireSleepInterval='2800'/></locker></kahaDB></persistenceAdapter>
  <systemUsage><systemUsage><memoryUsage><memoryUsage limit='29 mb'/></memoryUsage></systemUsage></systemUsage>
  <transportConnectors>
    <transportConnector maximumConsumersAllowedPerConnection='30' maximumProducersAllowedPerConnection='31'
      uri='tcp://[::1]:32?maximumConnections=33&amp;wireFormat.maxFrameSize=3400&amp;wireFormat.maxInactivityDuration=3500&amp;wireFormat.maxInactivityDurationInitalDelay=36&amp;transport.soWriteTimeout=0&amp;transport.connectionTimeout=38'/>
    <transportConnector uri='nio://:39' discoveryUri='multicast://default?group=g'/>
  </transportConnectors>
</broker>";

/// What it can say only of a database.
const DATABASE: &str = "<broker xmlns='http://activemq.apache.org/schema/core'><persistenceAdapter><jdbcPersistenceAdapter>
  <dataSource><bean xmlns='http://www.springframework.org/schema/beans' class='com.zaxxer.hikari.HikariDataSource'>
    <property name='jdbcUrl' value='jdbc:postgresql://db/mq'/><property name='password' value='in clear'/></bean></dataSource>
  <statements><statements tablePrefix='OLD_' durableSubAcksTableName='ACKS'/></statements></jdbcPersistenceAdapter></persistenceAdapter>
  <transportConnectors><transportConnector uri='tcp://:1'/></transportConnectors></broker>";

#[test]
fn no_setting_that_the_xml_can_say_is_lost() {
    let read = read_with("given.xml", ALL, &BTreeSet::new()).expect("it is XML");
    assert!(!read.report.is_refused(), "{}", read.report);
    let converted = converted("given.xml", &read);
    assert!(!converted.is_secret && !converted.lacks_password);
    // A second entry for the same says nothing.
    let of_the_second: Vec<_> =
        converted.text.lines().filter(|line| line.ends_with("# given.xml:23")).collect();
    assert_eq!(of_the_second, [""; 0]);
    // The test itself says all of them.
    let usual = show::rows(&Effective::default());
    let rows = |configuration| show::rows(&Effective { configuration, ..Effective::default() });
    let mut said = rows(read.configuration);
    let read = read_with("given.xml", DATABASE, &BTreeSet::new()).expect("it is XML");
    assert!(!read.report.is_refused(), "{}", read.report);
    assert!(self::converted("given.xml", &read).is_secret);
    said.extend(rows(read.configuration));
    for row in usual {
        let in_xml = match &row.part {
            show::Part::Broker => {
                reference::of_broker(row.name).is_some() || row.name == "transportConnectors"
            }
            show::Part::Store => reference::of_store(row.name).is_some(),
            _ => reference::of_policy(row.name).is_some(),
        };
        let kind = |part: &show::Part| matches!(part, show::Part::Policy(_) | show::Part::DefaultPolicy);
        let is_said = said
            .iter()
            .any(|one| one.name == row.name && kind(&one.part) == kind(&row.part) && one.value != row.value);
        assert!(!in_xml || is_said, "{} is not in the test's XML", row.key);
    }
}

#[test]
fn a_password_is_written_out_only_where_it_is_in_clear_in_the_xml() {
    for (password, expected, is_secret, lacks) in [
        ("in clear", "password = \"in clear\"", true, false),
        ("${none:in clear}", "password = \"in clear\"", true, false),
        ("${DB_PASSWORD}", "passwordVariable = \"DB_PASSWORD\"", false, false),
        ("${activemq.password}", "passwordProperty = \"activemq.password\"", false, false),
        ("${given}", "# password is hidden", false, true),
        ("of ${DB_PASSWORD}", "# password is hidden", false, true),
    ] {
        let text = format!(
            "<beans xmlns='http://www.springframework.org/schema/beans'>
            <bean class='org.springframework.beans.factory.config.PropertyPlaceholderConfigurer'>
              <property name='locations'><value>credentials.properties</value></property></bean>
            <broker xmlns='http://activemq.apache.org/schema/core'>
              <persistenceAdapter><jdbcPersistenceAdapter dataSource='#ds'/></persistenceAdapter>
              <transportConnectors><transportConnector uri='tcp://127.0.0.1:0'/></transportConnectors></broker>
            <bean id='ds' class='org.apache.commons.dbcp2.BasicDataSource'><property name='url' value='jdbc:mysql://h/d'/>
              <property name='username' value='u'/><property name='password' value='{password}'/></bean></beans>"
        );
        let read = read_with("given.xml", &text, &BTreeSet::new()).expect("it is XML");
        assert!(!read.report.is_refused(), "{}", read.report);
        let secret = read.configuration.store.password.clone().expect("a password").0;
        let made =
            if lacks { toml("given.xml", &read, &str::to_owned) } else { converted("given.xml", &read) };
        assert_eq!((made.is_secret, made.lacks_password), (is_secret, lacks));
        assert!(made.text.contains(expected), "{}", made.text);
        assert_eq!(made.text.contains(&secret), is_secret, "{}", made.text);
    }
}
