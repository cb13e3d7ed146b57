//! An OpenWire client for the tests and the tools
