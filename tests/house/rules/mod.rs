//! The rules. Each returns what breaks it; what may, for now, stands in `allowed.rs`.

pub mod arrows;
pub mod circles;
pub mod globs;
pub mod impls;
pub mod names;
pub mod places;
pub mod secrets;
pub mod sizes;

/// Something that breaks a rule with an allow-list.
pub struct Finding {
    /// What the allow-list calls it.
    pub key: String,
    /// More than the allow-list says is too much.
    pub amount: usize,
    /// File, line and what is wrong.
    pub message: String,
}
