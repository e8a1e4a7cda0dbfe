//! washlib-build.
