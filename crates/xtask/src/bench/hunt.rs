//! `cargo xtask bench hunt [--runs N] [--images N] [--own KIB] [--base LAYOUT]…`: what a hunt over images
//! that share bases costs, against what a hunt over their layers costs where no image shares any. A base is
//! an OCI layout of a real image; without one, four are made. `--own` is the size of an image's own layer.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::built_program;

/// Bases, and files in each.
const BASES: usize = 4;
const BASE_FILES: usize = 3_000;
/// Files of an image's own layer beside its program, which is a third of it, and its size in KiB where
/// nothing else is asked for.
const OWN_FILES: usize = 20;
const OWN: usize = 600;

/// What one hunt took.
struct Cost {
    wall: f64,
    cpu: f64,
    layers: u64,
}

/// Makes the images, hunts them, and prints the two costs.
pub fn run(arguments: &[String]) -> Result<()> {
    let (mut runs, mut images, mut size) = (3, 300, OWN);
    let mut layouts: Vec<&Path> = Vec::new();
    let mut given = arguments.iter();
    while let Some(argument) = given.next() {
        let value = given.next().with_context(|| format!("{argument} needs a value"))?;
        let number = || value.parse::<usize>().with_context(|| format!("`{value}` is no number"));
        match argument.as_str() {
            "--runs" => runs = number()?.max(1),
            "--images" => images = number()?.max(BASES),
            "--own" => size = number()?.max(1),
            "--base" => layouts.push(Path::new(value)),
            other => bail!("`{other}` is none of --runs, --images, --own and --base"),
        }
    }
    let program = built_program()?;
    let work = tempfile::Builder::new().prefix("lazaret-bench-hunt-").tempdir()?;
    let (apart, together) = (work.path().join("apart"), work.path().join("together"));
    let bases: Vec<Vec<Layer>> = match layouts.is_empty() {
        true => (0..BASES).map(|number| Ok(vec![base(number)?])).collect::<Result<_>>()?,
        false => layouts.iter().map(|layout| read(layout)).collect::<Result<_>>()?,
    };
    let mut unique = BTreeSet::new();
    for (number, base) in bases.iter().enumerate() {
        unique.extend(base.iter().map(|layer| layer.digest.clone()));
        write(&apart.join(format!("base{number}")), &base.iter().collect::<Vec<_>>())?;
    }
    for number in 0..images {
        let own = own(number, size * 1024)?;
        write(&apart.join(format!("image{number}")), &[&own])?;
        let layers: Vec<&Layer> = bases[number % bases.len()].iter().chain([&own]).collect();
        write(&together.join(format!("image{number}")), &layers)?;
        unique.insert(own.digest);
    }
    let what = match layouts.as_slice() {
        [] => format!("{BASES} bases of {BASE_FILES} files"),
        some => some.iter().map(|layout| layout.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    println!("{images} images of {size} KiB on {what}: {} unique layers", unique.len());
    let (mut least, mut whole) = (Vec::new(), Vec::new());
    // In turn, so that a busy moment of the machine hits both.
    for _ in 0..runs {
        least.push(hunt(&program, &apart, work.path())?);
        whole.push(hunt(&program, &together, work.path())?);
    }
    let (least, whole) = (median(least), median(whole));
    println!("{:<36} {:>8} {:>8} {:>8}", "", "wall s", "CPU s", "layers");
    for (name, cost) in [("each unique layer as an image", &least), ("the images that share them", &whole)] {
        println!("{name:<36} {:>8.2} {:>8.2} {:>8}", cost.wall, cost.cpu, cost.layers);
    }
    println!("{:<36} {:>8.2} {:>8.2}", "ratio", whole.wall / least.wall, whole.cpu / least.cpu);
    println!("medians of {runs} runs; CPU of the program and its workers; layers that were read");
    Ok(())
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    costs.swap_remove(costs.len() / 2)
}

/// One hunt over a folder with a store of its own.
fn hunt(program: &Path, folder: &Path, work: &Path) -> Result<Cost> {
    let place = tempfile::Builder::new().prefix("store-").tempdir_in(work)?;
    let summary = place.path().join("summary.json");
    let times = place.path().join("times");
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%e %U %S", "-o"]).arg(&times).arg(program);
    timed
        .arg("hunt")
        .arg(format!("folder:{}", folder.display()))
        .args(["-q", "-f", "json", "-o"])
        .arg(&summary);
    timed.arg("--store").arg(format!("sqlite:{}", place.path().join("store").display()));
    // What is made of the rules is kept from one run to the next, as on a user's machine.
    timed.env("XDG_CACHE_HOME", work.join("cache"));
    let status = timed.stdout(Stdio::null()).status().context("/usr/bin/time (Debian package `time`)")?;
    if !status.success() {
        bail!("{timed:?} ended with {status}");
    }
    let summary: Value = serde_json::from_slice(&fs::read(&summary)?)?;
    let times = fs::read_to_string(&times)?;
    let numbers: Vec<f64> = times.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [wall, user, system] = numbers[..] else { bail!("`{times}` is not what GNU time writes") };
    Ok(Cost { wall, cpu: user + system, layers: summary["layersRead"].as_u64().unwrap_or(0) })
}

struct Layer {
    blob: Vec<u8>,
    digest: String,
    diff_id: String,
}

/// Files as a system has them: programs, scripts, texts.
fn base(number: usize) -> Result<Layer> {
    let mut tar = Vec::new();
    for file in 0..BASE_FILES {
        let size = [2_000, 8_000, 20_000][file % 7 % 3];
        let seed = (number * BASE_FILES + file) as u64;
        let (content, mode) = match file % 5 {
            0 => (program(size * 2, seed), 0o755),
            1 => (script(size, seed), 0o755),
            _ => (text(size, seed), 0o644),
        };
        entry(&mut tar, &format!("usr/lib/b{number}/d{}/f{file}", file % 50), mode, &content);
    }
    entry(&mut tar, "bin/sh", 0o755, &program(100_000, number as u64));
    layer(tar)
}

/// A program, its start script and its data.
fn own(number: usize, size: usize) -> Result<Layer> {
    let mut tar = Vec::new();
    let start = format!("#!/bin/sh\nexec /app/server --port {number}\n");
    entry(&mut tar, "app/start.sh", 0o755, start.as_bytes());
    entry(&mut tar, "app/server", 0o755, &program(size / 3, 1_000_000 + number as u64));
    for file in 0..OWN_FILES {
        let seed = (2_000_000 + number * OWN_FILES + file) as u64;
        entry(&mut tar, &format!("app/data{file}"), 0o644, &text(size * 2 / 3 / OWN_FILES, seed));
    }
    layer(tar)
}

/// Numbers that look random and are the same each time (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn program(size: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes = b"\x7fELF".to_vec();
    while bytes.len() < size {
        bytes.extend(next(&mut seed).to_le_bytes());
    }
    bytes
}

fn text(size: usize, mut seed: u64) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "alpha", "config", "server", "update", "value", "buffer", "index", "length", "output", "handle",
        "close", "read",
    ];
    let mut bytes = Vec::new();
    while bytes.len() < size {
        bytes.extend(WORDS[(next(&mut seed) % 12) as usize].as_bytes());
        bytes.push(b' ');
    }
    bytes
}

fn script(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes = b"#!/bin/sh\n".to_vec();
    for line in text(size, seed).chunks(60) {
        bytes.extend(b"echo ");
        bytes.extend(line);
        bytes.push(b'\n');
    }
    bytes
}

/// A regular file as ustar has it.
fn entry(tar: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
    header[108..115].copy_from_slice(b"0000000");
    header[116..123].copy_from_slice(b"0000000");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    tar.extend_from_slice(&header);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn layer(mut tar: Vec<u8>) -> Result<Layer> {
    tar.extend_from_slice(&[0; 1024]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar)?;
    let blob = gzip.finish()?;
    Ok(Layer { digest: sha256(&blob), diff_id: sha256(&tar), blob })
}

fn sha256(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The layers of an OCI layout of one image.
fn read(layout: &Path) -> Result<Vec<Layer>> {
    let blob = |descriptor: &Value| -> Result<Vec<u8>> {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let path = layout.join("blobs").join(digest.replace(':', "/"));
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let index = fs::read(layout.join("index.json")).with_context(|| layout.display().to_string())?;
    let index: Value = serde_json::from_slice(&index)?;
    let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0])?)?;
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])?)?;
    let diff_ids = config["rootfs"]["diff_ids"].as_array().context("its configuration names no layers")?;
    let layers = manifest["layers"].as_array().context("it is a layout of several images")?;
    let layer = |(descriptor, diff_id): (&Value, &Value)| {
        Ok(Layer {
            blob: blob(descriptor)?,
            digest: descriptor["digest"].as_str().unwrap_or_default().to_owned(),
            diff_id: diff_id.as_str().unwrap_or_default().to_owned(),
        })
    };
    layers.iter().zip(diff_ids).map(layer).collect()
}

/// Writes an OCI layout of one image.
fn write(dir: &Path, layers: &[&Layer]) -> Result<()> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let put = |bytes: &[u8], digest: &str| fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes);
    let descriptor = |kind: &str, bytes: &[u8]| -> Result<Value> {
        let digest = sha256(bytes);
        put(bytes, &digest)?;
        Ok(
            json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": bytes.len()}),
        )
    };
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/app/start.sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = descriptor("config.v1+json", &serde_json::to_vec(&config)?)?;
    let listed = layers
        .iter()
        .map(|layer| descriptor("layer.v1.tar+gzip", &layer.blob))
        .collect::<Result<Vec<_>>>()?;
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": listed});
    let manifest = descriptor("manifest.v1+json", &serde_json::to_vec(&manifest)?)?;
    fs::write(
        dir.join("index.json"),
        serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": [manifest]}))?,
    )?;
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}
