//! The storage contract on SQL databases
