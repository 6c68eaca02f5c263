//! What the fuzz targets share with the property tests.

#[path = "../../tests/properties/holds.rs"]
pub mod holds;
#[path = "../../tests/properties/k3s_rules.rs"]
pub mod k3s_rules;
