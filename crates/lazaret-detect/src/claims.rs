//! What an image says it is.
//!
//! Names are never proof. They matter in one way: something that calls itself a miner and is one
//! deceives nobody, and something that calls itself a web server and is a miner does.

use lazaret_model::Image;

/// Words with which a program or an image openly calls itself a miner.
const MINER_WORDS: &[&str] = &[
    "miner",
    "mining",
    "xmrig",
    "xmr-stak",
    "minerd",
    "ccminer",
    "ethminer",
    "nbminer",
    "t-rex",
    "lolminer",
    "srbminer",
    "phoenixminer",
    "teamredminer",
    "cgminer",
    "bfgminer",
    "gminer",
    "randomx",
    "nicehash",
    "p2pool",
    "minexmr",
    "hashvault",
    "nheqminer",
    "wildrig",
    "cryptodredge",
    "xmrig-proxy",
];

/// Words with which an image openly sells bandwidth.
const PROXYWARE_WORDS: &[&str] = &[
    "traffmonetizer",
    "9hits",
    "9hitste",
    "peer2profit",
    "p2pclient",
    "honeygain",
    "pawns",
    "iproyal",
    "earnapp",
    "packetstream",
    "psclient",
    "repocket",
    "earnfm",
    "proxyrack",
    "bitping",
    "mysterium",
    "proxyware",
    "packetshare",
    "grass",
    "proxylite",
    "bandwidth-sharing",
    "passive-income",
];

/// What kind of thing an image openly says it is, taken from what its maker wrote for people:
/// the repository's name, the tag, title and description labels.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The texts, lower case.
    texts: Vec<String>,
}

impl Claims {
    /// The claims of an image.
    pub fn of(image: &Image) -> Self {
        let mut texts = Vec::new();
        // A path on this disk says nothing about what the maker calls the image.
        if !image.pinned.is_on_disk() {
            texts.push(image.pinned.repository.to_lowercase());
        }
        // A layout's reference name is the maker's own name for it.
        if let Some(tag) = &image.pinned.tag {
            texts.push(tag.to_lowercase());
        }
        for (name, value) in &image.config.labels {
            let name = name.to_lowercase();
            let last = name.rsplit('.').next().unwrap_or(&name);
            if matches!(last, "title" | "name" | "description" | "summary" | "ref")
                || last.ends_with("description")
            {
                texts.push(value.to_lowercase());
            }
        }
        Self { texts }
    }

    /// Whether it openly says that it mines.
    pub fn mines(&self) -> bool {
        self.says(MINER_WORDS)
    }

    /// Whether it openly says that it sells bandwidth.
    pub fn sells_bandwidth(&self) -> bool {
        self.says(PROXYWARE_WORDS)
    }

    /// Whether any claim holds one of `words` as a word of its own.
    pub fn says(&self, words: &[&str]) -> bool {
        self.texts.iter().any(|text| words.iter().any(|word| has_word(text, word)))
    }
}

/// Whether `word` stands in `text` without letters around it (digits and signs may follow).
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphabetic)
            && !after.is_some_and(|c| c.is_alphabetic() && c != 's' && c != 'e')
    })
}

/// Whether a program's own file name openly says that it is a miner.
pub fn is_miner_name(name: &str) -> bool {
    let name = name.to_lowercase();
    MINER_WORDS.iter().any(|word| has_word(&name, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_only_as_a_word() {
        assert!(has_word("acme/xmrig:6.21", "xmrig"));
        assert!(has_word("a simple monero miner for cpus", "miner"));
        assert!(!has_word("acme/determiner", "miner"));
        assert!(!has_word("mineral water", "miner"));
        assert!(is_miner_name("xmrig-cuda"));
        assert!(!is_miner_name("tomcat"));
    }
}
