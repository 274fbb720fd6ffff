//! The configuration: one table of properties (table.rs) drives the parser, the C interface's `producer_property_*` and
//! docs/CONFIGURATION.md. `Config` is what the rest of the library reads: parsed once, values that cannot be wrong.
