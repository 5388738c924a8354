#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| reconciled_fuzz::sns::certificate(data));
