//! Nothing: the components are examples.
