//! Nothing: the components and services of this package stand beside it.
