#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| reconciled_fuzz::amazon_pay_mws::report_file(data));
