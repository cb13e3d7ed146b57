//! `kahawai bench store`
pub(crate) mod options;
use crate::exit::Failure;
pub(crate) fn run(_options: &options::StoreBenchOptions) -> Result<(), Failure> {
    Ok(())
}
