//! Java's properties format: `networkProperties` in a BrokerInfo, and files.

use std::collections::BTreeMap;

/// Reads one as Java does: `name=value`, `name: value` or `name value`; `#` and `!` begin a comment; a `\` at the end goes on in the next line.
/// A name that stands twice has its last value. Bytes that are no UTF-8 are Latin-1, as Java has it.
pub fn parse(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut made = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = line.to_owned();
        while whole.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
            whole.pop();
            let Some(next) = lines.next() else { break };
            whole.push_str(next.trim_start());
        }
        let (name, value) = split(&whole);
        made.insert(plain(name), plain(value));
    }
    made
}

/// The name and the value, both as they were written.
fn split(line: &str) -> (&str, &str) {
    let is_blank = |one: char| matches!(one, ' ' | '\t' | '\u{c}');
    let mut escaped = false;
    for (at, one) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if one == '\\' {
            escaped = true;
        } else if matches!(one, '=' | ':') || is_blank(one) {
            let rest = line[at..].trim_start_matches(is_blank);
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (&line[..at], rest.trim_start_matches(is_blank));
        }
    }
    (line, "")
}

/// Without its escapes. One that is none stands for itself.
fn plain(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text.chars();
    while let Some(one) = rest.next() {
        if one != '\\' {
            made.push(one);
            continue;
        }
        match rest.next() {
            Some('t') => made.push('\t'),
            Some('n') => made.push('\n'),
            Some('r') => made.push('\r'),
            Some('f') => made.push('\u{c}'),
            Some('u') => {
                let Some(first) = unit(rest.clone()) else {
                    made.push('u');
                    continue;
                };
                rest.nth(3);
                // Java writes what is beyond 16 bits as two.
                let second = rest.as_str().strip_prefix("\\u").and_then(|rest| unit(rest.chars()));
                let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
                match pair.filter(|one| one.len_utf16() == 2) {
                    Some(one) => {
                        made.push(one);
                        rest.nth(5);
                    }
                    None => made.push(char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            Some(other) => made.push(other),
            None => {}
        }
    }
    made
}

/// Four hexadecimal digits.
fn unit(rest: std::str::Chars<'_>) -> Option<u16> {
    let digits: String = rest.take(4).filter(char::is_ascii_hexdigit).collect();
    u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_read_as_java_reads_them() {
        let text = "# comment\n! too\n\na=1\n b : two words \nc three\nd\\ e=x\\\n   y\\\\\nf=\\u00e4\\t\\q\\uZZ\ng\na=last\nh=\\";
        let made = parse(text.as_bytes());
        let expected = [
            ("a", "last"),
            ("b", "two words "),
            ("c", "three"),
            ("d e", "xy\\"),
            ("f", "ä\tquZZ"),
            ("g", ""),
            ("h", ""),
        ];
        let expected: BTreeMap<String, String> =
            expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(made, expected);
        let beyond = parse(b"a=\\ud83d\\ude00\\u0041\nb=\\ud83d\\u0041\nc=\\ud83d\nd=\\u+041");
        let found = ["a", "b", "c", "d"].map(|name| &*beyond[name]);
        assert_eq!(found, ["\u{1f600}A", "\u{fffd}A", "\u{fffd}", "u+041"]);
        assert_eq!(parse(b"a=\xe4").get("a").map(String::as_str), Some("\u{e4}"));
    }
}
