//! What a few bytes promise takes no memory: the only test of its process, whose address space is watched.

use bytes::Bytes;
use kahawai_store::codec::{VERSION, decode_batch, decode_batch_whole, decode_message};

/// The most address space this process has ever had, from the kernel, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).expect("VmPeak is told");
    let kibibytes = line.split_whitespace().nth(1).expect("a number").parse::<usize>().expect("a number");
    kibibytes * 1024
}

#[test]
fn promises_take_no_memory() {
    const INPUT: usize = 16 << 20;
    // A count of 2⁶³ and more, then bytes that are no operation; and the same in a preparation.
    let count = [0xff; 9].iter().copied().chain([0x01]).collect::<Vec<u8>>();
    let prepare = [&[9u8, 0, 0, 0][..], &count].concat();
    let rubbish = vec![0xee; INPUT];
    let lying = [&[VERSION], &count[..], &rubbish].concat();
    let nested = [&[VERSION], &count[..], &prepare, &rubbish].concat();
    // A length of 2⁶² for a name, for a message, for a header.
    let length = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f];
    let name = [&[VERSION, 1, 1, 1, 0], &length[..], &rubbish].concat();
    let message = [&[VERSION, 1, 5, 1, 1, 0], &length[..], &rubbish].concat();
    let header = [&length[..], &rubbish].concat();

    let before = peak();
    for bytes in [&lying, &nested, &name, &message] {
        decode_batch(bytes).expect_err("is no batch");
    }
    let taken = peak() - before;
    assert!(taken < INPUT, "{taken} bytes were taken for {INPUT} that are no batch");
    decode_batch_whole(&Bytes::from(lying)).expect_err("is no batch");
    decode_message(&Bytes::from(header)).expect_err("is no message");
    let taken = peak() - before;
    assert!(taken < INPUT, "{taken} bytes were taken for {INPUT} that are nothing");
}
