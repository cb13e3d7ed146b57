//! The name that was likely meant.

/// The nearest of these names, where one is near.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The work is bounded by this: names of a file may be as long as the file.
    const LONGEST: usize = 80;
    if name.len() > LONGEST {
        return None;
    }
    let far = |other: &str| distance(&name.to_ascii_lowercase(), &other.to_ascii_lowercase());
    names.map(|other| (far(other), other)).filter(|(far, _)| *far <= 3).min().map(|(_, other)| other)
}

/// How many letters must be put in, taken out or changed to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.bytes().enumerate() {
        let mut before = line;
        row[0] = line + 1;
        for (column, right) in other.bytes().enumerate() {
            let changed = before + usize::from(left != right);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_has_a_nearest_name() {
        let near = |name: &str| nearest(name, ["brokerName", "dataDirectory", "start"].into_iter());
        assert_eq!(near("brokername"), Some("brokerName"));
        assert_eq!(near("dataDirektory"), Some("dataDirectory"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(&"b".repeat(1000)), None);
    }
}
