//! What a program asks its libraries for.

use object::elf;
use object::read::elf::{FileHeader, Sym};
use object::{Endianness, ReadRef};

use super::{Dynamic, MOST_SYMBOLS, slice};

/// Sets of functions, each with how many of them must be there. One of them alone is in many honest
/// programs; what they are good for together is not.
const SETS: [(&str, usize, &[&[u8]]); 5] = [
    ("bpf", 1, &[b"bpf_prog_load", b"bpf_load_program", b"bpf_object__load", b"bpf_program__attach"]),
    ("kernel-module", 1, &[b"init_module", b"finit_module"]),
    (
        "packet-capture",
        2,
        &[
            b"pcap_open_live",
            b"pcap_loop",
            b"pcap_next_ex",
            b"pcap_dispatch",
            b"pcap_compile",
            b"pcap_setfilter",
        ],
    ),
    ("process-injection", 2, &[b"ptrace", b"process_vm_writev", b"process_vm_readv"]),
    ("program-from-memory", 2, &[b"memfd_create", b"fexecve", b"execveat"]),
];

/// The sets of which the program imports enough, sorted.
pub(super) fn sets<H: FileHeader<Endian = Endianness>>(
    dynamic: &Dynamic<'_>,
    endian: Endianness,
) -> Vec<String> {
    let (Some(symbols), Some(strings), Some(count)) =
        (dynamic.symbols, dynamic.strings, dynamic.symbol_count)
    else {
        return Vec::new();
    };
    let size = std::mem::size_of::<H::Sym>();
    let mut seen = [0u32; SETS.len()];
    for index in 1..count.min(MOST_SYMBOLS).min((symbols.len() / size) as u64) {
        let Ok(symbol) = symbols.read_at::<H::Sym>(index * size as u64) else { break };
        if symbol.st_shndx(endian) != elf::SHN_UNDEF {
            continue;
        }
        let name = slice(strings, u64::from(symbol.st_name(endian)), 24);
        let Some(end) = memchr::memchr(0, name) else { continue };
        for (set, (_, _, functions)) in seen.iter_mut().zip(&SETS) {
            if let Some(at) = functions.iter().position(|function| *function == &name[..end]) {
                *set |= 1 << at;
            }
        }
    }
    SETS.iter()
        .zip(seen)
        .filter(|((_, least, _), seen)| seen.count_ones() as usize >= *least)
        .map(|((name, _, _), _)| (*name).to_owned())
        .collect()
}
