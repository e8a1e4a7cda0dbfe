//! Journeys across the binaries; the tests are in this package's `tests/` folder.
