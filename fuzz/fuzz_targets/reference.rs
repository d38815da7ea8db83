//! Any text as a reference: what is understood reads the same when it is written out.
#![no_main]

use lazaret_model::{Digest, ImageRef, Platform, RegistryRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = text.parse::<ImageRef>();
    let _ = text.parse::<Platform>();
    let _ = text.parse::<Digest>();
    if let Ok(reference) = text.parse::<RegistryRef>() {
        // Written out, an absent tag is `latest`; from there on nothing changes.
        let written = reference.to_string();
        assert_eq!(written.parse::<RegistryRef>().map(|again| again.to_string()), Ok(written));
    }
});
