//! `wash` as people meet it: the built program among stand-in tools. What tools do is their own tests' business.

mod answers;
mod environment;
mod errors;
mod forwarding;
mod search;
