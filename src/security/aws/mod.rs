//! AWS: credentials as its tools find them, signatures of version 4, and the two ways to show them to a broker of MSK.
//!
//! | file | what |
//! |---|---|
//! | [`environment`] | the environment as it was when the producer was made |
//! | [`profile`] | `~/.aws/credentials` and `~/.aws/config` |
//! | [`credentials`] | who is asked in which order |
//! | [`answers`] | what the services answer, decoded |
//! | [`sts`], [`metadata`] | roles; containers and instances |
//! | [`sign`] | signatures |
//! | [`iam`] | AWS_MSK_IAM, and the signed URL as a token |

pub mod answers;
pub mod credentials;
pub mod environment;
pub mod iam;
pub mod metadata;
pub mod profile;
pub mod sign;
pub mod sts;

#[cfg(test)]
mod chain_tests;
