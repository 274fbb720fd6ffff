//! The certificate zoo.
