//! A tar of any bytes: nothing is lost, every number is one that was counted.
#![no_main]

use std::ops::ControlFlow;

use lazaret_model::{Algorithm, Budget, Fact, FileEntry, Layer};
use lazaret_oci::{LayerSink, Owner, Piece, digest_of, read_layer};
use libfuzzer_sys::fuzz_target;

struct Check {
    entries: usize,
    open: bool,
}

impl LayerSink for Check {
    fn entry(&mut self, entry: FileEntry) -> ControlFlow<()> {
        assert!(!self.open, "the content before was not ended");
        assert!(!entry.path.as_bytes().split(|&b| b == b'/').any(|part| part == b".."));
        self.entries += 1;
        ControlFlow::Continue(())
    }

    fn content(&mut self, owner: Owner, piece: Piece) -> ControlFlow<()> {
        match owner {
            Owner::Entry(number) => {
                assert_eq!(number + 1, self.entries);
                assert!(piece.offset + piece.bytes.len() as u64 <= piece.size);
                self.open = !piece.last;
            }
            Owner::Outside => assert!(piece.last),
        }
        ControlFlow::Continue(())
    }

    fn fact(&mut self, _: Fact) {}
}

fuzz_target!(|data: &[u8]| {
    let layer = Layer {
        index: 0,
        digest: digest_of(Algorithm::Sha256, data),
        diff_id: None,
        media_type: String::new(),
        size: data.len() as u64,
        history: None,
        foreign_urls: Vec::new(),
    };
    // Small limits, so that windows and expansion are reached.
    let budget = Budget { whole_file: 1 << 18, layer_bytes: 64 << 20, ..Budget::default() };
    let mut sink = Check { entries: 0, open: false };
    let read = read_layer(data, &layer, &budget, None, &mut sink);
    assert!(read.blob_ok, "the digest is right by construction");
    assert_eq!(read.entries as usize, sink.entries);
    if !read.complete {
        assert!(read.gaps.iter().any(|gap| gap.matters), "an unread layer without a gap");
    }
});
