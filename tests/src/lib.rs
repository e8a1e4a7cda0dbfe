//! Journeys across the binaries, and the rules that the whole workspace keeps. All of it stands in the folder `tests`.
