//! Patterns of destinations' names: `*` for one element, `>` at the end for any number.

use crate::core::address::Address;

const SEPARATOR: char = '.';
const ANY_CHILD: &str = "*";
const ANY_DESCENDENT: &str = ">";

/// Whether one pattern stands for all that the other does; the other may be a plain name. Kinds must be the same.
pub fn contains(outer: &Address, inner: &Address) -> bool {
    outer.kind == inner.kind && {
        let mut inner = inner.name.split(SEPARATOR);
        for wanted in outer.name.split(SEPARATOR) {
            if wanted == ANY_DESCENDENT {
                return true;
            }
            match inner.next() {
                Some(ANY_DESCENDENT) | None => return false,
                Some(element) if wanted == ANY_CHILD || wanted == element => {}
                Some(_) => return false,
            }
        }
        inner.next().is_none()
    }
}

/// Whether there may be a name that both stand for.
pub fn overlap(one: &Address, other: &Address) -> bool {
    one.kind == other.kind && {
        let (mut one, mut other) = (one.name.split(SEPARATOR), other.name.split(SEPARATOR));
        loop {
            match (one.next(), other.next()) {
                (None, None) | (Some(ANY_DESCENDENT), _) | (_, Some(ANY_DESCENDENT)) => return true,
                (Some(left), Some(right)) if left == right || left == ANY_CHILD || right == ANY_CHILD => {}
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_within_another_or_touches_it() {
        for (outer, inner, within, touches) in [
            ("A", "A", true, true),
            ("A", "B", false, false),
            ("A.>", "A.B.C", true, true),
            ("A.>", "A", true, true),
            ("A.>", "A.*", true, true),
            ("A.>", "A.>", true, true),
            ("A.*", "A.>", false, true),
            ("A.*", "A.B", true, true),
            ("A.*", "A.B.C", false, false),
            ("A.B", "A.*", false, true),
            ("A.B", "A.>", false, true),
            ("*.B", "A.*", false, true),
            ("*.B", "A.C", false, false),
            (">", "A.>", true, true),
            ("A.B", "A", false, false),
        ] {
            let (one, other) = (Address::queue(outer), Address::queue(inner));
            assert_eq!(contains(&one, &other), within, "{outer} contains {inner}");
            assert_eq!(overlap(&one, &other), touches, "{outer} and {inner}");
            assert_eq!(overlap(&other, &one), touches, "{inner} and {outer}");
            assert!(!contains(&one, &Address::topic(inner)) && !overlap(&one, &Address::topic(inner)));
        }
    }
}
