//! What an ELF file is, read as the kernel reads it.

use lazaret_model::{Fact, FactKind};
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{Endianness, ReadRef};

use crate::{Analyzer, Subject};

mod built;
mod packer;
mod symbols;

pub(crate) use packer::entropy;

/// States what an ELF file is.
///
/// Header and program headers decide, because they are all that the kernel looks at
/// (`fs/binfmt_elf.c`): not even the class and byte-order marks of the identification are checked
/// there, so a file with nonsense in them or in its section table still runs, and is still read
/// here.
pub(crate) struct Elf;

impl Analyzer for Elf {
    fn name(&self) -> &'static str {
        "elf"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.offset == 0 && subject.bytes.starts_with(&elf::ELFMAG)
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let bytes = subject.bytes;
        let Some((wide, endian)) = layout(bytes) else { return Ok(()) };
        let kinds = if wide {
            read::<FileHeader64<Endianness>>(bytes, endian, subject.is_whole())
        } else {
            read::<FileHeader32<Endianness>>(bytes, endian, subject.is_whole())
        };
        facts.extend(kinds.into_iter().map(|kind| subject.fact(kind)));
        Ok(())
    }
}

/// Whether the headers are 64-bit, and their byte order.
///
/// The kernel goes by the machine and then needs the size of a program header to be exactly right,
/// so these two tell more than the marks; those decide for machines that have both sizes, and where
/// there are no program headers (object files).
fn layout(bytes: &[u8]) -> Option<(bool, Endianness)> {
    let word = |at: usize, endian: Endianness| -> Option<u16> {
        let pair = *bytes.get(at..)?.first_chunk::<2>()?;
        Some(if endian == Endianness::Little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let claimed_endian = if bytes.get(5) == Some(&2) { Endianness::Big } else { Endianness::Little };
    let claimed_wide = bytes.get(4) != Some(&1);
    let (first_wide, first_endian) = match word(18, Endianness::Little).map(elf::Machine) {
        Some(elf::EM_X86_64) => (true, Endianness::Little),
        Some(elf::EM_AARCH64) => (true, claimed_endian),
        Some(elf::EM_386) => (false, Endianness::Little),
        Some(elf::EM_ARM) => (false, claimed_endian),
        _ => (claimed_wide, claimed_endian),
    };
    for endian in [first_endian, Endianness::Little, Endianness::Big] {
        for wide in [first_wide, !first_wide] {
            let (at, size) = if wide { (54, 56) } else { (42, 32) };
            if word(at, endian) == Some(size) {
                return Some((wide, endian));
            }
        }
    }
    (bytes.len() >= if claimed_wide { 64 } else { 52 }).then_some((claimed_wide, claimed_endian))
}

/// One loadable piece of the file.
struct Load<'a> {
    address: u64,
    data: &'a [u8],
    runs: bool,
}

/// What the rest of the reading needs to know of the program headers.
#[derive(Default)]
struct Segments<'a> {
    loads: Vec<Load<'a>>,
    interpreter: Option<String>,
    dynamic: Option<(u64, u64)>,
}

impl<'a> Segments<'a> {
    fn read<H: FileHeader<Endian = Endianness>>(header: &H, endian: Endianness, bytes: &'a [u8]) -> Self {
        let mut out = Self::default();
        let count = usize::from(header.e_phnum(endian));
        let start: u64 = header.e_phoff(endian).into();
        let size = std::mem::size_of::<H::ProgramHeader>() as u64;
        for index in 0..count as u64 {
            let Some(at) = start.checked_add(index * size) else { break };
            // A table that runs over the end is read as far as it goes.
            let Ok(segment) = bytes.read_at::<H::ProgramHeader>(at) else { break };
            let offset: u64 = segment.p_offset(endian).into();
            let length: u64 = segment.p_filesz(endian).into();
            let data = slice(bytes, offset, length);
            match segment.p_type(endian) {
                elf::PT_LOAD => out.loads.push(Load {
                    address: segment.p_vaddr(endian).into(),
                    data,
                    runs: segment.p_flags(endian).contains(elf::PF_X),
                }),
                // The kernel takes the first.
                elf::PT_INTERP if out.interpreter.is_none() => out.interpreter = Some(c_text(data, 4096)),
                elf::PT_DYNAMIC => out.dynamic = Some((offset, length)),
                _ => {}
            }
        }
        out
    }

    /// The file's bytes from virtual address `address` to the end of its segment.
    fn at(&self, address: u64) -> Option<&'a [u8]> {
        self.loads.iter().find_map(|load| {
            let offset = usize::try_from(address.checked_sub(load.address)?).ok()?;
            load.data.get(offset..).filter(|rest| !rest.is_empty())
        })
    }

    /// The executable segment with the most bytes.
    fn code(&self) -> &'a [u8] {
        self.loads
            .iter()
            .filter(|load| load.runs)
            .map(|load| load.data)
            .max_by_key(|data| data.len())
            .unwrap_or(&[])
    }
}

/// The part of `bytes` that a range names, as far as it is there.
fn slice(bytes: &[u8], offset: u64, length: u64) -> &[u8] {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
    &bytes[start..end]
}

/// The text before the first zero byte, at most `most` bytes.
fn c_text(bytes: &[u8], most: usize) -> String {
    let bytes = &bytes[..bytes.len().min(most)];
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// What the dynamic section says.
#[derive(Default)]
struct Dynamic<'a> {
    needed: Vec<String>,
    pie: bool,
    symbols: Option<&'a [u8]>,
    symbol_count: Option<u64>,
    strings: Option<&'a [u8]>,
}

/// The most libraries that one file can sensibly need.
const MOST_NEEDED: usize = 512;

impl<'a> Dynamic<'a> {
    fn read<H: FileHeader<Endian = Endianness>>(
        segments: &Segments<'a>,
        endian: Endianness,
        bytes: &'a [u8],
    ) -> Self {
        let mut out = Self::default();
        let Some((offset, length)) = segments.dynamic else { return out };
        let entry = std::mem::size_of::<H::Dyn>() as u64;
        let (mut strings_at, mut symbols_at, mut needed) = (None, None, Vec::new());
        let (mut hash_at, mut gnu_hash_at) = (None, None);
        for index in 0..length / entry {
            let Some(at) = offset.checked_add(index * entry) else { break };
            let Ok(entry) = bytes.read_at::<H::Dyn>(at) else { break };
            let value = entry.val(endian);
            match entry.tag(endian) {
                elf::DT_NULL => break,
                elf::DT_NEEDED if needed.len() < MOST_NEEDED => needed.push(value),
                elf::DT_STRTAB => strings_at = Some(value),
                elf::DT_SYMTAB => symbols_at = Some(value),
                elf::DT_HASH => hash_at = Some(value),
                elf::DT_GNU_HASH => gnu_hash_at = Some(value),
                elf::DT_FLAGS_1 => out.pie = value & PIE != 0,
                _ => {}
            }
        }
        out.strings = strings_at.and_then(|at| segments.at(at));
        out.symbols = symbols_at.and_then(|at| segments.at(at));
        let text = |at: u64| slice(out.strings.unwrap_or_default(), at, 256);
        out.needed =
            needed.into_iter().map(|at| c_text(text(at), 255)).filter(|name| !name.is_empty()).collect();
        let size = std::mem::size_of::<H::Sym>() as u64;
        out.symbol_count = hash_at
            .and_then(|at| segments.at(at))
            .and_then(|table| table.get(4..8)?.first_chunk::<4>().map(|raw| u64::from(word(*raw, endian))))
            .or_else(|| gnu_symbol_count(segments.at(gnu_hash_at?)?, H::is_type_64_sized(), endian))
            // The string table follows the symbols in all that linkers write.
            .or_else(|| strings_at?.checked_sub(symbols_at?).map(|bytes| bytes / size));
        out
    }
}

/// `DF_1_PIE` of `DT_FLAGS_1`.
const PIE: u64 = 0x0800_0000;

fn word(raw: [u8; 4], endian: Endianness) -> u32 {
    if endian == Endianness::Little { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) }
}

/// How many symbols a GNU hash table knows of: its longest chain ends at the last symbol.
fn gnu_symbol_count(table: &[u8], wide: bool, endian: Endianness) -> Option<u64> {
    let at = |index: usize| -> Option<u32> { Some(word(*table.get(index..)?.first_chunk::<4>()?, endian)) };
    let (buckets, first, bloom) = (at(0)? as usize, at(4)? as usize, at(8)? as usize);
    let buckets_at = 16usize.checked_add(bloom.checked_mul(if wide { 8 } else { 4 })?)?;
    let chains_at = buckets_at.checked_add(buckets.checked_mul(4)?)?;
    let list = table.get(buckets_at..chains_at)?;
    let last = list.chunks_exact(4).map(|raw| word([raw[0], raw[1], raw[2], raw[3]], endian)).max()? as usize;
    let mut symbol = last;
    let mut chain = chains_at.checked_add(last.checked_sub(first)?.checked_mul(4)?)?;
    while at(chain)? & 1 == 0 {
        chain = chain.checked_add(4)?;
        symbol += 1;
    }
    Some(symbol as u64 + 1)
}

fn read<H: FileHeader<Endian = Endianness>>(bytes: &[u8], endian: Endianness, whole: bool) -> Vec<FactKind> {
    // Not `H::parse`, which refuses what the kernel does not look at.
    let Ok(header) = bytes.read_at::<H>(0) else { return Vec::new() };
    let segments = Segments::read(header, endian, bytes);
    let dynamic = Dynamic::read::<H>(&segments, endian, bytes);
    let sections = Sections::read(header, endian, bytes, whole);
    let code = segments.code();
    let entropy = packer::entropy(code);
    let entry: u64 = header.e_entry(endian).into();
    let kind = header.e_type(endian);
    let starts = segments.loads.iter().any(|load| {
        load.runs
            && entry != 0
            && entry.checked_sub(load.address).is_some_and(|at| at < load.data.len() as u64)
    });
    let executable = match kind {
        elf::ET_EXEC => !segments.loads.is_empty(),
        // A program that is loaded anywhere is a shared object with an interpreter or the mark of
        // one. Without a dynamic section there is nothing that could be linked against.
        elf::ET_DYN => segments.interpreter.is_some() || dynamic.pie || segments.dynamic.is_none() && starts,
        _ => false,
    };
    let headers_end = {
        let size = std::mem::size_of::<H::ProgramHeader>() as u64;
        let table: u64 = header.e_phoff(endian).into();
        table.saturating_add(size * u64::from(header.e_phnum(endian)))
    };
    let runs = kind == elf::ET_EXEC || kind == elf::ET_DYN;
    let packer = runs
        .then(|| {
            packer::detect(&packer::Shape {
                bytes,
                whole,
                code,
                entropy,
                headers_end,
                bare: sections.damaged || !sections.code,
                go_names: sections.go_names,
            })
        })
        .flatten();
    let hooks = if kind == elf::ET_DYN && !(executable && dynamic.pie) {
        hooks::<H>(&dynamic, endian)
    } else {
        Vec::new()
    };
    let sets = if runs { symbols::sets::<H>(&dynamic, endian) } else { Vec::new() };
    let go = executable.then(|| built::go(bytes, &|address| segments.at(address), endian)).flatten();
    let mut facts = vec![FactKind::Elf {
        bits: if H::is_type_64_sized() { 64 } else { 32 },
        machine: machine(header.e_machine(endian).0),
        executable,
        interpreter: segments.interpreter,
        needed: dynamic.needed,
        stripped: sections.stripped,
        packer: packer.map(str::to_owned),
        damaged_sections: sections.damaged,
        entropy,
        hooks,
    }];
    if !sets.is_empty() {
        facts.push(FactKind::ElfImports { sets });
    }
    facts.extend(go);
    facts.extend(sections.crates.and_then(built::rust));
    facts
}

/// Where the bytes end that the headers of a program name; None where `bytes` begins with no header.
/// It may lie beyond the end of the file.
pub(crate) fn elf_end(bytes: &[u8]) -> Option<usize> {
    let (wide, endian) = layout(bytes)?;
    if wide {
        extent::<FileHeader64<Endianness>>(bytes, endian)
    } else {
        extent::<FileHeader32<Endianness>>(bytes, endian)
    }
}

fn extent<H: FileHeader<Endian = Endianness>>(bytes: &[u8], endian: Endianness) -> Option<usize> {
    let header: &H = bytes.read_at::<H>(0).ok()?;
    let mut end = std::mem::size_of::<H>() as u64;
    let mut note = |offset: u64, size: u64| end = end.max(offset.saturating_add(size));
    let size = std::mem::size_of::<H::ProgramHeader>() as u64;
    let (table, count): (u64, u64) = (header.e_phoff(endian).into(), header.e_phnum(endian).into());
    note(table, count * size);
    for index in 0..count {
        let Ok(segment) = bytes.read_at::<H::ProgramHeader>(table.checked_add(index * size)?) else { break };
        note(segment.p_offset(endian).into(), segment.p_filesz(endian).into());
    }
    let (table, count): (u64, u64) = (header.e_shoff(endian).into(), header.e_shnum(endian).into());
    if table > 0 {
        let size = std::mem::size_of::<H::SectionHeader>() as u64;
        note(table, count * size);
        for index in 0..count {
            let Ok(section) = bytes.read_at::<H::SectionHeader>(table.checked_add(index * size)?) else {
                break;
            };
            let kind = section.sh_type(endian);
            if kind != elf::SHT_NOBITS && kind != elf::SHT_NULL {
                note(section.sh_offset(endian).into(), section.sh_size(endian).into());
            }
        }
    }
    usize::try_from(end).ok()
}

/// Bytes of memory that the kernel makes for a program beyond those of its file: where one that is packed
/// unpacks to, and otherwise where its variables without a value are.
pub(crate) fn elf_room(bytes: &[u8]) -> u64 {
    match layout(bytes) {
        Some((true, endian)) => room::<FileHeader64<Endianness>>(bytes, endian),
        Some((false, endian)) => room::<FileHeader32<Endianness>>(bytes, endian),
        None => 0,
    }
}

fn room<H: FileHeader<Endian = Endianness>>(bytes: &[u8], endian: Endianness) -> u64 {
    let Ok(header) = bytes.read_at::<H>(0) else { return 0 };
    let (table, size) = (header.e_phoff(endian).into(), std::mem::size_of::<H::ProgramHeader>() as u64);
    let segments = (0..u64::from(header.e_phnum(endian))).map_while(|index| {
        let at: u64 = table;
        bytes.read_at::<H::ProgramHeader>(at.checked_add(index * size)?).ok()
    });
    let extra = segments.filter(|segment| segment.p_type(endian) == elf::PT_LOAD).map(|segment| {
        let (memory, file): (u64, u64) = (segment.p_memsz(endian).into(), segment.p_filesz(endian).into());
        memory.saturating_sub(file)
    });
    extra.fold(0, u64::saturating_add)
}

/// The packer of a program, as [`FactKind::Elf`] names it; None for what is no program.
pub(crate) fn elf_packer(subject: &Subject<'_>) -> Option<Option<String>> {
    let mut facts = Vec::new();
    // It never fails.
    let _ = Elf.wants(subject).then(|| Elf.analyze(subject, &mut facts));
    facts.into_iter().find_map(|fact| match fact.kind {
        FactKind::Elf { packer, .. } => Some(packer),
        _ => None,
    })
}

/// What the section table says, which nothing at run time needs.
struct Sections<'a> {
    /// Whether one of them holds code.
    code: bool,
    stripped: bool,
    damaged: bool,
    go_names: &'a [u8],
    /// The list of crates that `cargo auditable` leaves.
    crates: Option<&'a [u8]>,
}

impl<'a> Sections<'a> {
    fn read<H: FileHeader<Endian = Endianness>>(
        header: &H,
        endian: Endianness,
        bytes: &'a [u8],
        whole: bool,
    ) -> Self {
        let none = Self { code: false, stripped: true, damaged: false, go_names: &[], crates: None };
        let start: u64 = header.e_shoff(endian).into();
        if start == 0 {
            // A count without a table is what some tools leave when they cut the table off.
            return Self { damaged: header.e_shnum(endian) != 0, ..none };
        }
        // In the first window of a large file the table at the end is out of sight, not damaged.
        let damaged = Self { damaged: whole || start < bytes.len() as u64, ..none };
        let Ok(sections) = header.section_headers(endian, bytes) else { return damaged };
        let names = match header.shstrndx(endian, bytes) {
            Ok(index) => match sections.get(index as usize) {
                Some(table) => slice(bytes, table.sh_offset(endian).into(), table.sh_size(endian).into()),
                None => return damaged,
            },
            // Sections may go without names.
            Err(_) if header.e_shstrndx(endian) == elf::SHN_UNDEF => &[],
            Err(_) => return damaged,
        };
        let mut stripped = true;
        let mut code = false;
        let mut outside = 0usize;
        let mut go_names: &[u8] = &[];
        let mut crates = None;
        for section in sections {
            let kind = section.sh_type(endian);
            let end = section.sh_offset(endian).into().checked_add(section.sh_size(endian).into());
            if kind != elf::SHT_NOBITS
                && kind != elf::SHT_NULL
                && end.is_none_or(|end| end > bytes.len() as u64)
            {
                outside += 1;
            }
            // Only as much of the name as tells: a table without zero bytes must not be gone through
            // once for each section.
            let name = slice(names, u64::from(section.sh_name(endian)), 11);
            stripped &= kind != elf::SHT_SYMTAB && !name.starts_with(b".debug_");
            code |= kind == elf::SHT_PROGBITS
                && section.sh_flags(endian).contains(elf::SHF_EXECINSTR)
                && section.sh_size(endian).into() >= 16;
            if name.starts_with(b".dep-v0\0") {
                crates = Some(slice(bytes, section.sh_offset(endian).into(), section.sh_size(endian).into()));
            }
            if name == b".gopclntab\0" {
                go_names = slice(bytes, section.sh_offset(endian).into(), section.sh_size(endian).into());
            }
        }
        Self { code, stripped, damaged: whole && outside > 0, go_names, crates }
    }
}

/// Functions of the C library that, when a preloaded library has them too, hide files, processes or
/// connections, or catch what is typed. Sorted.
const HOOKS: [&[u8]; 34] = [
    b"__fxstat",
    b"__fxstat64",
    b"__lxstat",
    b"__lxstat64",
    b"__xstat",
    b"__xstat64",
    b"accept",
    b"accept4",
    b"access",
    b"execve",
    b"fopen",
    b"fopen64",
    b"fstatat",
    b"getdents64",
    b"getpwnam",
    b"kill",
    b"lstat",
    b"lstat64",
    b"open",
    b"open64",
    b"openat",
    b"openat64",
    b"opendir",
    b"pam_authenticate",
    b"pcap_loop",
    b"readdir",
    b"readdir64",
    b"readdir64_r",
    b"readdir_r",
    b"rename",
    b"stat",
    b"stat64",
    b"unlink",
    b"unlinkat",
];

/// The most symbols of one file that are looked at; the largest honest libraries have a tenth.
const MOST_SYMBOLS: u64 = 2_000_000;

/// The names of [`HOOKS`] that the file exports, unless it exports so much else that it is a C
/// library itself.
fn hooks<H: FileHeader<Endian = Endianness>>(dynamic: &Dynamic<'_>, endian: Endianness) -> Vec<String> {
    let (Some(symbols), Some(strings), Some(count)) =
        (dynamic.symbols, dynamic.strings, dynamic.symbol_count)
    else {
        return Vec::new();
    };
    let size = std::mem::size_of::<H::Sym>();
    let mut found = Vec::new();
    let mut c_library = 0;
    for index in 1..count.min(MOST_SYMBOLS).min((symbols.len() / size) as u64) {
        let Ok(symbol) = symbols.read_at::<H::Sym>(index * size as u64) else { break };
        let function = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC | elf::STT_NOTYPE);
        if symbol.st_shndx(endian) == elf::SHN_UNDEF || !function {
            continue;
        }
        let name = slice(strings, u64::from(symbol.st_name(endian)), 24);
        let Some(end) = memchr::memchr(0, name) else { continue };
        let name = &name[..end];
        // Only a C library has all of these; a library that hides files has no reason to.
        c_library += usize::from(matches!(
            name,
            b"__libc_start_main" | b"printf" | b"strtok" | b"qsort" | b"getenv" | b"memcpy"
        ));
        if let Ok(at) = HOOKS.binary_search(&name) {
            found.push(at);
        }
    }
    if c_library >= 6 {
        return Vec::new();
    }
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|at| String::from_utf8_lossy(HOOKS[at]).into_owned()).collect()
}

/// The machine as `uname -m` or the linker names it.
fn machine(number: u16) -> String {
    match elf::Machine(number) {
        elf::EM_X86_64 => "x86_64",
        elf::EM_386 => "i386",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_ARM => "arm",
        elf::EM_RISCV => "riscv",
        elf::EM_PPC64 => "ppc64",
        elf::EM_PPC => "ppc",
        elf::EM_S390 => "s390",
        elf::EM_MIPS => "mips",
        elf::EM_LOONGARCH => "loongarch",
        elf::EM_SPARC | elf::EM_SPARCV9 => "sparc",
        elf::EM_BPF => "bpf",
        elf::Machine(number) => return format!("machine-{number}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
