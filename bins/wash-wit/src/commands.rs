//! The commands, a file each.

pub(crate) mod add;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod clean;
pub(crate) mod fetch;
mod fitting;
pub(crate) mod outdated;
pub(crate) mod publish;
pub(crate) mod remove;
pub(crate) mod tree;
pub(crate) mod update;
pub(crate) mod vendor;
pub(crate) mod why;
