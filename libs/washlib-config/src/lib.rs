//! washlib-config.
