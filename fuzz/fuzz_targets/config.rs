//! Any configuration.
#![no_main]

use lazaret_oci::ParsedConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = ParsedConfig::parse(data);
});
