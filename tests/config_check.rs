//! `kahawai config check`: its exit codes, in words and in JSON.

mod support;

use std::fs;

use serde_json::Value;
use support::broker::Broker;
use support::directory;

#[test]
fn the_exit_code_says_whether_a_broker_may_start_from_a_file() {
    let folder = directory();
    let file = folder.path().join("activemq.xml");
    let check = |attributes: &str, arguments: &[&str]| {
        let connectors =
            "<transportConnectors><transportConnector uri='tcp://127.0.0.1:0'/></transportConnectors>";
        let text = format!(
            "<broker xmlns='http://activemq.apache.org/schema/core'\n{attributes}>{connectors}</broker>"
        );
        fs::write(&file, text).expect("a file");
        let mut command = Broker::command();
        let output = command.args(["config", "check"]).arg(&file).args(arguments).output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    assert_eq!(check("brokerName='a'", &[]), (Some(0), String::new()));
    let (code, text) = check("useJmx='true'", &[]);
    assert!(
        code == Some(0) && text.contains("activemq.xml:2:1: harmless: useJmx of <broker>: "),
        "{code:?} {text}"
    );
    assert_eq!(check("schedulerSupport='true'", &[]).0, Some(1));
    assert_eq!(check("advisorySupport='false'", &[]).0, Some(1));
    assert_eq!(check("brokerName='${name}'", &[]).0, Some(2));
    assert_eq!(check("brokerName='${name}'", &["-D", "name=a"]).0, Some(0));
    assert_eq!(check("passiveSlave='true'", &[]).0, Some(2));
    assert_eq!(check("passiveSlave='true'", &["--without", "passiveSlave"]).0, Some(1));

    let (code, text) = check("a='1'", &["--json"]);
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &told["worst"]), (Some(2), &Value::from("refused")));
    let finding = &told["findings"][0];
    assert_eq!((&finding["line"], &finding["column"]), (&Value::from(2), &Value::from(1)), "{told}");
    assert_eq!(
        (&finding["severity"], &finding["what"]),
        (&Value::from("refused"), &Value::from("a of <broker>"))
    );

    // What is no XML, or not there, is refused in one line.
    let (code, text) = check("a='1", &[]);
    assert!(code == Some(2) && text.lines().count() == 1 && text.contains(": refused: the file: "), "{text}");
    fs::remove_file(&file).expect("it is there");
    let output = Broker::command().args(["config", "check"]).arg(&file).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(2) && text.contains("activemq.xml:1:1: refused: "), "{text}");
}

#[test]
fn a_toml_file_is_checked_with_the_same_codes_and_what_is_dangerous_is_a_warning() {
    let folder = directory();
    let file = folder.path().join("kahawai.toml");
    let check = |text: &str, arguments: &[&str]| {
        fs::write(&file, text).expect("a file");
        let mut command = Broker::command();
        let output = command.args(["config", "check"]).arg(&file).args(arguments).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    assert_eq!(check("brokerName = \"a\"", &[]), (Some(0), String::new()));
    let (code, text) = check("\ntransportConnectors = [\"tcp://0.0.0.0:61616\"]", &[]);
    assert!(
        code == Some(1) && text.contains("kahawai.toml:2:1: warning: tcp://0.0.0.0:61616: nobody is asked"),
        "{text}"
    );
    let (code, text) = check("brokername = \"a\"\n[store]\npasswordFile = \"gone\"", &[]);
    assert!(code == Some(2) && text.lines().count() == 2 && text.contains("was brokerName meant?"), "{text}");
    // The file that was looked for: it is named as seen from the settings.
    let gone = folder.path().join("gone").display().to_string();
    assert!(text.contains(&format!("passwordFile {gone}: No such file")), "{text}");
    let (code, text) = check("[store]\njournalDiskSyncStrategy = \"never\"", &["--json"]);
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &told["worst"], &told["findings"][0]["line"]), (Some(1), &"warning".into(), &2.into()));
    assert_eq!(check("", &["-D", "a=b"]).0, Some(2));
    fs::remove_file(&file).expect("it is there");
    let output = Broker::command().args(["config", "check"]).arg(&file).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));

    // The same of ActiveMQ's own file, at its line.
    let file = folder.path().join("activemq.xml");
    let text = "<broker xmlns='http://activemq.apache.org/schema/core'>\n<transportConnectors>\n\
                <transportConnector uri='tcp://0.0.0.0:0'/></transportConnectors></broker>";
    fs::write(&file, text).expect("a file");
    let output = Broker::command().args(["config", "check"]).arg(&file).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.code() == Some(1) && told.contains("activemq.xml:2:1: warning: tcp://0.0.0.0:0: "),
        "{told}"
    );
}
