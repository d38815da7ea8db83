//! Writes layers to the store named by the first argument, one after the other from the number in
//! the second, and says on standard output which one is stored; ends at the first error, which it
//! prints as a person would see it.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use lazaret_model::{ContentId, Digest, EntryPath, FileEntry, FileKind, LayerFacts};
use lazaret_store::{LayerRecord, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap();
    let first: u64 = args.next().unwrap().parse().unwrap();
    let most: u64 = args.next().map_or(u64::MAX, |n| n.parse().unwrap());
    let store = match Store::open(&url).await {
        Ok(store) => store,
        Err(e) => return println!("error: {e}"),
    };
    println!("open");
    for number in (first..).take(usize::try_from(most).unwrap_or(usize::MAX)) {
        // What a layer of 500 files gives; the same for the same number.
        let seed = *blake3::hash(&number.to_le_bytes()).as_bytes();
        let diff_id = Digest::sha256(&seed);
        let contents: Vec<(ContentId, Vec<u8>)> = (0..20u8)
            .map(|n| {
                let bytes = [seed.as_slice(), &[n]].concat().repeat(40);
                (ContentId(*blake3::hash(&bytes).as_bytes()), bytes)
            })
            .collect();
        let entries = (0..500u32).map(|n| FileEntry {
            path: EntryPath::from(format!("usr/lib/{number}/{n}").as_str()),
            kind: FileKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 10,
            mtime: 0,
            content: Some(ContentId(*blake3::hash(&n.to_le_bytes()).as_bytes())),
            xattrs: Vec::new(),
            whiteout: None,
        });
        let facts = LayerFacts {
            diff_id: Some(diff_id.clone()),
            entries: entries.collect(),
            kept: contents.iter().map(|(id, _)| *id).collect(),
            bytes: 5000,
            complete: true,
            ..LayerFacts::default()
        };
        let record = LayerRecord {
            diff_id: &diff_id,
            analyzers: "1",
            facts: Some(&facts),
            byte_rules: "1",
            matches: &[],
            contents: &contents,
        };
        if let Err(e) = store.put_layer(record).await {
            return println!("error: {e}");
        }
        println!("stored {number}");
    }
}
