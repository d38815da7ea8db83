use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, ImageConfig, Location, Platform};

/// A repository and a manifest digest: the only thing that is ever scanned, cached, served or
/// run. A tag is resolved to one exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PinnedRef {
    /// Where it came from, as a person would name it, without tag: `docker.io/library/nginx`,
    /// `oci:/srv/layout`.
    pub repository: String,
    /// The tag or name that was resolved, if there was one.
    pub tag: Option<String>,
    /// Digest of the manifest or index that the tag pointed at.
    pub digest: Digest,
}

impl PinnedRef {
    /// Whether the name is a place on this machine's disk. Such a name says nothing about what
    /// the image's maker calls it.
    pub fn is_on_disk(&self) -> bool {
        let schemes = ["oci:", "oci-dir:", "oci-archive:", "docker-archive:", "dir:", "lab:"];
        // No name of a registry begins so (distribution-spec, pulling manifests).
        self.repository.starts_with(['/', '.', '~'])
            || schemes.iter().any(|scheme| self.repository.starts_with(scheme))
    }
}

impl fmt::Display for PinnedRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

/// One image for one platform: what a manifest and its configuration say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What was resolved (the index, where there is one).
    pub pinned: PinnedRef,
    /// Digest of this platform's manifest.
    pub manifest: Digest,
    /// Digest of the configuration, which Docker calls the image id.
    pub config_digest: Digest,
    /// The platform, where the index or the configuration names one.
    pub platform: Option<Platform>,
    /// What the configuration says.
    pub config: ImageConfig,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
}

/// A layer as the manifest and the configuration describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Position, lowest is 0.
    pub index: usize,
    /// Digest of the blob as stored (compressed). For a `docker save` archive this is the diff id.
    pub digest: Digest,
    /// Digest of the uncompressed tar, from the configuration. None where the configuration
    /// names fewer diff ids than the manifest has layers; that is a gap.
    pub diff_id: Option<Digest>,
    /// Media type as the manifest states it. It may lie.
    pub media_type: String,
    /// Size of the blob in bytes as the manifest states it.
    pub size: u64,
    /// Index of the history step that claims to have made it.
    pub history: Option<usize>,
    /// Addresses from which a foreign layer would have to be fetched. Never contacted.
    pub foreign_urls: Vec<String>,
}

impl Image {
    /// The instruction that made layer `index`, as its history tells it.
    pub fn instruction(&self, index: usize) -> Option<&str> {
        let step = self.layers.get(index)?.history?;
        self.config.history.get(step).map(|step| step.created_by.as_str())
    }

    /// The layer that a place comes with: the one it is in, or for a step of the history the one that the
    /// step made, else the first that was made after it. None for what comes with no layer.
    ///
    /// Whoever has that layer from somebody has the step from him too. The reverse is not so: a step behind
    /// the last layer of a base stands before the first layer of what is built on it, and is taken for a
    /// step of the latter.
    pub fn layer_of(&self, place: &Location) -> Option<usize> {
        match place {
            Location::History(step) => self
                .layers
                .iter()
                .filter(|layer| layer.history.is_some_and(|made| made >= *step))
                .map(|layer| layer.index)
                .min(),
            place => place.layer(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_comes_with_the_layer_that_it_made_or_the_next_one() {
        let digest = Digest::sha256(&[1; 32]);
        let layer = |index, history| Layer {
            index,
            digest: digest.clone(),
            diff_id: None,
            media_type: String::new(),
            size: 0,
            history: Some(history),
            foreign_urls: Vec::new(),
        };
        let image = Image {
            pinned: PinnedRef { repository: String::new(), tag: None, digest: digest.clone() },
            manifest: digest.clone(),
            config_digest: digest.clone(),
            platform: None,
            config: ImageConfig::default(),
            layers: vec![layer(0, 0), layer(1, 2), layer(2, 5)],
        };
        for (step, comes_with) in
            [(0, Some(0)), (1, Some(1)), (2, Some(1)), (3, Some(2)), (5, Some(2)), (6, None)]
        {
            assert_eq!(image.layer_of(&Location::History(step)), comes_with, "step {step}");
        }
        assert_eq!(image.layer_of(&Location::Layer(2)), Some(2));
        assert_eq!(image.layer_of(&Location::Config("Env[0]".to_owned())), None);
    }
}
