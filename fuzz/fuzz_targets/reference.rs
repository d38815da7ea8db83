//! Any text as a reference: what is understood reads the same when it is written out.
#![no_main]

use lazaret_model::{Digest, ImageRef, Platform, RegistryRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = text.parse::<ImageRef>();
    let _ = text.parse::<Platform>();
    let _ = text.parse::<Digest>();
    if let Ok(reference) = text.parse::<RegistryRef>() {
        assert_eq!(reference.to_string().parse::<RegistryRef>().as_ref(), Ok(&reference));
    }
});
