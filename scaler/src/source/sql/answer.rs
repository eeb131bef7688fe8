//! Rows as one number.

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Number(f64),
    /// Anything else, by the name of its type.
    Other(String),
}

/// The one number of at most two rows; `None` for no row, or NULL.
pub(super) fn number(mut rows: Vec<Vec<Cell>>) -> Result<Option<f64>, String> {
    if rows.len() > 1 {
        return Err("it gives several rows where one is needed: aggregate, like count(*)".into());
    }
    let Some(mut row) = rows.pop() else { return Ok(None) };
    if row.len() != 1 {
        return Err(format!("it gives {} columns where one is needed", row.len()));
    }
    match row.pop() {
        Some(Cell::Number(value)) => Ok(Some(value)),
        Some(Cell::Other(kind)) => {
            Err(format!("it gives {kind} where a number is needed: cast it in the query"))
        }
        Some(Cell::Null) | None => Ok(None),
    }
}
