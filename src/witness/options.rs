//! The options of `kahawai witness`.

use std::path::PathBuf;

use clap::Args;
use kahawai_config::value::bind_address;

/// Options of `kahawai witness`.
#[derive(Debug, Args)]
pub(crate) struct WitnessOptions {
    /// Where to listen for the brokers. There is no secret yet: whoever reaches it can say which of a pair may serve.
    #[arg(long, value_name = "HOST:PORT", value_parser = bind_address, default_value = "127.0.0.1:61690")]
    pub(crate) bind: String,

    /// Where the records are kept; made where there is none, but not what is above it.
    #[arg(long, value_name = "DIR", default_value = "./witness")]
    pub(crate) directory: PathBuf,
}
