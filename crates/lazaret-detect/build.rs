//! Packs the built-in rules into one compressed blob.
//!
//! The program then holds no rule as plain text: other scanners would take our own signatures
//! for the thing that they describe.

use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("rules");
    println!("cargo::rerun-if-changed=rules");
    println!("cargo::rerun-if-changed=build.rs");

    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();

    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    for path in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.strip_prefix(root)?.to_str().ok_or("a rule file's name is not UTF-8")?;
        let text = fs::read(path)?;
        for part in [name.as_bytes(), &text] {
            packed.write_all(&u32::try_from(part.len())?.to_le_bytes())?;
            packed.write_all(part)?;
        }
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo set no OUT_DIR")?);
    fs::write(out.join("rules.bin"), packed.finish()?)?;
    println!("cargo::rustc-env=LAZARET_DETECT_CODE={:016x}", code(&[Path::new("src"), Path::new("data")])?);
    fs::write(out.join("checks.rs"), checks(Path::new("src/checks"))?)?;
    Ok(())
}

/// The list of checks: every file of the folder holds one, whose type is its name in camel case.
fn checks(folder: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|s| s.to_str()).ok_or("a check's file name is not UTF-8")?;
        if stem != "mod" && path.extension().is_some_and(|e| e == "rs") {
            names.push((stem.to_owned(), fs::canonicalize(&path)?));
        }
    }
    names.sort();
    let mut code = String::new();
    let mut list = String::new();
    for (name, path) in &names {
        let kind: String = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        code.push_str(&format!("#[path = {path:?}]\nmod {name};\n"));
        list.push_str(&format!("    &{name}::{kind},\n"));
    }
    Ok(format!(
        "{code}\n/// Every check, by the name of its file.\npub static CHECKS: &[&dyn Check] = &[\n{list}];\n"
    ))
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yar" || e == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

/// A number that changes with the code. It keys what is remembered, it proves nothing.
fn code(folders: &[&Path]) -> Result<u64, Box<dyn Error>> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    for folder in &folders {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file)?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}
