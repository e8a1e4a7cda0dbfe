//! washlib-component.
