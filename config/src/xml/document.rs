//! One file: its text made a tree, within bounds, and where each thing of it stands.
//!
//! `roxmltree` knows no external entity and opens no file; a document type is refused here before it sees one, so that no entity is
//! ever expanded. How deep elements lie and how many attributes they have is counted before, as its own check for attributes that stand twice is quadratic.

use std::fmt;

use roxmltree::{Node, ParsingOptions};

use crate::remark::Severity;
use crate::report::{Finding, Place, Report};

/// The longest file, in bytes.
pub(crate) const LENGTH_MAX: usize = 4 << 20;
/// The most elements, texts and comments of a file.
const NODES_MAX: u32 = 200_000;
/// How deep elements may lie in each other.
const DEPTH_MAX: usize = 64;
/// The most attributes of an element; ActiveMQ's largest has less than a hundred.
const ATTRIBUTES_MAX: usize = 256;

/// Why nothing could be read: one line, with its place and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for Failure {}

/// As what it is for a person: one thing that is refused.
impl From<Failure> for Report {
    fn from(failure: Failure) -> Self {
        let mut report = Self::default();
        let (place, advice) = (failure.place, failure.problem);
        report.add(Finding { place, severity: Severity::Refused, what: "the file".to_owned(), advice });
        report
    }
}

/// A file's tree.
pub(crate) struct Document<'a> {
    file: &'a str,
    text: &'a str,
    tree: roxmltree::Document<'a>,
    lines: Lines,
}

/// An element of a file.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    node: Node<'a, 'a>,
    document: &'a Document<'a>,
}

impl<'a> Document<'a> {
    /// Reads one.
    pub(crate) fn parse(file: &'a str, text: &'a str) -> Result<Self, Failure> {
        let lines = Lines::of(text);
        check(text).map_err(|(at, problem)| Failure { place: lines.place(file, text, at), problem })?;
        let options =
            ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
        let tree = roxmltree::Document::parse_with_options(text, options).map_err(|error| {
            use roxmltree::Error::{UnclosedRootNode, UnexpectedEndOfStream};
            let position = error.pos();
            let place = match &error {
                // It has no place of its own for these.
                UnclosedRootNode | UnexpectedEndOfStream => lines.place(file, text, text.len()),
                _ => Place { file: file.to_owned(), line: position.row.max(1), column: position.col.max(1) },
            };
            Failure { place, problem: problem(&error) }
        })?;
        Ok(Self { file, text, tree, lines })
    }

    /// Its outermost element.
    pub(crate) fn root(&'a self) -> Element<'a> {
        Element { node: self.tree.root_element(), document: self }
    }
}

/// In words that say what to do. Of the file's own text it holds names, in one line.
fn problem(error: &roxmltree::Error) -> String {
    use roxmltree::Error;
    match error {
        Error::NodesLimitReached => {
            format!("the file has more than {NODES_MAX} elements, texts and comments")
        }
        Error::UnclosedRootNode | Error::UnexpectedEndOfStream => {
            "the file ends before its last element is closed".to_owned()
        }
        Error::UnknownEntityReference(..) => {
            "only &amp; &lt; &gt; &quot; &apos; and character numbers are known: write the text itself"
                .to_owned()
        }
        Error::UnexpectedCloseTag(open, closing, _) => format!(
            "</{1}> closes <{0}>, which is still open: write </{0}> before it, or end <{0} …/> with a slash",
            short(open),
            short(closing)
        ),
        Error::MalformedEntityReference(_) => "write &amp; for an &, in a uri too".to_owned(),
        // A value that goes on to the next tag, or has one in it.
        Error::InvalidAttributeValue(_) | Error::InvalidChar(b'"' | b'\'', b'<', _) => {
            "write &lt; for a < in a value; or the quotes of the value before it are not closed".to_owned()
        }
        Error::UnknownNamespace(prefix, _) => {
            format!("nothing says what the prefix {0} stands for: write xmlns:{0}=\"…\"", short(prefix))
        }
        Error::NoRootNode => {
            "there is nothing in it: write <broker xmlns=\"http://activemq.apache.org/schema/core\">"
                .to_owned()
        }
        Error::UnknownToken(_) => "it is no XML: an element begins with <; or, where this is TOML, the name of its file ends with .toml".to_owned(),
        other => {
            let text = other.to_string();
            // The place is said already.
            let text = text.rsplit_once(" at ").map_or(text.as_str(), |(text, _)| text);
            let text: String =
                text.chars().map(|one| if one.is_control() { ' ' } else { one }).take(200).collect();
            format!("it is no XML: {text}")
        }
    }
}

/// A name as there is room for it in a line.
fn short(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Looks over the text as far as bounds need it: what is no XML is left to the parser.
fn check(text: &str) -> Result<(), (usize, String)> {
    if text.len() > LENGTH_MAX {
        return Err((0, format!("the file is longer than {} MiB", LENGTH_MAX >> 20)));
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = text[at..].find('<') {
        let begin = at + found;
        let rest = &text[begin..];
        let closed = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
        if let Some((open, close)) = closed.into_iter().find(|(open, _)| rest.starts_with(open)) {
            let Some(end) = rest[open.len()..].find(close) else { return Ok(()) };
            at = begin + open.len() + end + close.len();
            continue;
        }
        if rest.starts_with("<!") {
            let problem = "a document type (DTD) is not read, as entities could name other files: remove it, and \
                           write what its entities stand for; beans need xmlns=\"http://www.springframework.org/schema/beans\"";
            return Err((begin, problem.to_owned()));
        }
        let Some(tag) = Tag::of(rest) else { return Ok(()) };
        if tag.attributes > ATTRIBUTES_MAX {
            return Err((begin, format!("an element has more than {ATTRIBUTES_MAX} attributes")));
        }
        if tag.closes {
            depth = depth.saturating_sub(1);
        } else if !tag.empty {
            depth += 1;
        }
        if depth > DEPTH_MAX {
            return Err((begin, format!("elements lie more than {DEPTH_MAX} deep in each other")));
        }
        at = begin + tag.length;
    }
    Ok(())
}

struct Tag {
    length: usize,
    attributes: usize,
    closes: bool,
    empty: bool,
}

impl Tag {
    /// The tag that this begins with; none where it has no end.
    fn of(text: &str) -> Option<Self> {
        let mut quote = None;
        let mut attributes = 0;
        let bytes = text.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            match (quote, byte) {
                (Some(open), byte) if open == *byte => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(*byte),
                (None, b'=') => attributes += 1,
                (None, b'>') => {
                    let closes = bytes.get(1) == Some(&b'/');
                    return Some(Self { length: at + 1, attributes, closes, empty: bytes[at - 1] == b'/' });
                }
                (None, _) => {}
            }
        }
        None
    }
}

/// Where lines begin, and how many characters come before each chunk: a file may be one long line.
struct Lines {
    begins: Vec<usize>,
    characters: Vec<usize>,
}

/// In bytes.
const CHUNK: usize = 1 << 10;

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let begins = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let before = text.as_bytes().chunks(CHUNK).scan(0, |sum, chunk| {
            let before = *sum;
            *sum += characters(chunk);
            Some(before)
        });
        Self { begins, characters: before.collect() }
    }

    fn place(&self, file: &str, text: &str, at: usize) -> Place {
        let line = self.begins.partition_point(|begin| *begin <= at);
        let begin = self.begins.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.characters_before(text, at).saturating_sub(self.characters_before(text, begin)) + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place { file: file.to_owned(), line: number(line), column: number(column) }
    }

    fn characters_before(&self, text: &str, at: usize) -> usize {
        let chunk = at / CHUNK;
        // At the very end there may be no chunk any more.
        let Some(before) = self.characters.get(chunk) else { return characters(text.as_bytes()) };
        before + text.as_bytes().get(chunk * CHUNK..at).map_or(0, characters)
    }
}

/// How many characters begin in these bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

impl<'a> Element<'a> {
    /// Its name, without a prefix.
    pub(crate) fn name(self) -> &'a str {
        self.node.tag_name().name()
    }

    /// Its namespace; empty where it has none.
    pub(crate) fn namespace(self) -> &'a str {
        self.node.tag_name().namespace().unwrap_or("")
    }

    /// Where it begins.
    pub(crate) fn place(self) -> Place {
        self.at(self.node.range().start)
    }

    /// The file it stands in, as it was named.
    pub(crate) fn file(self) -> &'a str {
        self.document.file
    }

    fn at(self, at: usize) -> Place {
        self.document.lines.place(self.document.file, self.document.text, at)
    }

    /// The outermost element of its file.
    pub(crate) fn root(self) -> Self {
        self.document.root()
    }

    /// The elements in it, in order.
    pub(crate) fn children(self) -> impl Iterator<Item = Element<'a>> {
        let document = self.document;
        self.node.children().filter(Node::is_element).map(move |node| Element { node, document })
    }

    /// Its attributes without a namespace: names, values, and where they stand.
    pub(crate) fn attributes(self) -> impl Iterator<Item = (&'a str, &'a str, Place)> {
        let plain = self.node.attributes().filter(|one| one.namespace().is_none());
        plain.map(move |one| (one.name(), one.value(), self.at(one.range().start)))
    }

    /// Its attributes of other namespaces: those, names, values, and where they stand.
    pub(crate) fn foreign_attributes(self) -> impl Iterator<Item = (&'a str, &'a str, &'a str, Place)> {
        let foreign = self.node.attributes().filter_map(|one| one.namespace().map(|space| (space, one)));
        foreign.map(move |(space, one)| (space, one.name(), one.value(), self.at(one.range().start)))
    }

    /// An attribute's value.
    pub(crate) fn attribute(self, name: &str) -> Option<&'a str> {
        self.node.attribute(name)
    }

    /// The text in it, without that of the elements in it, and without blanks around it.
    pub(crate) fn text(self) -> String {
        let texts = self.node.children().filter(Node::is_text).filter_map(|node| node.text());
        texts.collect::<String>().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> String {
        Document::parse("a.xml", text).map(|_| ()).expect_err("is refused").to_string()
    }

    #[test]
    fn what_is_no_xml_is_named_with_its_place() {
        for (text, expected) in [
            ("<a>\n  <b>\n</a>", "a.xml:3:1: </a> closes <b>, which is still open: write </b> before it"),
            ("<a b='c?d=1&e=2'/>", "a.xml:1:12: write &amp; for an &"),
            ("<a b='<'/>", "a.xml:1:7: write &lt; for a <"),
            ("<amq:a/>", "a.xml:1:2: nothing says what the prefix amq stands for: write xmlns:amq="),
            ("<a>\n  <b/>", "a.xml:2:7: the file ends before"),
            ("<a>\n  <b", "a.xml:2:5: the file ends before"),
            ("<a b='1' b='2'/>", "a.xml:1:10: "),
            ("<a>&unknown;</a>", "a.xml:1:4: only &amp;"),
            ("", "a.xml:1:1: there is nothing in it"),
            ("brokerName = 'a'", "a.xml:1:1: it is no XML: an element begins with <; or, where this is TOML"),
        ] {
            assert!(failure(text).starts_with(expected), "{text:?}: {}", failure(text));
        }
    }

    #[test]
    fn no_document_type_is_read() {
        let bomb = "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;'>]>\n<a>&c;</a>";
        assert!(failure(bomb).starts_with("a.xml:2:1: a document type"), "{}", failure(bomb));
        // What only looks like one is a comment or a text.
        let fine = "<a><!-- <!DOCTYPE x> --><![CDATA[<!DOCTYPE]]><?x <!DOCTYPE ?></a>";
        assert!(Document::parse("a.xml", fine).is_ok());
    }

    #[test]
    fn depth_attributes_and_length_are_bounded() {
        let deep = |count: usize| "<a>".repeat(count) + &"</a>".repeat(count);
        assert!(Document::parse("a.xml", &deep(DEPTH_MAX)).is_ok());
        assert!(failure(&deep(DEPTH_MAX + 1)).contains("64 deep"));
        let flat = format!("<a>{}</a>", "<b c='>'/>".repeat(1000));
        assert!(Document::parse("a.xml", &flat).is_ok());
        let wide = |count: usize| {
            let attributes: String = (0..count).map(|number| format!(" a{number}='='")).collect();
            format!("<x>\n<a{attributes}/></x>")
        };
        assert!(Document::parse("a.xml", &wide(ATTRIBUTES_MAX)).is_ok());
        assert!(failure(&wide(ATTRIBUTES_MAX + 1)).starts_with("a.xml:2:1: an element has more than 256"));
        assert!(failure(&format!("<a>{}</a>", " ".repeat(LENGTH_MAX))).contains("longer than 4 MiB"));
        assert!(
            failure(&format!("<a>{}</a>", "<b/>".repeat(NODES_MAX as usize))).contains("more than 200000")
        );
    }

    #[test]
    fn places_are_counted_in_characters() {
        let document = Document::parse("a.xml", "<a>\nä <b\n  c='1'/></a>").expect("is XML");
        let b = document.root().children().next().expect("b");
        assert_eq!(b.place().to_string(), "a.xml:2:3");
        let places: Vec<_> = b.attributes().map(|(_, _, place)| place.to_string()).collect();
        assert_eq!(places, ["a.xml:3:3"]);
    }

    #[test]
    fn places_are_right_in_a_long_line_too() {
        let text = format!("<a>\n<b/>{}<c/></a>", "ä€".repeat(CHUNK));
        let lines = Lines::of(&text);
        let at = text.find("<c/>").expect("it is there");
        assert_eq!(lines.place("a.xml", &text, at).to_string(), format!("a.xml:2:{}", 5 + 2 * CHUNK));
        let end = lines.place("a.xml", &text, text.len());
        assert_eq!((end.line as usize, end.column as usize), (2, 5 + 2 * CHUNK + 8));
        let whole = "x".repeat(CHUNK);
        assert_eq!(Lines::of(&whole).place("a.xml", &whole, CHUNK).column as usize, CHUNK + 1);
    }
}
