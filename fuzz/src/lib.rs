//! What the fuzz targets share with the property tests.

#[path = "../../tests/properties/holds.rs"]
pub mod holds;
