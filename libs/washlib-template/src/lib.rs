//! washlib-template.
