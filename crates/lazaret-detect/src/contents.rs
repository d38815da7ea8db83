use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use lazaret_model::ContentId;

/// The small contents that were kept when the layers were read.
pub trait Contents: Sync {
    /// The bytes, or None where they were not kept. A caller that needs them then asks for them
    /// through [`crate::Missing`]; it never goes on as if the file were empty.
    fn get(&self, id: &ContentId) -> Option<Arc<[u8]>>;
}

/// Contents in memory.
impl Contents for BTreeMap<ContentId, Arc<[u8]>> {
    fn get(&self, id: &ContentId) -> Option<Arc<[u8]>> {
        BTreeMap::get(self, id).cloned()
    }
}

impl<S: BuildHasher + Sync> Contents for HashMap<ContentId, Arc<[u8]>, S> {
    fn get(&self, id: &ContentId) -> Option<Arc<[u8]>> {
        HashMap::get(self, id).cloned()
    }
}
