//! washlib-test.
