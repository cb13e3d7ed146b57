//! Any bytes are a question to a witness that is written as it was read, or are answered and change nothing; any bytes are an answer or none. A sum that
//! fits is put round them as well.

#![no_main]

use kahawai_replication::witness::message::{Answer, MESSAGE_MAX, Question, is_complete};
use kahawai_replication::witness::{PairName, Records, answer};
use kahawai_replication::{ArbiterError, Held, Record, Version};
use libfuzzer_sys::fuzz_target;

/// Holds nothing, and takes everything.
struct Nothing;

impl Records for Nothing {
    fn read(&self, _name: &PairName) -> Result<Held, ArbiterError> {
        Ok(Held::default())
    }

    fn replace(&self, name: &PairName, _version: Version, record: &Record) -> Result<bool, ArbiterError> {
        assert!(!name.as_str().contains('/') && !name.as_str().starts_with('.'));
        assert!(record.in_sync.contains(&record.master));
        Ok(true)
    }
}

fn look(bytes: &[u8]) {
    if let Ok(Some(question)) = Question::decode(bytes) {
        assert_eq!(question.encode(), bytes);
    }
    if let Ok(Some(answer)) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
    }
    let told = answer(bytes, &Nothing);
    assert_eq!(told.is_some(), is_complete(bytes));
    assert!(told.is_some() || bytes.len() < MESSAGE_MAX, "nothing is kept beyond that");
    if let Some(told) = told {
        assert!(matches!(Answer::decode(&told), Ok(Some(_))));
    }
}

fuzz_target!(|input: &[u8]| {
    look(input);
    // What only a program of ours would write is reached too.
    let mut sealed = b"KAHAWIT\n\x01\x00".to_vec();
    sealed.extend_from_slice(&(input.len() as u16).to_le_bytes());
    sealed.extend_from_slice(input);
    let crc = crc32fast::hash(&sealed);
    sealed.extend_from_slice(&crc.to_le_bytes());
    look(&sealed);
    // And a record with its own.
    let mut body = vec![2];
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(b"\x01\x00aKAHAPAI\n\x01\x00");
    body.extend_from_slice(input);
    let crc = crc32fast::hash(&body[12..]);
    body.extend_from_slice(&crc.to_le_bytes());
    let mut sealed = b"KAHAWIT\n\x01\x00".to_vec();
    sealed.extend_from_slice(&(body.len() as u16).to_le_bytes());
    sealed.extend_from_slice(&body);
    let crc = crc32fast::hash(&sealed);
    sealed.extend_from_slice(&crc.to_le_bytes());
    look(&sealed);
});
