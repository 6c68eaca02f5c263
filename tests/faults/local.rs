//! Rows about the board itself: its disk, its names, its power.

use crate::row::Row;

pub fn rows() -> Vec<Row> {
    Vec::new()
}
