//! Java's modified UTF-8 (`java.io.DataInput`): NUL is `C0 80`, a character beyond U+FFFF is a surrogate
//! pair of three bytes each, four-byte sequences do not exist.
//!
//! Decoding is strict: no overlong forms but `C0 80`, no lone surrogates. A raw zero byte is read as NUL, as
//! Java does.

use bytes::BufMut;

use crate::error::DecodeError;
use crate::text::Text;

/// Whether the encoding is the string's own bytes, one byte per character.
pub(crate) fn is_plain(text: &str) -> bool {
    text.is_ascii() && !text.as_bytes().contains(&0)
}

/// Length of the encoded string, in bytes.
pub(crate) fn encoded_length(text: &str) -> usize {
    if is_plain(text) {
        return text.len();
    }
    text.chars().map(encoded_char_length).sum()
}

fn encoded_char_length(character: char) -> usize {
    match character as u32 {
        0 => 2,
        1..=0x7f => 1,
        0x80..=0x7ff => 2,
        0x800..=0xffff => 3,
        _ => 6,
    }
}

/// Number of UTF-16 code units, Java's `String.length()`.
pub(crate) fn utf16_length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}

/// Appends the encoded string, `encoded_length` bytes.
pub(crate) fn encode(text: &str, out: &mut impl BufMut) {
    if is_plain(text) {
        out.put_slice(text.as_bytes());
        return;
    }
    for character in text.chars() {
        match character as u32 {
            0 => out.put_slice(&[0xc0, 0x80]),
            1..=0xffff => {
                let mut buffer = [0; 4];
                out.put_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.put_slice(&[
                        0xe0 | (*unit >> 12) as u8,
                        0x80 | (*unit >> 6 & 0x3f) as u8,
                        0x80 | (*unit & 0x3f) as u8,
                    ]);
                }
            }
        }
    }
}

/// Reads a whole encoded string.
///
/// # Errors
/// [`DecodeError::BadText`] at the first byte that does not fit.
pub(crate) fn decode(bytes: &[u8]) -> Result<Text, DecodeError> {
    match std::str::from_utf8(bytes) {
        // Standard and modified UTF-8 agree on all but NUL and four-byte sequences.
        Ok(text) if bytes.is_ascii() || !bytes.iter().any(|byte| *byte >= 0xf0) => Ok(Text::from(text)),
        _ => decode_slowly(bytes),
    }
}

fn decode_slowly(bytes: &[u8]) -> Result<Text, DecodeError> {
    let mut text = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (unit, width) = code_unit(bytes, at)?;
        let (character, width) = match unit {
            0xd800..=0xdbff => {
                let (low, low_width) = code_unit(bytes, at + width)?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    return Err(bad(bytes, at));
                }
                (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), width + low_width)
            }
            _ => (unit, width),
        };
        text.push(char::from_u32(character).ok_or_else(|| bad(bytes, at))?);
        at += width;
    }
    Ok(Text::from(text))
}

/// The UTF-16 code unit that begins at `at`, and its width in bytes.
fn code_unit(bytes: &[u8], at: usize) -> Result<(u32, usize), DecodeError> {
    let continuation = |offset: usize| match bytes.get(at + offset) {
        Some(byte) if byte & 0xc0 == 0x80 => Ok(u32::from(byte & 0x3f)),
        _ => Err(bad(bytes, at + offset)),
    };
    let first = u32::from(*bytes.get(at).ok_or_else(|| bad(bytes, at))?);
    match first {
        0..=0x7f => Ok((first, 1)),
        0xc0..=0xdf => {
            let unit = (first & 0x1f) << 6 | continuation(1)?;
            if unit < 0x80 && unit != 0 { Err(bad(bytes, at)) } else { Ok((unit, 2)) }
        }
        0xe0..=0xef => {
            let unit = (first & 0x0f) << 12 | continuation(1)? << 6 | continuation(2)?;
            if unit < 0x800 { Err(bad(bytes, at)) } else { Ok((unit, 3)) }
        }
        _ => Err(bad(bytes, at)),
    }
}

fn bad(bytes: &[u8], at: usize) -> DecodeError {
    let at = at.min(bytes.len().saturating_sub(1));
    DecodeError::BadText { at, byte: bytes.get(at).copied().unwrap_or_default(), length: bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        assert_eq!(out.len(), encoded_length(text));
        out
    }

    #[test]
    fn nul_and_supplementary_characters_are_written_as_java_does() {
        assert_eq!(encoded("a\0b"), b"a\xc0\x80b");
        assert_eq!(encoded("é€"), b"\xc3\xa9\xe2\x82\xac");
        assert_eq!(encoded("😀"), b"\xed\xa0\xbd\xed\xb8\x80");
    }

    #[test]
    fn what_was_written_is_read_back() {
        for text in ["", "plain", "a\0b", "é€", "😀x😀", "\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\0"]
        {
            assert_eq!(decode(&encoded(text)).unwrap(), text);
        }
    }

    #[test]
    fn what_java_would_not_write_is_refused() {
        for bytes in [
            b"\xf0\x9f\x98\x80".as_slice(), // four bytes
            b"\xed\xa0\xbd",                // lone high surrogate
            b"\xed\xb8\x80",                // lone low surrogate
            b"\xc1\x81",                    // overlong 'A'
            b"\xe0\x80\x80",                // overlong NUL
            b"\xe2\x82",                    // cut short
            b"\xc3",
            b"\x80",
            b"\xff",
        ] {
            assert!(matches!(decode(bytes), Err(DecodeError::BadText { .. })), "{bytes:x?}");
        }
    }
}
