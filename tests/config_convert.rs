//! `kahawai config convert`: an activemq.xml made TOML.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use support::broker::Broker;
use support::directory;

#[test]
fn a_converted_file_is_shown_as_the_xml_is_and_nothing_is_written_over() {
    let folder = directory();
    let (file, to) = (folder.path().join("activemq.xml"), folder.path().join("kahawai.toml"));
    let text = "\
<beans xmlns=\"http://www.springframework.org/schema/beans\">
  <broker xmlns=\"http://activemq.apache.org/schema/core\" brokerName=\"a\" schedulerSupport=\"true\">
    <destinationPolicy><policyMap><policyEntries><policyEntry queue=\"A.>\" memoryLimit=\"1mb\"/></policyEntries></policyMap></destinationPolicy>
    <persistenceAdapter><jdbcPersistenceAdapter dataSource=\"#ds\"/></persistenceAdapter>
    <transportConnectors><transportConnector uri=\"tcp://127.0.0.1:0\"/></transportConnectors>
  </broker>
  <bean id=\"ds\" class=\"org.apache.commons.dbcp2.BasicDataSource\">
    <property name=\"url\" value=\"jdbc:mysql://db/mq\"/><property name=\"username\" value=\"mq\"/>
    <property name=\"password\" value=\"in-clear\"/>
  </bean>
</beans>
";
    fs::write(&file, text).expect("written");
    let run = |arguments: &[&str]| -> Output {
        Broker::command().arg("config").args(arguments).output().expect("it runs")
    };
    let (xml, toml) = (file.to_str().expect("UTF-8"), to.to_str().expect("UTF-8"));
    let converted = run(&["convert", xml, "--to", toml]);
    let said = String::from_utf8_lossy(&converted.stderr);
    assert!(converted.status.code() == Some(1) && said.contains("in clear"), "{said}");
    assert_eq!(fs::metadata(&to).expect("it is there").permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&to).expect("it is there");
    assert!(
        written.contains("activemq.xml:2:") && written.contains("schedulerSupport of <broker>"),
        "{written}"
    );
    assert!(
        written.contains("password = \"in-clear\"") && written.contains("memoryLimit = \"1mb\""),
        "{written}"
    );

    // Standard output gets the same.
    assert_eq!(String::from_utf8_lossy(&run(&["convert", xml]).stdout), written);
    // What comes of it is what comes of the XML.
    let values = |of: &str| {
        let shown = run(&["show", "--config", of]);
        assert_eq!(shown.status.code(), Some(0));
        let text = String::from_utf8(shown.stdout).expect("text");
        let lines =
            text.lines().map(|line| line.split("  # ").next().unwrap_or_default().trim_end().to_owned());
        lines.collect::<Vec<_>>()
    };
    assert_eq!(values(toml), values(xml));

    assert_eq!(run(&["convert", xml, "--to", toml]).status.code(), Some(2));
    assert_eq!(fs::read_to_string(&to).expect("it is there"), written);
    fs::write(&file, text.replace("schedulerSupport", "passiveSlave")).expect("written");
    let other = folder.path().join("other.toml");
    let refused = run(&["convert", xml, "--to", other.to_str().expect("UTF-8")]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("passiveSlave") && !other.exists(), "{said}");
}
