//! The properties that the fuzz targets share with the property tests.

#[path = "../../tests/properties/properties.rs"]
pub mod properties;
