//! The workload's own network by itself, and guests that use it and try to get out of it.
//!
//! Guests run in stores of their own here, without a host around them.

mod guests;
#[cfg(target_os = "linux")]
mod outside;
mod policy_of_guests;
mod virtual_network;
