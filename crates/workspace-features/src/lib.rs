//! No code. Cargo chooses a third-party crate's features from what is built, so that the program
//! alone, the tests and `xtask` would each compile the same large crates again, with other features.
//! This crate, which the program and `xtask` depend on, asks for all of those features at once.
