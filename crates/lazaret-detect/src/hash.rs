//! Maps by path: an image has thousands of paths, and each check looks many of them up.

use std::collections::{HashMap, HashSet};

use foldhash::quality::RandomState;

/// A map with a hash that is several times faster than the standard library's, and seeded anew in each
/// process, so that nobody can choose names that collide.
pub(crate) type Map<K, V> = HashMap<K, V, RandomState>;
/// A set with it.
pub(crate) type Set<K> = HashSet<K, RandomState>;
