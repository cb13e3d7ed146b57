//! No module of a crate imports from one that imports from it, by whatever way round: arrows run down.
//!
//! What counts as an import, and what the test cannot see, is told in `imports.rs`. Arrows that still go up are listed in
//! `known.rs`, which only shrinks: the test fails on a circle without a listed arrow, and on a listed arrow that is on no
//! circle any more.

mod circles;
mod imports;
mod known;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use circles::{on_a_circle, to_mend};
use imports::{Arrows, name, read_crate, read_file};
use known::GOING_UP;

/// Each crate's name, and where its root module is.
const CRATES: [(&str, &str); 10] = [
    ("adapters", "adapters/src"),
    ("broker", "broker/src"),
    ("client", "client/src"),
    ("config", "config/src"),
    ("journal", "journal/src"),
    ("kahawai", "src"),
    ("openwire", "openwire/src"),
    ("replication", "replication/src"),
    ("simulation", "simulation/src"),
    ("store", "store/src"),
];

#[test]
fn no_module_imports_from_one_that_imports_from_it() {
    let mut complaints = String::new();
    for (crate_name, source) in CRATES {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let arrows = read_crate(&root.join(source));
        assert!(!arrows.is_empty(), "no import was found below {source}: the test reads the wrong directory");
        complaints += &complaints_of(crate_name, &arrows, &known_of(crate_name), root);
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

fn known_of(crate_name: &str) -> BTreeSet<(String, String)> {
    let of_crate = GOING_UP.iter().filter(|(listed, _, _)| *listed == crate_name);
    of_crate.map(|(_, from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

/// What is wrong with a crate's arrows, or nothing.
fn complaints_of(
    crate_name: &str,
    arrows: &Arrows,
    known: &BTreeSet<(String, String)>,
    root: &Path,
) -> String {
    let place_of = |from: &str, to: &str| {
        let arrow = arrows.iter().find(|((a, b), _)| name(a) == from && name(b) == to);
        arrow.map_or(String::new(), |(_, place)| {
            format!("{}:{}", place.file.strip_prefix(root).unwrap_or(&place.file).display(), place.line)
        })
    };
    let all: BTreeSet<_> = arrows.keys().map(|(from, to)| (name(from), name(to))).collect();
    let on_a_circle = on_a_circle(&all);
    let mut complaints = String::new();
    for (from, to) in known.iter().filter(|arrow| !on_a_circle.contains_key(*arrow)) {
        let _ = writeln!(
            complaints,
            "{crate_name}: {from} -> {to} is on no circle any more: take it out of known.rs"
        );
    }
    for circle in to_mend(&all.difference(known).cloned().collect()) {
        let _ = writeln!(complaints, "{crate_name}: a circle of imports: {}", circle.join(" -> "));
        for arrow in circle.windows(2) {
            let _ = writeln!(
                complaints,
                "    {} -> {} at {}",
                arrow[0],
                arrow[1],
                place_of(&arrow[0], &arrow[1])
            );
        }
    }
    complaints
}

/// What a file `a/b.rs`, with a child `c`, takes from where.
fn seen(text: &str) -> Vec<String> {
    let path = |module: &str| module.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let modules = BTreeSet::from(["", "a", "a::b", "a::b::c", "a::d", "e"].map(path));
    read_file(text, &path("a::b"), &modules)
        .iter()
        .map(|(target, line)| format!("{} {line}", name(target)))
        .collect()
}

#[test]
fn every_way_to_name_a_module_is_an_arrow_to_it() {
    assert_eq!(seen("use crate::e::Thing;"), ["e 1"]);
    assert_eq!(
        seen("use crate::{\n    Thing,\n    e::{self, Other},\n    a::d as far,\n};"),
        ["crate 2", "e 3", "e 3", "a::d 4"]
    );
    assert_eq!(seen("use super::*;\nuse super::d::f;\nuse super::super::e;"), ["a 1", "a::d 2", "e 3"]);
    assert_eq!(seen("pub use c::Thing;\npub(crate) use self::c::Thing;"), ["a::b::c 1", "a::b::c 2"]);
    assert_eq!(
        seen("fn f() -> crate::e::Thing { c::f(super::d::g::<crate::Thing>()) }"),
        ["e 1", "a::b::c 1", "a::d 1", "crate 1"]
    );
    assert_eq!(seen("fn f() { far::g() }\nuse crate::a::d as far;"), ["a::d 1", "a::d 2"]);
    assert_eq!(
        seen("mod tests {\n    use super::f;\n    use super::super::d::g;\n}\nuse super::d;"),
        ["a::d 3", "a::d 5"]
    );
    assert_eq!(seen("macro_rules! m { () => { $crate::e::f() } }"), ["e 1"]);
}

#[test]
fn what_only_looks_like_a_path_is_no_arrow() {
    assert!(seen("mod c;\npub(in crate::a) fn f() {}\nuse std::e::Thing;\nuse self::Own;").is_empty());
    assert!(
        seen("// use crate::e;\n/* crate::e /* */ crate::e */ const A: &str = \"\\\"crate::e\";").is_empty()
    );
    assert!(
        seen("const A: &str = r#\"\"crate::e\"#;\nconst B: char = '\"'; fn f<'a>(x: &'a str) {}").is_empty()
    );
}

#[test]
fn a_circle_is_told_with_its_arrows_and_a_listed_one_that_is_gone_too() {
    let place = || imports::Place { file: "a.rs".into(), line: 7 };
    let arrows = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")];
    let arrows: Arrows = arrows
        .iter()
        .map(|(from, to)| ((vec![(*from).to_owned()], vec![(*to).to_owned()]), place()))
        .collect();
    let told = |known: &[(&str, &str)]| {
        let known = known.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        complaints_of("crate", &arrows, &known, Path::new(""))
    };
    let circle = told(&[]);
    assert!(circle.contains("a circle of imports: c -> a -> b -> c\n"), "{circle}");
    assert!(circle.contains("    b -> c at a.rs:7\n"), "{circle}");
    assert_eq!(told(&[("b", "c")]), "");
    assert!(told(&[("b", "c"), ("d", "a")]).contains("d -> a is on no circle any more"));
}
