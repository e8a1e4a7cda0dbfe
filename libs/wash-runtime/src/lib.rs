//! wash-runtime.
