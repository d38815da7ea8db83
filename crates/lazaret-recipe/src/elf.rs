//! Inert ELF files: a valid header, one loadable segment, code that exits at once, and strings.
//! They carry the look of a program and do nothing. 64-bit, little-endian
//! (System V ABI, chapters 4 and 5).

use lazaret_model::Platform;

use crate::nrv;

/// What an inert program looks like.
#[derive(Default)]
pub(crate) struct ElfSpec {
    machine: Machine,
    shared: bool,
    interp: Option<String>,
    needed: Vec<String>,
    symbols: Vec<String>,
    imports: Vec<String>,
    ifuncs: Vec<String>,
    sections: Vec<String>,
    stripped: bool,
    packed: Option<[u8; 4]>,
    /// Bytes that look compressed.
    noise: usize,
}

#[derive(Clone, Copy, Default)]
enum Machine {
    #[default]
    Amd64,
    Arm64,
    RiscV64,
    Ppc64Le,
}

impl Machine {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "amd64" | "x86_64" => Some(Self::Amd64),
            "arm64" | "aarch64" => Some(Self::Arm64),
            "riscv64" => Some(Self::RiscV64),
            "ppc64le" => Some(Self::Ppc64Le),
            _ => None,
        }
    }

    fn number(self) -> u16 {
        match self {
            Self::Amd64 => 62,
            Self::Arm64 => 183,
            Self::RiscV64 => 243,
            Self::Ppc64Le => 21,
        }
    }

    /// `_exit(0)`.
    fn exit(self) -> &'static [u8] {
        match self {
            Self::Amd64 => b"\xb8\x3c\0\0\0\x31\xff\x0f\x05",
            Self::Arm64 => b"\xa8\x0b\x80\xd2\0\0\x80\xd2\x01\0\0\xd4",
            Self::RiscV64 => b"\x93\x08\xd0\x05\x13\x05\0\0\x73\0\0\0",
            Self::Ppc64Le => b"\x01\0\0\x38\0\0\x60\x38\x02\0\0\x44",
        }
    }
}

impl ElfSpec {
    /// Reads the options of an `ELF` line; the platform gives the machine where none is named.
    pub fn parse(words: &[&str], platform: &Platform) -> Result<Self, String> {
        let mut spec =
            Self { machine: Machine::parse(&platform.architecture).unwrap_or_default(), ..Self::default() };
        for word in words {
            let list = |value: &str| value.split(',').map(str::to_owned).collect();
            match word.split_once('=').unwrap_or((word, "")) {
                ("shared", "") => spec.shared = true,
                ("stripped", "") => spec.stripped = true,
                ("upx", "") => spec.packed = Some(*b"UPX!"),
                // Seen in the wild: the magic is overwritten so that `upx -d` refuses the file.
                ("upx-damaged", "") => spec.packed = Some([0x59, 0x54, 0x53, 0x99]),
                ("arch", name) => {
                    spec.machine = Machine::parse(name).ok_or_else(|| {
                        format!("ELF arch `{name}` is not amd64, arm64, riscv64 or ppc64le")
                    })?;
                }
                ("interp", path) if !path.is_empty() => spec.interp = Some(path.to_owned()),
                ("needed", names) if !names.is_empty() => spec.needed = list(names),
                ("symbols", names) if !names.is_empty() => spec.symbols = list(names),
                ("imports", names) if !names.is_empty() => spec.imports = list(names),
                ("ifuncs", names) if !names.is_empty() => spec.ifuncs = list(names),
                ("sections", names) if !names.is_empty() => spec.sections = list(names),
                ("entropy", kib) => {
                    let kib: usize =
                        kib.parse().ok().filter(|k| *k <= 4096).ok_or("entropy is in KiB, up to 4096")?;
                    spec.noise = kib * 1024;
                }
                _ => return Err(format!("ELF does not know `{word}`")),
            }
        }
        Ok(spec)
    }

    /// Whether the file has a dynamic section.
    fn is_dynamic(&self) -> bool {
        self.shared || self.interp.is_some() || !self.needed.is_empty()
    }
}

/// Bytes without a pattern, the same for the same seed (xorshift64*, G. Marsaglia 2003, S. Vigna 2016).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        out.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    out.truncate(length);
    out
}

fn strings(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| raw(line).unwrap_or_else(|| line.bytes().chain([0]).collect())).collect()
}

/// The bytes of a line that is written `\xHH\xHH…`: they stand as they are, without a zero after them.
fn raw(line: &str) -> Option<Vec<u8>> {
    let digits = line.strip_prefix("\\x")?.split("\\x");
    digits.map(|two| u8::from_str_radix(two, 16).ok().filter(|_| two.len() == 2)).collect()
}

/// Builds the file.
pub(crate) fn build(spec: &ElfSpec, lines: &[&str]) -> Vec<u8> {
    match spec.packed {
        Some(magic) => packed(spec, magic, lines),
        None => plain(spec, lines),
    }
}

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const BASE: u64 = 0x40_0000;

/// What UPX leaves: two segments, no sections, the packer's info blocks after the program headers, the
/// blocks of the packed program, then bytes without a pattern in the place of the loader. The program
/// in it is the one that the same recipe gives unpacked.
fn packed(spec: &ElfSpec, magic: [u8; 4], lines: &[&str]) -> Vec<u8> {
    let inner = plain(spec, lines);
    let length = spec.noise.max(4096);
    let seed = inner
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let start = HEADER + 2 * PROGRAM_HEADER;
    let mut image = vec![0; start];
    // l_info and p_info of UPX's loader: checksum, magic, loader size, version, format; program id,
    // file size, block size. Who overwrites the magic overwrites the sizes as well.
    let size = if magic == *b"UPX!" { inner.len() as u32 } else { 0 };
    image.extend([0x5a, 0x3c, 0x81, 0x77]);
    image.extend(magic);
    image.extend([0xf4, 0x07, 0x0d, 0x16]);
    image.extend([0, 0, 0, 0]);
    image.extend(size.to_le_bytes());
    image.extend(size.to_le_bytes());
    let segments = usize::from(u16::from_le_bytes([inner[56], inner[57]]));
    let headers = HEADER + segments * PROGRAM_HEADER;
    for part in [&inner[..headers], &inner[headers..]] {
        image.extend(block(part));
    }
    image.extend([0; 4]);
    image.extend(magic);
    image.extend([0; 4]);
    image.extend(noise(seed, length));
    let code = image.len() as u64;
    image.extend(spec.machine.exit());
    if magic == *b"UPX!" {
        image.extend(b"$Info: This file is packed with the UPX executable packer http://upx.sf.net $\n\0");
        image.extend(b"$Id: UPX 4.02 Copyright (C) 1996-2023 the UPX Team. All Rights Reserved. $\n\0");
    }
    image.extend(magic);
    image.resize(image.len().next_multiple_of(16), 0);
    let total = image.len() as u64;
    let mut heads = Vec::new();
    program_header(&mut heads, 1, 5, 0, BASE, total, total, 0x1000);
    program_header(&mut heads, 1, 6, 0, BASE + 0x20_0000, 0, inner.len() as u64, 0x1000);
    let file = file_header(spec, 2, BASE + code, 2, 0, 0, 0);
    image[..HEADER].copy_from_slice(&file);
    image[HEADER..start].copy_from_slice(&heads);
    image
}

/// A block of a packed program: size unpacked, size packed, method (2: NRV2B, words of 32 bits), no
/// filter; what does not get smaller is stored.
fn block(part: &[u8]) -> Vec<u8> {
    let packed = nrv::pack(part);
    let data = if packed.len() < part.len() { &packed } else { part };
    let mut out = (part.len() as u32).to_le_bytes().to_vec();
    out.extend((data.len() as u32).to_le_bytes());
    out.extend([2, 0, 0, 0]);
    out.extend(data);
    out
}

/// One section, in file order.
struct Section {
    name: String,
    kind: u32,
    flags: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
    entry: u64,
}

struct Layout {
    image: Vec<u8>,
    sections: Vec<Section>,
}

impl Layout {
    /// Adds a section and returns its index in the section table (the null section is 0).
    fn add(&mut self, name: &str, kind: u32, flags: u64, bytes: &[u8]) -> usize {
        self.image.resize(self.image.len().next_multiple_of(16), 0);
        let offset = self.image.len() as u64;
        self.image.extend(bytes);
        self.sections.push(Section {
            name: name.to_owned(),
            kind,
            flags,
            offset,
            size: bytes.len() as u64,
            link: 0,
            info: 0,
            entry: 0,
        });
        self.sections.len()
    }

    fn section(&mut self, index: usize) -> &mut Section {
        &mut self.sections[index - 1]
    }

    fn offset(&self, index: usize) -> u64 {
        self.sections[index - 1].offset
    }

    fn size(&self, index: usize) -> u64 {
        self.sections[index - 1].size
    }
}

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const HASH: u32 = 5;
const DYNAMIC: u32 = 6;
const DYNSYM: u32 = 11;
const ALLOC: u64 = 2;
const ALLOC_EXEC: u64 = 6;
const ALLOC_WRITE: u64 = 3;

fn plain(spec: &ElfSpec, lines: &[&str]) -> Vec<u8> {
    let dynamic = spec.is_dynamic();
    let base = if dynamic { 0 } else { BASE };
    let segments = 2 + usize::from(spec.interp.is_some()) + usize::from(dynamic);
    let mut layout = Layout { image: vec![0; HEADER + segments * PROGRAM_HEADER], sections: Vec::new() };

    let interp = spec.interp.as_ref().map(|path| {
        let bytes = [path.as_bytes(), b"\0"].concat();
        layout.add(".interp", PROGBITS, ALLOC, &bytes)
    });
    let text = layout.add(".text", PROGBITS, ALLOC_EXEC, spec.machine.exit());
    layout.add(".rodata", PROGBITS, ALLOC, &strings(lines));
    if spec.noise > 0 {
        let bytes = noise(spec.noise as u64 ^ 0x5eed, spec.noise);
        layout.add(".data", PROGBITS, ALLOC_WRITE, &bytes);
    }
    for name in &spec.sections {
        layout.add(name, PROGBITS, ALLOC, &[0; 16]);
    }

    let entry = base + layout.offset(text);
    let (symbols, mut names) = symbol_table(spec, entry, text as u16);
    let dynamic_section = if dynamic {
        let needed: Vec<u64> = spec.needed.iter().map(|name| add_name(&mut names, name)).collect();
        let symtab = symbol_section(&mut layout, ".dynsym", DYNSYM, ".dynstr", &symbols, &names);
        let count = symbols.len() as u32 / 24;
        // One bucket; every symbol is chained to the next (System V ABI, "Hash Table").
        let chain = (1..count).map(|i| if i + 1 < count { i + 1 } else { 0 });
        let first = u32::from(count > 1);
        let words: Vec<u32> = [1, count, first, 0].into_iter().chain(chain).collect();
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let hash = layout.add(".hash", HASH, ALLOC, &bytes);
        layout.section(hash).link = symtab as u32;
        let strtab = symtab + 1;
        let mut tags: Vec<(u64, u64)> = needed.into_iter().map(|at| (1, at)).collect();
        tags.extend([
            (4, base + layout.offset(hash)),
            (5, base + layout.offset(strtab)),
            (6, base + layout.offset(symtab)),
            (10, layout.size(strtab)),
            (11, 24),
            (0, 0),
        ]);
        let bytes: Vec<u8> =
            tags.iter().flat_map(|(t, v)| [t.to_le_bytes(), v.to_le_bytes()].concat()).collect();
        let section = layout.add(".dynamic", DYNAMIC, ALLOC_WRITE, &bytes);
        layout.section(section).link = strtab as u32;
        layout.section(section).entry = 16;
        Some(section)
    } else {
        if symbols.len() > 24 {
            symbol_section(&mut layout, ".symtab", SYMTAB, ".strtab", &symbols, &names);
        }
        None
    };

    let loaded = layout.image.len() as u64;
    let mut heads = Vec::new();
    if let Some(index) = interp {
        let (at, size) = (layout.offset(index), layout.size(index));
        program_header(&mut heads, 3, 4, at, base + at, size, size, 1);
    }
    program_header(&mut heads, 1, 5, 0, base, loaded, loaded, 0x1000);
    if let Some(index) = dynamic_section {
        let (at, size) = (layout.offset(index), layout.size(index));
        program_header(&mut heads, 2, 6, at, base + at, size, size, 8);
    }
    program_header(&mut heads, 0x6474_e551, 6, 0, 0, 0, 0, 16);

    let (table_at, table_count) = if spec.stripped { (0, 0) } else { section_table(&mut layout, base) };
    let kind = if dynamic { 3 } else { 2 };
    let entry = if spec.shared { 0 } else { entry };
    let last = table_count.max(1) - 1;
    let header = file_header(spec, kind, entry, segments as u16, table_at, table_count, last);
    layout.image[..HEADER].copy_from_slice(&header);
    layout.image[HEADER..HEADER + heads.len()].copy_from_slice(&heads);
    layout.image
}

fn add_name(names: &mut Vec<u8>, name: &str) -> u64 {
    let at = names.len() as u64;
    names.extend(name.bytes());
    names.push(0);
    at
}

/// The symbols and their names; the first symbol is the null one.
fn symbol_table(spec: &ElfSpec, address: u64, section: u16) -> (Vec<u8>, Vec<u8>) {
    let mut symbols = vec![0; 24];
    let mut names = vec![0];
    let groups = [
        (&spec.imports, 0x12, 0, 0),
        (&spec.symbols, 0x12, section, address),
        (&spec.ifuncs, 0x1a, section, address),
    ];
    for (list, info, index, value) in groups {
        for name in list {
            let at = add_name(&mut names, name) as u32;
            symbols.extend(at.to_le_bytes());
            symbols.extend([info, 0]);
            symbols.extend(index.to_le_bytes());
            symbols.extend(value.to_le_bytes());
            symbols.extend([0; 8]);
        }
    }
    (symbols, names)
}

/// Adds a symbol table and, right after it, its string table.
fn symbol_section(
    layout: &mut Layout,
    name: &str,
    kind: u32,
    strings_name: &str,
    symbols: &[u8],
    names: &[u8],
) -> usize {
    let flags = if kind == DYNSYM { ALLOC } else { 0 };
    let index = layout.add(name, kind, flags, symbols);
    let strings = layout.add(strings_name, STRTAB, flags, names);
    let section = layout.section(index);
    section.link = strings as u32;
    section.info = 1;
    section.entry = 24;
    index
}

/// Appends the section names and the section table; returns where it is and its length.
fn section_table(layout: &mut Layout, base: u64) -> (u64, u16) {
    let mut names = vec![0];
    let mut at: Vec<u64> = layout.sections.iter().map(|s| add_name(&mut names, &s.name)).collect();
    at.push(add_name(&mut names, ".shstrtab"));
    layout.add(".shstrtab", STRTAB, 0, &names);
    layout.image.resize(layout.image.len().next_multiple_of(8), 0);
    let offset = layout.image.len() as u64;
    let mut table = vec![0; 64];
    for (section, name) in layout.sections.iter().zip(at) {
        let address = if section.flags & ALLOC != 0 { base + section.offset } else { 0 };
        table.extend((name as u32).to_le_bytes());
        table.extend(section.kind.to_le_bytes());
        for value in [section.flags, address, section.offset, section.size] {
            table.extend(value.to_le_bytes());
        }
        table.extend(section.link.to_le_bytes());
        table.extend(section.info.to_le_bytes());
        table.extend(8u64.to_le_bytes());
        table.extend(section.entry.to_le_bytes());
    }
    layout.image.extend(&table);
    (offset, layout.sections.len() as u16 + 1)
}

#[expect(clippy::too_many_arguments, reason = "they are the fields of one header")]
fn program_header(
    out: &mut Vec<u8>,
    kind: u32,
    flags: u32,
    at: u64,
    address: u64,
    size: u64,
    memory: u64,
    align: u64,
) {
    out.extend(kind.to_le_bytes());
    out.extend(flags.to_le_bytes());
    for value in [at, address, address, size, memory, align] {
        out.extend(value.to_le_bytes());
    }
}

fn file_header(
    spec: &ElfSpec,
    kind: u16,
    entry: u64,
    segments: u16,
    table_at: u64,
    table_count: u16,
    names: u16,
) -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend(kind.to_le_bytes());
    out.extend(spec.machine.number().to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend(entry.to_le_bytes());
    out.extend((HEADER as u64).to_le_bytes());
    out.extend(table_at.to_le_bytes());
    // The ABI's second version for ppc64le; no flags elsewhere.
    let flags: u32 = if matches!(spec.machine, Machine::Ppc64Le) { 2 } else { 0 };
    out.extend(flags.to_le_bytes());
    for value in [HEADER as u16, PROGRAM_HEADER as u16, segments, 64, table_count, names] {
        out.extend(value.to_le_bytes());
    }
    out
}
