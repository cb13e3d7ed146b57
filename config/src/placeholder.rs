//! Placeholders: `${name}` and `${name:default}`, as Spring resolves them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::secret::{Reference, Written};

/// What names stand for. The first of these that knows a name is asked, as in Spring: properties files, definitions (`-D`), what follows from the
/// file's own place, the environment.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// What properties files say; a later file goes before an earlier one.
    pub properties: BTreeMap<String, String>,
    /// In which file each of them is.
    pub files: BTreeMap<String, PathBuf>,
    /// What the command line says.
    pub given: BTreeMap<String, String>,
    /// `activemq.conf` and its kin.
    places: BTreeMap<String, String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

/// Why a text cannot be used: which placeholder, and what to do. It is one line, without any value.
pub type Unresolved = String;

/// How deep placeholders may lie in each other.
const DEPTH_MAX: usize = 8;
/// How long a text may become, in bytes.
const LENGTH_MAX: usize = 64 << 10;

impl Definitions {
    /// Of a file: `activemq.conf` is its directory, `activemq.base` and `activemq.home` the one above, `activemq.data` is `data` in it.
    pub fn of(file: &Path, given: BTreeMap<String, String>, environment: BTreeMap<String, String>) -> Self {
        let mut made = Self { given, environment, ..Self::default() };
        let conf = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
            _ => ".".to_owned(),
        };
        made.place("activemq.conf", || conf.clone());
        let above = match Path::new(&conf).file_name() {
            Some(_) => {
                Path::new(&conf).parent().map_or("..".into(), |above| match above.as_os_str().is_empty() {
                    true => ".".into(),
                    false => above.display().to_string(),
                })
            }
            // `.`, `..` and `/` have no name that could be taken off.
            None if conf == "/" => conf.clone(),
            None => format!("{conf}/.."),
        };
        made.place("activemq.base", || above.clone());
        made.place("activemq.home", || above.clone());
        let base = made.find("activemq.base").unwrap_or(&above).to_owned();
        made.place("activemq.data", || format!("{}/data", base.trim_end_matches('/')));
        made
    }

    fn place(&mut self, name: &str, value: impl Fn() -> String) {
        self.places.insert(name.to_owned(), value());
    }

    fn find(&self, name: &str) -> Option<&str> {
        let layers = [&self.properties, &self.given, &self.places, &self.environment];
        layers.into_iter().find_map(|layer| layer.get(name)).map(String::as_str)
    }

    /// How a text was written that came to this secret.
    pub fn written(&self, text: &str, secret: &str) -> Written {
        let text = text.trim();
        if !text.contains("${") {
            return Written::Clear;
        }
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let Some(inner) = inner.filter(|inner| !inner.contains(['$', '{', '}'])) else {
            return Written::Elsewhere;
        };
        let (name, default) = match inner.split_once(':') {
            Some((name, default)) if self.find(inner).is_none() => (name, Some(default)),
            _ => (inner, None),
        };
        // What has placeholders of its own is not what it comes to.
        let is_it = |layer: &BTreeMap<String, String>| layer.get(name).is_some_and(|value| value == secret);
        if self.properties.contains_key(name) {
            return match self.files.get(name).filter(|_| is_it(&self.properties)) {
                Some(file) => Written::Reference(Reference::Property {
                    file: file.display().to_string(),
                    name: name.to_owned(),
                }),
                None => Written::Elsewhere,
            };
        }
        if self.given.contains_key(name) || self.places.contains_key(name) {
            return Written::Elsewhere;
        }
        if self.environment.contains_key(name) {
            let is_it = is_it(&self.environment);
            return if is_it {
                Written::Reference(Reference::Variable(name.to_owned()))
            } else {
                Written::Elsewhere
            };
        }
        if default == Some(secret) { Written::Clear } else { Written::Elsewhere }
    }

    /// The text with every placeholder replaced, also those in what one stands for.
    ///
    /// # Errors
    /// Where one stands for nothing, is not closed, stands for itself, or where it is an expression (`#{…}`).
    pub fn resolve(&self, text: &str) -> Result<String, Unresolved> {
        if text.contains("#{") {
            return Err("#{…} is an expression, which is not evaluated: write its value".to_owned());
        }
        let mut made = String::new();
        self.add(text, 0, &mut made)?;
        Ok(made)
    }

    fn add(&self, text: &str, depth: usize, made: &mut String) -> Result<(), Unresolved> {
        if depth > DEPTH_MAX {
            return Err(format!("placeholders lie more than {DEPTH_MAX} deep in each other, or in a circle"));
        }
        let mut rest = text;
        while let Some(begin) = rest.find("${") {
            grow(made, &rest[..begin])?;
            let inner = &rest[begin + 2..];
            let end = closing(inner).ok_or("a ${ is not closed: a } is missing")?;
            self.replace(&inner[..end], depth, made)?;
            rest = &inner[end + 1..];
        }
        grow(made, rest)
    }

    fn replace(&self, inner: &str, depth: usize, made: &mut String) -> Result<(), Unresolved> {
        // The name itself may be made of others: `${store.${site}}`.
        let mut name = String::new();
        if inner.contains("${") && inner.split(':').next().is_none_or(|name| name.contains("${")) {
            self.add(inner, depth + 1, &mut name)?;
        } else {
            name.push_str(inner);
        }
        if let Some(value) = self.find(&name) {
            return self.add(value, depth + 1, made);
        }
        match name.split_once(':') {
            Some((name, default)) => match self.find(name) {
                Some(value) => self.add(value, depth + 1, made),
                None => self.add(default, depth + 1, made),
            },
            None => Err(format!(
                "${{{}}} stands for nothing: define it with -D NAME=VALUE, in the environment or a properties file, or write ${{NAME:DEFAULT}}",
                shown(&name)
            )),
        }
    }
}

/// A name as a report may show it: short, and in one line.
fn shown(name: &str) -> String {
    let mut shown: String =
        name.chars().take(80).map(|one| if one.is_control() { '?' } else { one }).collect();
    if name.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

fn grow(made: &mut String, text: &str) -> Result<(), Unresolved> {
    if made.len() + text.len() > LENGTH_MAX {
        return Err(format!("it is longer than {LENGTH_MAX} bytes"));
    }
    made.push_str(text);
    Ok(())
}

/// Where the placeholder ends that this is the inside of: others may lie in it.
fn closing(inner: &str) -> Option<usize> {
    let bytes = inner.as_bytes();
    let mut open = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn definitions(given: &[(&str, &str)]) -> Definitions {
        Definitions::of(
            Path::new("/opt/mq/conf/activemq.xml"),
            map(given),
            map(&[("HOST", "h1"), ("a", "env")]),
        )
    }

    #[test]
    fn names_stand_for_what_is_defined_or_their_default() {
        let definitions = definitions(&[("a", "1"), ("b", "x${a}y"), ("store.eu", "s"), ("site", "eu")]);
        for (text, expected) in [
            ("", ""),
            ("plain } {$", "plain } {$"),
            ("${a}", "1"),
            ("<${b}>", "<x1y>"),
            ("${HOST}", "h1"),
            ("${none:}", ""),
            ("${none:${a}-${HOST}}", "1-h1"),
            ("${a:2}", "1"),
            ("${none:tcp://x:1}", "tcp://x:1"),
            ("${store.${site}}", "s"),
        ] {
            assert_eq!(definitions.resolve(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_properties_file_goes_before_the_command_line_and_that_before_the_environment() {
        let mut definitions = definitions(&[("a", "given")]);
        assert_eq!(definitions.resolve("${a}").as_deref(), Ok("given"));
        definitions.properties = map(&[("a", "file")]);
        assert_eq!(definitions.resolve("${a}").as_deref(), Ok("file"));
        assert_eq!(self::definitions(&[]).resolve("${a}").as_deref(), Ok("env"));
    }

    #[test]
    fn places_follow_from_the_files() {
        let of = |file: &str, given: &[(&str, &str)]| {
            let made = Definitions::of(Path::new(file), map(given), BTreeMap::new());
            made.resolve("${activemq.conf} ${activemq.base} ${activemq.home} ${activemq.data}")
                .expect("known")
        };
        assert_eq!(of("/opt/mq/conf/activemq.xml", &[]), "/opt/mq/conf /opt/mq /opt/mq /opt/mq/data");
        assert_eq!(of("conf/activemq.xml", &[]), "conf . . ./data");
        assert_eq!(of("activemq.xml", &[]), ". ./.. ./.. ./../data");
        assert_eq!(of("../activemq.xml", &[]), ".. ../.. ../.. ../../data");
        assert_eq!(of("/activemq.xml", &[]), "/ / / /data");
        let given = [("activemq.base", "/b")];
        assert_eq!(of("/c/activemq.xml", &given), "/c /b / /b/data");
    }

    #[test]
    fn what_stands_for_nothing_or_has_no_end_is_an_error() {
        let bomb = "${b}".repeat(60);
        let definitions =
            definitions(&[("loop", "${loop}"), ("b", &"${c}".repeat(60)), ("c", &"y".repeat(60))]);
        for (text, part) in [
            ("${none}", "${none} stands for nothing"),
            ("${a", "not closed"),
            ("#{systemProperties}", "expression"),
            ("${loop}", "circle"),
            (bomb.as_str(), "longer than"),
        ] {
            let problem = definitions.resolve(text).expect_err(text);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
