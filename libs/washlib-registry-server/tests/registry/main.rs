//! The registry as its clients meet it: real connections to a real server, over a real folder.
//!
//! `pull`, `push`, `discovery` and `management` follow the categories of the distribution specification's conformance
//! tests, requirement by requirement.

mod client;
mod connections;
mod discovery;
mod hostile;
mod layouts;
mod management;
mod pull;
mod push;
mod quirks;
mod running;
