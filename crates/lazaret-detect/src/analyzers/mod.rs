//! One file for each format that is read, or thing that is looked for.

mod bundle;
mod elf;
mod endpoint;
mod hash;
mod host;
mod maven;
mod miner_config;
mod onion;
mod pool;
mod runs;
mod ssh_key;
mod text;
mod wallet;

pub(crate) use elf::{elf_end, elf_packer, elf_room, entropy};
pub use host::{indicators_in_text, is_dynamic_dns};
pub(crate) use pool::holds_wallet;
pub use text::{TextContent, text_content};
pub(crate) use text::{is_bulk, is_script, is_text};
pub(crate) use wallet::ethereum_login;

use lazaret_model::{Fact, FactKind, Indicator};

use crate::{Analyzer, Subject};

/// Every built-in analyzer, in the order in which they run. The hash comes last, because whether
/// a content is worth one depends on what the others said.
pub(crate) fn built_in() -> Vec<Box<dyn Analyzer>> {
    vec![
        Box::new(text::Text),
        Box::new(elf::Elf),
        Box::new(maven::Maven),
        Box::new(bundle::Bundle),
        Box::new(wallet::Wallets),
        Box::new(pool::Pools),
        Box::new(onion::Onions),
        Box::new(endpoint::Endpoints),
        Box::new(miner_config::MinerConfigs),
        Box::new(ssh_key::SshKeys),
    ]
}

/// What runs after all others, byte rules included.
pub(crate) fn last() -> Box<dyn Analyzer> {
    Box::new(hash::Hash)
}

/// States indicators with their offsets and, in text, their lines.
///
/// Lines are counted once through, so a file full of indicators costs no more than its length.
pub(crate) fn state(subject: &Subject<'_>, mut found: Vec<(usize, Indicator)>, facts: &mut Vec<Fact>) {
    if found.is_empty() {
        return;
    }
    found.sort();
    let text = subject.offset == 0 && is_text(subject.bytes);
    let (mut line, mut counted) = (1u32, 0);
    for (at, indicator) in found {
        let at = at.min(subject.bytes.len());
        line += memchr::memchr_iter(b'\n', &subject.bytes[counted..at]).count() as u32;
        counted = at;
        facts.push(Fact {
            line: text.then_some(line),
            offset: Some(subject.offset + at as u64),
            ..subject.fact(FactKind::Indicator(indicator))
        });
    }
}
