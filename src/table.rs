//! Tables on standard output: columns as wide as what is in them, numbers to the right.

use std::fmt;

/// A table with a head.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Name, and whether its cells stand to the right.
    columns: Vec<(String, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns; the names of those whose cells stand to the right begin with `>`.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let column = |name: &&str| match name.strip_prefix('>') {
            Some(name) => (name.to_owned(), true),
            None => ((*name).to_owned(), false),
        };
        Self { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing are empty.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| printable(&cell.into())).collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// Leaves out the columns that have this cell in every row.
    pub(crate) fn without_columns_of(mut self, cell: &str) -> Self {
        for at in (0..self.columns.len()).rev() {
            if !self.rows.is_empty() && self.rows.iter().all(|row| row[at] == cell) {
                self.columns.remove(at);
                for row in &mut self.rows {
                    row.remove(at);
                }
            }
        }
        self
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What a broker sends must not move a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|at| if at.is_control() { '\u{FFFD}' } else { at }).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<_> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (name, _))| {
                let cells = self.rows.iter().map(|row| row[at].chars().count());
                cells.chain([name.chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let names: Vec<_> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        for row in std::iter::once(&names).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, (_, is_right)), width) in row.iter().zip(&self.columns).zip(&widths) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                if *is_right {
                    line.push_str(&format!("{cell:>width$}"));
                } else {
                    line.push_str(&format!("{cell:<width$}"));
                }
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_say_nothing_are_left_out() {
        let mut table = Table::new(&["name", ">unknown", ">count"]);
        table.row(["a", "-", "1"]);
        table.row(["b", "-", "-"]);
        assert_eq!(table.without_columns_of("-").to_string(), "name  count\na         1\nb         -\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut table = Table::new(&["name", ">count"]);
        table.row(["a", "1"]);
        table.row(["longer", "12345678"]);
        table.row(["bell\u{7}"]);
        assert_eq!(table.to_string(), "name       count\na              1\nlonger  12345678\nbell\u{FFFD}\n");
    }
}
