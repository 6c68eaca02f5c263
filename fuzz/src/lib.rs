//! The properties that the fuzz targets share with the property tests.

#[path = "../../tests/properties/properties.rs"]
pub mod properties;
#[path = "../../tests/properties/k3s_rules.rs"]
pub mod k3s_rules;
