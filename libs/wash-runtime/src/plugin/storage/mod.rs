//! What the storage plugins share: names as file names, durable files, memory budgets, and the choice of a backend.
//!
//! It knows neither keys and values nor objects.

pub(crate) mod budget;
pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod names;
mod room;
pub(crate) mod roots;
pub(crate) mod tenants;
