//! Columns.

use comfy_table::{CellAlignment, Table, presets};

use super::ui::one_line;

/// Lays rows out in columns under a heading, two spaces apart, without lines.
/// Columns named in `right` are aligned to the right.
pub(super) fn columns(heading: &[&str], right: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(heading);
    for row in rows {
        table.add_row(row.iter().map(|cell| match cell.as_str() {
            "" => "-".to_owned(),
            cell => one_line(cell),
        }));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn an_empty_cell_is_a_dash() {
        let rows = vec![
            vec!["web-01".to_owned(), "512 MiB".to_owned(), String::new()],
            vec!["db".to_owned(), "4 GiB".to_owned(), "x".to_owned()],
        ];
        insta::assert_snapshot!(columns(&["Name", "Memory", "Base"], &[1], rows), @"
        Name     Memory  Base
        web-01  512 MiB  -
        db        4 GiB  x
        ");
    }
}
