//! A plain text table: columns as wide as their widest cell.

use std::fmt;

/// Rows of three cells.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    /// A table of a header only.
    pub(super) fn new(header: [&str; 3]) -> Self {
        Self { rows: vec![header.map(str::to_owned)] }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [String; 3]) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        for [a, b, c] in &self.rows {
            writeln!(f, "  {a:first$}  {b:second$}  {c}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["what", "where", "why"]);
        table.row(["a".to_owned(), "somewhere".to_owned(), "because".to_owned()]);
        assert_eq!(table.to_string(), "  what  where      why\n  a     somewhere  because\n");
    }
}
