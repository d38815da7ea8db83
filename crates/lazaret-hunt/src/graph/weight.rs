//! What a shared indicator says, in bits: how much likelier two images hold it if one actor made both
//! than if two strangers did (log-likelihood ratio, Fellegi and Sunter 1969). `docs/CAMPAIGNS.md`
//! explains each number.
//!
//! Bits are counted in whole thousandths, so that a sum does not depend on its order.

use lazaret_model::IndicatorKind;

use super::public_hosts::{Standing, standing, standing_of_url};

/// Thousandths of a bit.
pub type Millibits = i32;

/// From here on two images are tied. Odds of 2^16 : 1, which is what it takes before one would rather
/// believe in one actor than in chance when some ten thousand others were looked at.
pub const THRESHOLD: Millibits = 16_000;
/// Two convicted images of one account.
pub const SAME_ACCOUNT: Millibits = 12_000;
/// A convicted image that lies on top of all layers of another account's convicted image.
pub const BUILT_ON: Millibits = 17_000;
/// What habits, or tools, may say together: less than the threshold, since anybody can copy them.
pub const CAP: Millibits = 14_000;

/// What kind of bond a shared indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bond {
    /// Whoever profits or may log in: the highest counts.
    Owner,
    /// What somebody pays for and runs: the highest counts.
    Infrastructure,
    /// How somebody works: of each kind the highest counts, and no more than [`CAP`] together.
    Habit,
    /// What somebody uses: of each layer and file the highest counts, and no more than [`CAP`] together.
    Tool,
}

/// What an indicator weighs while only one publisher holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// What kind of bond.
    pub bond: Bond,
    /// How much.
    pub bits: Millibits,
}

/// The weight of an indicator that only one publisher holds. It is 0 for what belongs to nobody: a
/// public host, an address within a machine or a private network.
pub fn base(kind: IndicatorKind, value: &str) -> Base {
    let (bond, bits) = match kind {
        IndicatorKind::Wallet | IndicatorKind::SshKey => (Bond::Owner, 24_000),
        IndicatorKind::PoolLogin => (Bond::Owner, 20_000),
        IndicatorKind::Url => {
            let bits = match standing_of_url(value) {
                Standing::Own | Standing::Address => 17_500,
                Standing::Public => 12_000,
                Standing::Nobodys => 0,
            };
            (Bond::Infrastructure, bits)
        }
        IndicatorKind::Host | IndicatorKind::Pool => {
            let name = if kind == IndicatorKind::Pool { standing_of_url(value) } else { standing(value) };
            let bits = match name {
                Standing::Address if kind == IndicatorKind::Host => 14_000,
                Standing::Own | Standing::Address => 13_000,
                Standing::Public | Standing::Nobodys => 0,
            };
            (Bond::Infrastructure, bits)
        }
        IndicatorKind::BuilderTrace => (Bond::Habit, 12_000),
        IndicatorKind::Environment | IndicatorKind::Label => (Bond::Habit, 8_000),
        IndicatorKind::Layer | IndicatorKind::ScriptHash => (Bond::Tool, 12_000),
        IndicatorKind::ElfHash => (Bond::Tool, 7_000),
        IndicatorKind::FuzzyHash if value.starts_with("script ") => (Bond::Tool, 9_000),
        IndicatorKind::FuzzyHash => (Bond::Tool, 5_000),
    };
    Base { bond, bits }
}

impl Base {
    /// The weight where `publishers` independent ones count against it. Two strangers both hold what a
    /// share of `p` in `n` holds with a chance that grows with the square of `p`, hence twice log2.
    pub fn weight(self, publishers: u32) -> Millibits {
        if self.bits == 0 {
            return 0;
        }
        let rarity = (2000.0 * f64::from(publishers.max(1)).log2()).round() as Millibits;
        (self.bits - rarity).max(0)
    }

    /// From so many publishers on the weight is 0; nobody needs to count further.
    pub fn enough(self) -> u32 {
        2f64.powf(f64::from(self.bits) / 2000.0).ceil() as u32 + 1
    }
}

/// Bits as people read them.
pub fn in_bits(millibits: Millibits) -> f64 {
    f64::from(millibits) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_ties_until_sixteen_publishers_count_against_it() {
        let wallet = base(IndicatorKind::Wallet, "xmr:4x");
        assert!(wallet.weight(1) > wallet.weight(2));
        assert!(wallet.weight(16) >= THRESHOLD);
        assert!(wallet.weight(17) < THRESHOLD);
        assert_eq!(wallet.weight(wallet.enough()), 0);
    }

    #[test]
    fn neither_tools_nor_habits_nor_a_single_host_reach_the_threshold() {
        for kind in IndicatorKind::ALL {
            let bits = base(kind, "host.invalid").bits;
            match kind {
                IndicatorKind::Wallet
                | IndicatorKind::SshKey
                | IndicatorKind::PoolLogin
                | IndicatorKind::Url => {}
                _ => assert!(bits < THRESHOLD, "{}", kind.name()),
            }
        }
        const { assert!(CAP < THRESHOLD) };
    }

    #[test]
    fn what_belongs_to_nobody_weighs_nothing() {
        for (kind, value) in [
            (IndicatorKind::Host, "github.com"),
            (IndicatorKind::Host, "127.0.0.1"),
            (IndicatorKind::Host, "10.1.2.3"),
            (IndicatorKind::Host, "mysql"),
            (IndicatorKind::Pool, "stratum+tcp://pool.supportxmr.com:3333"),
            (IndicatorKind::Url, "http://localhost:8080/x"),
        ] {
            assert_eq!(base(kind, value).bits, 0, "{value}");
        }
        assert_eq!(base(IndicatorKind::Url, "https://raw.githubusercontent.com/a/b").bits, 12_000);
        assert_eq!(base(IndicatorKind::Url, "http://203.0.113.66:8220/logo3.jpg").bits, 17_500);
        assert_eq!(base(IndicatorKind::Host, "203.0.113.66").bits, 14_000);
        assert_eq!(base(IndicatorKind::Pool, "xmr.pool-eu.test:4444").bits, 13_000);
    }
}
