//! x
#![allow(dead_code)]
mod backend;
mod filesystem;
mod memory;
#[cfg(test)]
mod tests;
