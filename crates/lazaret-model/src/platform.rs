use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `os/architecture[/variant]`, as in `--platform` and in an index
/// (image-spec, `image-index.md`, `platform`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// Operating system, as Go's GOOS: `linux`.
    pub os: String,
    /// Architecture, as Go's GOARCH: `amd64`.
    pub architecture: String,
    /// CPU variant: `v8`.
    pub variant: Option<String>,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: write os/architecture[/variant], for example linux/arm64/v8")]
pub struct PlatformError(String);

impl Platform {
    /// Whether this platform is what `wanted` asks for: os and architecture are equal, and the
    /// variant too where `wanted` names one (arm64's `v8` is its only variant and may be left out).
    pub fn satisfies(&self, wanted: &Platform) -> bool {
        let variant = |p: &Platform| match (p.architecture.as_str(), p.variant.as_deref()) {
            ("arm64", None) => Some("v8".to_owned()),
            (_, v) => v.map(str::to_owned),
        };
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || variant(self) == variant(wanted))
    }

    /// Whether this stands for "no platform", as BuildKit writes it for attestation manifests.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let ok =
            |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        match parts.as_slice() {
            [os, arch, rest @ ..] if rest.len() < 2 && parts.iter().all(ok) => Ok(Self {
                os: (*os).to_owned(),
                architecture: match *arch {
                    "x86_64" => "amd64".to_owned(),
                    "aarch64" => "arm64".to_owned(),
                    other => other.to_owned(),
                },
                variant: rest.first().map(|v| (*v).to_owned()),
            }),
            _ => Err(PlatformError(text.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_narrows_only_where_it_is_asked_for() {
        let has: Platform = "linux/arm/v7".parse().unwrap();
        assert!(has.satisfies(&"linux/arm".parse().unwrap()));
        assert!(!has.satisfies(&"linux/arm/v6".parse().unwrap()));
        let arm64: Platform = "linux/arm64".parse().unwrap();
        assert!(arm64.satisfies(&"linux/arm64/v8".parse().unwrap()));
        assert!("linux".parse::<Platform>().is_err());
        assert!("linux/a/b/c".parse::<Platform>().is_err());
    }
}
