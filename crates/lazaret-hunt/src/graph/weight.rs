//! What a shared indicator says, in bits: how much likelier two images hold it if one actor made both
//! than if two strangers did (log-likelihood ratio, Fellegi and Sunter 1969). `docs/CAMPAIGNS.md`
//! explains each number.
//!
//! Bits are counted in whole thousandths, so that a sum does not depend on its order.

use lazaret_model::{IndicatorKind, Role};

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

/// What somebody's named host, or what is fetched from it, says where no finding says that harm is done with
/// it: any two may read one manual, and no list holds all who publish for everybody.
pub const MERELY_NAMED: Millibits = 3_500;
/// How much less a tool or a habit says with each doubling of the honest ones who have it, beside what it
/// loses for being common: what honest people have is published, and far more have it than were seen.
pub const PUBLISHED: Millibits = 3_000;
/// How much less an owner's indicator says in a file that nothing starts and no finding names.
pub const LYING: Millibits = 7_000;

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
    /// How much less with each doubling of the publishers who count against it.
    pub step: Millibits,
    /// Where it is a name that somebody serves something under: what a finding must say of it at least for it
    /// to say so much.
    pub by_name: Option<Role>,
}

/// The weight of an indicator that only one publisher holds. It is 0 for what belongs to nobody: a
/// public host, an address within a machine or a private network.
pub fn base(kind: IndicatorKind, value: &str) -> Base {
    let (bond, bits) = bond(kind, value);
    let step = match kind {
        // Whoever has the other half of a key logs in wherever it is let in: a key that honest images of
        // several hold is no secret of one, however few they are.
        IndicatorKind::SshKey => 8_000,
        _ => 2_000,
    };
    let is_name = match kind {
        IndicatorKind::Host => standing(value) == Standing::Own,
        IndicatorKind::Url => standing_of_url(value) == Standing::Own,
        _ => false,
    };
    // Vendors let people run what comes over an encrypted connection only.
    let least = if value.starts_with("http://") { Role::Suspected } else { Role::Harms };
    let by_name = (is_name && !is_onion(value)).then_some(least);
    Base { bond, bits, step, by_name }
}

/// A name of which only its owner has the key (Tor, `rend-spec-v3`).
fn is_onion(value: &str) -> bool {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    host.trim_end_matches('.').ends_with(".onion")
}

fn bond(kind: IndicatorKind, value: &str) -> (Bond, Millibits) {
    match kind {
        IndicatorKind::SshKey if is_published(value) => (Bond::Owner, 0),
        IndicatorKind::Wallet | IndicatorKind::SshKey => (Bond::Owner, 24_000),
        IndicatorKind::PoolLogin if is_anybodys(value) => (Bond::Owner, 0),
        IndicatorKind::PoolLogin => (Bond::Owner, 20_000),
        // Only who has the secret in it, and whoever he tells, gets what is sent there.
        IndicatorKind::Url if is_account(value) => (Bond::Owner, 24_000),
        IndicatorKind::Url => match standing_of_url(value) {
            Standing::Own | Standing::Address => (Bond::Infrastructure, 17_500),
            // A release of a miner is fetched by strangers, and so is a kit: used like a tool, and as common.
            Standing::Public => (Bond::Tool, 12_000),
            Standing::Nobodys => (Bond::Infrastructure, 0),
        },
        IndicatorKind::Host => match standing(value) {
            Standing::Address => (Bond::Infrastructure, 14_000),
            Standing::Own => (Bond::Infrastructure, 13_000),
            Standing::Public | Standing::Nobodys => (Bond::Infrastructure, 0),
        },
        IndicatorKind::Pool => match standing_of_url(value) {
            Standing::Address => (Bond::Infrastructure, 13_000),
            Standing::Own if is_onion(value) => (Bond::Infrastructure, 13_000),
            // Whoever mines needs a pool, and a pool serves whoever comes: it is chosen as a tool is.
            Standing::Own => (Bond::Tool, 4_000),
            Standing::Public | Standing::Nobodys => (Bond::Infrastructure, 0),
        },
        // Some twenty zones have nearly all who build.
        IndicatorKind::BuilderTrace if value.starts_with("zone ") => (Bond::Habit, 4_000),
        IndicatorKind::BuilderTrace => (Bond::Habit, 12_000),
        IndicatorKind::Environment | IndicatorKind::Label => (Bond::Habit, 8_000),
        IndicatorKind::Layer | IndicatorKind::ScriptHash => (Bond::Tool, 12_000),
        IndicatorKind::ElfHash => (Bond::Tool, 7_000),
        IndicatorKind::FuzzyHash if value.starts_with("script ") => (Bond::Tool, 9_000),
        IndicatorKind::FuzzyHash => (Bond::Tool, 5_000),
    }
}

/// Whether a full address is a bot's or a webhook's, with the secret that makes it theirs: in the form that
/// sightings have.
fn is_account(url: &str) -> bool {
    let token = url.strip_prefix("https://api.telegram.org/bot").filter(|token| token.contains(':'));
    let hook = ["https://discord.com/api/webhooks/", "https://hooks.slack.com/services/"]
        .iter()
        .find_map(|start| url.strip_prefix(start));
    [token, hook].into_iter().flatten().any(|rest| {
        let secret = rest.rsplit(['/', ':']).next().unwrap_or_default();
        secret.len() >= 20 && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    })
}

/// Whether the private half of a key is published, so that anybody may log in with it.
fn is_published(key: &str) -> bool {
    const KEYS: [&str; 2] = [
        // Vagrant's insecure keys (hashicorp/vagrant, `keys/`), in every box that is made for it.
        "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v\
         1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4\
         O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk\
         1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ==",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN1YdxBpNlzxDqfJyw/QKow1F+wvG9hXGoqiysfJOn5Y",
    ];
    KEYS.contains(&key)
}

/// Whether a login at a pool is what manuals write for it, or what anybody takes who needs none of his own.
fn is_anybodys(login: &str) -> bool {
    const NAMES: [&str; 20] = [
        "admin",
        "anonymous",
        "default",
        "demo",
        "donate",
        "guest",
        "login",
        "miner",
        "null",
        "pass",
        "password",
        "rig",
        "root",
        "test",
        "user",
        "username",
        "wallet",
        "worker",
        "xmr",
        "xmrig",
    ];
    const PLACEHOLDERS: [&str; 4] = ["your", "wallet", "address", "example"];
    let login = login.to_ascii_lowercase();
    let account = login.split(['.', '+', ':']).next().unwrap_or_default();
    let word = account.trim_end_matches(|c: char| c.is_ascii_digit() || "-_".contains(c));
    account.len() < 4
        || word.len() < 2
        || NAMES.contains(&word)
        || !login.contains('@') && PLACEHOLDERS.iter().any(|part| account.contains(part))
}

impl Base {
    /// The weight where `publishers` independent ones count against it. Two strangers both hold what a
    /// share of `p` in `n` holds with a chance that grows with the square of `p`, hence twice log2 and more.
    pub fn weight(self, publishers: u32) -> Millibits {
        (self.bits - doubling(self.step, publishers.max(1))).max(0)
    }

    /// From so many publishers on the weight is 0; nobody needs to count further.
    pub fn enough(self) -> u32 {
        2f64.powf(f64::from(self.bits) / f64::from(self.step)).ceil() as u32 + 1
    }
}

/// How much less a tool or habit says where so many published clean images with it, and no convicted one.
pub(super) fn published(honest: u32) -> Millibits {
    doubling(PUBLISHED, honest.saturating_add(1))
}

/// So much with each doubling.
fn doubling(step: Millibits, times: u32) -> Millibits {
    (f64::from(step) * f64::from(times).log2()).round() as Millibits
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
    fn a_key_that_three_honest_publishers_hold_ties_nobody_and_a_published_one_never_does() {
        let key = base(IndicatorKind::SshKey, "ssh-ed25519 AAAAx");
        assert!(key.weight(2) >= THRESHOLD);
        assert!(key.weight(3) < THRESHOLD);
        assert_eq!(key.weight(8), 0);
        let vagrant = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN1YdxBpNlzxDqfJyw/QKow1F+wvG9hXGoqiysfJOn5Y";
        assert_eq!(base(IndicatorKind::SshKey, vagrant).bits, 0);
    }

    #[test]
    fn a_named_pool_is_a_tool_and_a_private_proxy_by_its_address_is_not() {
        for named in ["stratum+tcp://stratum.braiins.invalid:3333", "eu.luckpool.invalid:3956"] {
            let pool = base(IndicatorKind::Pool, named);
            assert_eq!(pool.bond, Bond::Tool, "{named}");
            assert!(pool.bits + MERELY_NAMED < base(IndicatorKind::Environment, "X=y").bits, "{named}");
        }
        assert_eq!(base(IndicatorKind::Pool, "stratum+tcp://203.0.113.9:3333").bond, Bond::Infrastructure);
    }

    #[test]
    fn what_has_a_name_says_much_only_where_a_finding_says_so_and_an_address_says_it_by_itself() {
        for (kind, value, by_name) in [
            (IndicatorKind::Url, "https://get.vendor.invalid/install.sh", Some(Role::Harms)),
            (IndicatorKind::Url, "http://drop.actor.invalid/a.sh", Some(Role::Suspected)),
            (IndicatorKind::Host, "get.vendor.invalid", Some(Role::Harms)),
            (IndicatorKind::Url, "http://203.0.113.9:8220/x", None),
            (IndicatorKind::Host, "203.0.113.9", None),
            (IndicatorKind::Host, "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwx.onion", None),
            (
                IndicatorKind::Url,
                "http://abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwx.onion/a",
                None,
            ),
            (IndicatorKind::Wallet, "xmr:4x", None),
        ] {
            assert_eq!(base(kind, value).by_name, by_name, "{value}");
        }
    }

    #[test]
    fn a_login_that_manuals_write_is_nobodys() {
        for login in
            ["x", "x.rig1", "worker1", "test", "YOUR_WALLET_ADDRESS", "user.worker", "wallet-1", "77"]
        {
            assert_eq!(base(IndicatorKind::PoolLogin, login).bits, 0, "{login}");
        }
        for login in ["dm117.rig1", "someone@mail.example.test", "wallet@mail.example.test"] {
            assert!(base(IndicatorKind::PoolLogin, login).bits >= THRESHOLD, "{login}");
        }
    }

    #[test]
    fn a_script_that_one_honest_publisher_has_too_is_hardly_half_a_reason() {
        let script = base(IndicatorKind::ScriptHash, "sha256:1x");
        assert_eq!(script.weight(1) - published(0), 12_000);
        // Three who attack have it.
        assert!(script.weight(3) - published(0) > 8_000);
        // Two of them, and one whose image is clean; or two such.
        assert!(script.weight(3) - published(1) < 6_000);
        assert!(script.weight(4) - published(2) < 4_000);
    }

    #[test]
    fn a_time_zone_says_less_than_a_name() {
        let trace = |value| base(IndicatorKind::BuilderTrace, value).bits;
        assert!(trace("zone +08:00") < trace("user dm117") / 2);
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
        assert_eq!(base(IndicatorKind::Pool, "203.0.113.66:4444").bits, 13_000);
    }
}
