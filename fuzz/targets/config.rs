#![no_main]

libfuzzer_sys::fuzz_target!(
    |bytes: &[u8]| muster_fuzz::properties::config(&String::from_utf8_lossy(bytes))
);
