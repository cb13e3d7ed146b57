//! Any bytes are a batch or an error; what decodes, encodes to something that decodes to the same.

#![no_main]

use bytes::Bytes;
use kahawai_store::codec::{decode_batch, decode_batch_whole, encode_batch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let input = Bytes::copy_from_slice(input);
    let spanned = decode_batch(&input);
    let Ok(batch) = decode_batch_whole(&input) else { return };
    assert!(spanned.is_ok(), "a batch with its messages is a batch without");
    let mut encoded = Vec::new();
    encode_batch(batch.clone(), &mut encoded);
    let again = decode_batch_whole(&Bytes::from(encoded)).expect("what was encoded decodes");
    assert_eq!(again, batch);
});
