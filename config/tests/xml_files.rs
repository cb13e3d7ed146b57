//! Files with their expected reports: `tests/config/NAME.xml` and `NAME.report` beside it, and the examples of Debian's package activemq, which `tests/fetch`
//! unpacks, with theirs in `tests/config/debian`. With `KAHAWAI_WRITE_REPORTS=1` the reports are written anew, to
//! be looked at in the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kahawai_config::Report;
use kahawai_config::xml::{Disk, Files, Sources, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/config")
}

/// Files of a folder, by their names alone.
struct In(PathBuf);

impl Files for In {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        Disk.read(&self.0.join(path)).map_err(|_| "there is no such file".to_owned())
    }
}

fn report(name: &Path, files: &dyn Files) -> String {
    let sources = Sources {
        definitions: BTreeMap::new(),
        environment: BTreeMap::new(),
        without: BTreeSet::new(),
        files,
    };
    read(name, &sources).map_or_else(Report::from, |read| read.report).to_string()
}

#[test]
fn each_file_has_the_report_that_stands_beside_it() {
    let names = xml_files(&folder());
    assert!(names.len() >= 8, "{names:?}");
    let reports = names.iter().map(|name| {
        let expected = folder().join(name).with_extension("report");
        (expected, report(name, &In(folder())))
    });
    assert_reports(reports);
}

/// The names of a folder's XML files.
fn xml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut names: Vec<_> = entries
        .map(|entry| PathBuf::from(entry.expect("an entry").file_name()))
        .filter(|name| name.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    names.sort();
    names
}

/// Compares files with reports, or writes them.
fn assert_reports(reports: impl IntoIterator<Item = (PathBuf, String)>) {
    let mut differences = String::new();
    for (expected, found) in reports {
        if std::env::var_os("KAHAWAI_WRITE_REPORTS").is_some() {
            std::fs::write(&expected, &found).expect("it is written");
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            differences += &format!("{} is not what is said:\n{found}\n", expected.display());
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn each_example_of_debians_activemq_has_its_report() {
    let debian = folder().join("debian");
    let package = debian.join("package");
    if !package.exists() {
        // A test that says nothing would be taken for one that passed.
        eprintln!(
            "SKIPPED: Debian's package activemq is not unpacked (tests/fetch): its example configurations are NOT read"
        );
        return;
    }
    let examples = package.join("usr/share/doc/activemq/examples/conf");
    let has_broker =
        |name: &PathBuf| std::fs::read_to_string(examples.join(name)).expect("a text").contains("<broker");
    let names: Vec<_> = xml_files(&examples).into_iter().filter(has_broker).collect();
    assert!(names.len() >= 14, "{names:?}");
    let mut reports: Vec<_> = names
        .iter()
        .map(|name| (debian.join(name).with_extension("report"), report(name, &In(examples.clone()))))
        .collect();
    // What the package itself starts.
    let main = package.join("etc/activemq/instances-available/main");
    reports.push((debian.join("instance-main.report"), report(Path::new("activemq.xml"), &In(main))));
    assert_reports(reports);
}

/// One text for every file.
struct Text(String);

impl Files for Text {
    fn read(&self, _: &Path) -> Result<Vec<u8>, String> {
        Ok(self.0.clone().into_bytes())
    }
}

#[test]
fn ten_megabytes_of_attributes_give_one_line() {
    let attributes: String = (0..1_000_000).map(|number| format!(" a{number}=''")).collect();
    assert!(attributes.len() > 10 << 20);
    let whole = format!("<broker xmlns='http://activemq.apache.org/schema/core'{attributes}/>");
    let found = report(Path::new("a.xml"), &Text(whole));
    assert_eq!(found, "a.xml:1:1: refused: the file: the file is longer than 4 MiB\n");
    // As many as a file has room for, and as no element has.
    let attributes: String = (0..250_000).map(|number| format!(" a{number}=''")).collect();
    let found = report(Path::new("a.xml"), &Text(format!("\n<broker{attributes}/>")));
    assert_eq!(found, "a.xml:2:1: refused: the file: an element has more than 256 attributes\n");
}

/// What takes longer with the square of a file's length would not end here.
#[test]
fn as_many_entries_in_one_line_as_a_file_has_room_for_are_read() {
    let entries: String =
        (0..60_000).map(|number| format!("<policyEntry queue='a{number}' lazyDispatch='true'/>")).collect();
    let whole = format!(
        "<broker xmlns='http://activemq.apache.org/schema/core'><destinationPolicy><policyMap><policyEntries>{entries}\
         </policyEntries></policyMap></destinationPolicy><transportConnectors><transportConnector uri='tcp://a:1'/></transportConnectors></broker>"
    );
    assert!(whole.len() > 2 << 20);
    let found = report(Path::new("a.xml"), &Text(whole));
    assert!(found.ends_with("and 50000 more findings\n"), "{}", &found[found.len() - 200..]);
}

#[test]
fn files_that_import_each_other_without_end_are_refused() {
    // Whatever is asked for imports another one.
    struct More;
    impl Files for More {
        fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
            let name = path.display();
            Ok(format!("<beans xmlns='http://www.springframework.org/schema/beans'><import resource='x{name}'/></beans>").into())
        }
    }
    let found = report(Path::new("a.xml"), &More);
    assert!(found.lines().count() == 1 && found.contains("more than 32 files"), "{found}");
}

#[test]
fn a_bean_may_stand_in_an_imported_file() {
    struct Two;
    impl Files for Two {
        fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
            const BEANS: &str = "<beans xmlns='http://www.springframework.org/schema/beans'>";
            let inner = if path == Path::new("a.xml") {
                "<import resource='b.xml'/><broker xmlns='http://activemq.apache.org/schema/core'><persistenceAdapter>\
                 <jdbcPersistenceAdapter dataSource='#ds'/></persistenceAdapter><transportConnectors>\
                 <transportConnector uri='tcp://a:1'/></transportConnectors></broker>"
            } else {
                "<bean id='ds' class='org.apache.commons.dbcp2.BasicDataSource'>\
                 <property name='url' value='jdbc:mysql://h/db'/><property name='nothing' value=''/></bean>"
            };
            Ok(format!("{BEANS}{inner}</beans>").into())
        }
    }
    let found = report(Path::new("a.xml"), &Two);
    assert!(
        found.lines().count() == 1 && found.starts_with("b.xml:1:60: warning: nothing of bean ds"),
        "{found}"
    );
}

#[test]
fn a_text_that_is_no_unicode_is_refused_with_its_place_unless_it_says_latin_1() {
    struct Bytes(&'static [u8]);
    impl Files for Bytes {
        fn read(&self, _: &Path) -> Result<Vec<u8>, String> {
            Ok(self.0.to_vec())
        }
    }
    let found = report(Path::new("a.xml"), &Bytes(b"<a>\n  <!-- \xe4 --></a>"));
    assert!(found.starts_with("a.xml:2:8: refused: the file: it is not in UTF-8"), "{found}");
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><broker xmlns='http://activemq.apache.org/schema/core'><!-- \xe4 --></broker>";
    let found = report(Path::new("a.xml"), &Bytes(latin));
    assert!(found.lines().count() == 1 && found.contains("nobody could connect"), "{found}");
}
