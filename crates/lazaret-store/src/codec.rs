//! The stored form of values: serialized, then zstd with a checksum of what was compressed.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// Fast, since it stands on the way of a cold scan; most of the facts are hashes, which do not
/// compress at any level.
const LEVEL: i32 = 1;

/// Compresses with a checksum, so that damage on the disk is noticed.
pub(crate) fn pack(bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let failed = |e: std::io::Error| StoreError::Form { what: "a value", reason: e.to_string() };
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
    compressor.include_checksum(true).map_err(failed)?;
    compressor.compress(bytes).map_err(failed)
}

/// None where it is damaged.
pub(crate) fn unpack(stored: &[u8]) -> Option<Vec<u8>> {
    zstd::stream::decode_all(stored).ok()
}

/// Compact and without names: for types whose form has a version of its own.
pub(crate) fn to_compact<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    let bytes = postcard::to_allocvec(value).map_err(|e| StoreError::Form { what, reason: e.to_string() })?;
    pack(&bytes)
}

/// None where it is damaged or of another form.
pub(crate) fn from_compact<T: DeserializeOwned>(stored: &[u8]) -> Option<T> {
    let bytes = unpack(stored)?;
    match postcard::take_from_bytes(&bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

/// With names: for types that hold many others, where a missing name tells an older form.
pub(crate) fn to_named<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    let bytes = serde_json::to_vec(value).map_err(|e| StoreError::Form { what, reason: e.to_string() })?;
    pack(&bytes)
}

/// None where it is damaged or of another form.
pub(crate) fn from_named<T: DeserializeOwned>(stored: &[u8]) -> Option<T> {
    serde_json::from_slice(&unpack(stored)?).ok()
}
