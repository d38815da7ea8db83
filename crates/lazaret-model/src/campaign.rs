use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, Indicator, Outcome};

/// Images that one actor made or controls, as far as what they share shows it, with all that is to
/// be told of them. Made by `lazaret-hunt`, rendered by `lazaret-report`.
///
/// Everything in it is in a fixed order, so that the same memory gives the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Stays the same while members come and go: `LZ-3f9a1c20`.
    pub id: String,
    /// One line for a list: how many images of which accounts, what ties them.
    pub title: String,
    /// Who published the members, by name.
    pub accounts: Vec<Account>,
    /// The convicted images that are tied to each other, by account, repository and tag.
    pub members: Vec<Member>,
    /// Repositories of these accounts that hold no image: their description is the lure.
    pub lures: Vec<Lure>,
    /// What members have in common, that of the highest weight first.
    pub shared: Vec<Shared>,
    /// Wallets that findings name in one member alone: they tie nobody, and are the actor's all the same.
    #[serde(default)]
    pub lone: Vec<Shared>,
    /// Why each is tied: for each two members that are tied directly, in the order of members.
    pub ties: Vec<Tie>,
    /// Images that were not convicted and that share with members or are built on one: to be looked
    /// at, accused of nothing.
    pub leads: Vec<Lead>,
    /// What happened when, oldest first.
    pub timeline: Vec<Moment>,
    /// What the members claim to be.
    pub claims: Vec<Claim>,
    /// ATT&CK techniques that the findings name.
    pub techniques: Vec<Technique>,
    /// How they get in, act and stay: one sentence for each kind of deed, in the order of an attack.
    pub conduct: Vec<Conduct>,
    /// What whoever ran a member must clean up on the host, in order.
    pub cleanup: Vec<Cleanup>,
    /// What the wallets are said to have earned.
    pub revenue: Vec<Revenue>,
    /// How it was found.
    pub method: Method,
    /// When a member was judged last, RFC 3339 in UTC: what is said to have happened later did not.
    #[serde(default)]
    pub analysed: Option<String>,
}

/// An account, organisation or namespace of a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// With its registry: `docker.io/somebody`.
    pub name: String,
    /// How many members it published.
    pub members: u64,
    /// How many images of it were seen in all.
    pub seen: u64,
    /// Pulls of the repositories of its members, where known.
    pub pulls: Option<u64>,
}

/// An image in a campaign: one tag, all its platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where it came from, without tag.
    pub repository: String,
    /// Its tag.
    pub tag: Option<String>,
    /// What was judged: the digest of its index or manifest.
    pub digest: Digest,
    /// Digests of the manifests of its platforms, sorted.
    pub manifests: Vec<Digest>,
    /// Of all its digests those that are in honest hands too, sorted: manifests of platforms that were
    /// not convicted, an index with a clean platform, and all that the store knows as clean elsewhere.
    #[serde(default)]
    pub spared: Vec<Digest>,
    /// When its convicted platforms were built by their own word, RFC 3339 in UTC, sorted.
    #[serde(default)]
    pub built: Vec<String>,
    /// Its platforms, as text, sorted.
    pub platforms: Vec<String>,
    /// Who published it.
    pub account: Option<String>,
    /// What its page says of it.
    pub description: String,
    /// When its repository was made, RFC 3339; the image's own word where no site says.
    pub created: Option<String>,
    /// When it was last changed, RFC 3339.
    pub updated: Option<String>,
    /// How often it was pulled.
    pub pulls: Option<u64>,
    /// How many marked it.
    pub stars: Option<u64>,
    /// The verdict.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub why: String,
    /// What it does, in the order of [`DeedKind::ALL`].
    pub deeds: Vec<Deed>,
    /// Lines of its scripts on which what accuses it rests, as written, sorted.
    #[serde(default)]
    pub lines: Vec<String>,
    /// Ids of the rules that accuse it, sorted.
    pub rules: Vec<String>,
    /// Which member it is built on, by position, where it is built on one.
    pub built_on: Option<usize>,
}

impl Member {
    /// The digests to be removed, refused and looked for, each once: the index or manifest that was judged
    /// first. None that is in honest hands too, since an actor can put an honest image into an index.
    pub fn accused(&self) -> impl Iterator<Item = &Digest> {
        let platforms = self.manifests.iter().filter(|manifest| **manifest != self.digest);
        std::iter::once(&self.digest).chain(platforms).filter(|digest| !self.spared.contains(digest))
    }
}

/// Something that an image does to whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// What.
    pub kind: DeedKind,
    /// The evidence in a line, raw.
    pub evidence: String,
    /// Where in the image, as text.
    pub place: String,
}

/// What an image does, in the words of the tables in which such cases are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeedKind {
    /// A miner lies in it, ready to run.
    MinerInPlace,
    /// It fetches a miner, or builds one.
    MinerFetched,
    /// It fetches and runs what nobody has seen.
    DownloadAndRun,
    /// It writes to the host's crontab.
    HostCron,
    /// It puts a service on the host, which starts what it runs again.
    HostService,
    /// It writes to a crontab of its own.
    Cron,
    /// It opens a shell to somebody far away, or lets somebody in.
    ReverseShell,
    /// It adds keys or accounts that may log in.
    SshKey,
    /// It takes over the host, its engine or its cluster in another way.
    Escape,
    /// It takes credentials.
    CredentialTheft,
    /// It hides what it does.
    Hiding,
    /// It stops guards or rivals.
    Impairment,
    /// It looks for further victims, or spreads.
    Spreading,
    /// It attacks others, destroys, or sells the victim's line.
    Abuse,
    /// Its name or page promises what it does not hold.
    Deception,
    /// Accused of something else.
    Other,
}

impl DeedKind {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 16] = [
        Self::MinerInPlace,
        Self::MinerFetched,
        Self::DownloadAndRun,
        Self::HostCron,
        Self::HostService,
        Self::Cron,
        Self::ReverseShell,
        Self::SshKey,
        Self::Escape,
        Self::CredentialTheft,
        Self::Hiding,
        Self::Impairment,
        Self::Spreading,
        Self::Abuse,
        Self::Deception,
        Self::Other,
    ];

    /// As tables and exports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MinerInPlace => "miner in place",
            Self::MinerFetched => "miner fetched",
            Self::DownloadAndRun => "download and run",
            Self::HostCron => "host cron",
            Self::HostService => "host service",
            Self::Cron => "cron",
            Self::ReverseShell => "reverse shell",
            Self::SshKey => "SSH key",
            Self::Escape => "host takeover",
            Self::CredentialTheft => "credential theft",
            Self::Hiding => "hiding",
            Self::Impairment => "impairment",
            Self::Spreading => "spreading",
            Self::Abuse => "abuse",
            Self::Deception => "deception",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for DeedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A repository without an image, whose description leads people somewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lure {
    /// Its name.
    pub repository: String,
    /// Who published it.
    pub account: Option<String>,
    /// What its page says.
    pub description: String,
    /// What is wrong with it.
    pub why: String,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// How often it was looked for.
    pub pulls: Option<u64>,
}

/// Something that several members have in common, or that one has alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    /// What.
    pub indicator: Indicator,
    /// What it says, in bits: see [`Method`].
    pub bits: f64,
    /// Why it weighs so much, in words: "a wallet; no honest image of 312 holds it".
    pub why: String,
    /// Members that hold it, by position.
    pub members: Vec<usize>,
    /// Images outside of the campaign that hold it.
    pub elsewhere: u64,
    /// Where it stands, in the first of these members.
    pub place: String,
}

/// Two members that are tied directly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tie {
    /// By position.
    pub a: usize,
    /// By position, higher than `a`.
    pub b: usize,
    /// What their common indicators say together, in bits.
    pub bits: f64,
    /// What they have in common that counts, that of the highest weight first.
    pub reasons: Vec<TieReason>,
}

/// One thing that ties two images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TieReason {
    /// What, in words: `wallet xmr:4…`, `the account docker.io/somebody`.
    pub what: String,
    /// What it adds, in bits.
    pub bits: f64,
}

/// An image to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// Where it came from, without tag.
    pub repository: String,
    /// Its tag.
    pub tag: Option<String>,
    /// Its digest.
    pub digest: Digest,
    /// Its own verdict.
    pub outcome: Outcome,
    /// Why it should be looked at.
    pub reason: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// RFC 3339, UTC.
    pub time: String,
    /// What, in words.
    pub what: String,
    /// The member, by position, where it concerns one.
    pub member: Option<usize>,
}

/// A product that members claim to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// `mysql`, `tomcat`; `nothing known` for names that promise no product.
    pub product: String,
    /// By position.
    pub members: Vec<usize>,
}

/// A technique of MITRE ATT&CK.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Technique {
    /// `T1496.001`.
    pub id: String,
    /// Ids of the rules that name it, sorted.
    pub rules: Vec<String>,
    /// Members, by position.
    pub members: Vec<usize>,
}

/// What the members do of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduct {
    /// What.
    pub kind: DeedKind,
    /// One or two sentences, with the most telling evidence, raw.
    pub text: String,
    /// Members, by position.
    pub members: Vec<usize>,
}

/// A thing to clean up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleanup {
    /// What to do.
    pub what: String,
    /// Why: what a member did there.
    pub because: String,
    /// Members, by position.
    pub members: Vec<usize>,
}

/// What a wallet is said to have earned. Lazaret asks no pool: somebody gave it as data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revenue {
    /// The wallet, as the indicator's value: `xmr:4…`.
    pub wallet: String,
    /// How much, as given: `544.74`.
    pub amount: String,
    /// Of what: `XMR`.
    pub currency: String,
    /// In US dollars, as given.
    pub usd: Option<String>,
    /// As of when, as given.
    pub as_of: Option<String>,
    /// Who says so.
    pub source: String,
}

/// That an image at hand has to do with a campaign that is known. It changes no verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignLink {
    /// The campaign's name.
    pub campaign: String,
    /// Whether the image is one of its members; else it is a lead, which is to be looked at and accused of
    /// nothing.
    pub is_member: bool,
    /// Why, raw: `holds the wallet of 9 members: xmr:4…`.
    pub reason: String,
}

/// How a campaign was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// The name of the method and where it is published.
    pub name: String,
    /// From how many bits on two images are tied.
    pub threshold: f64,
    /// Images that were seen in all.
    pub images_seen: u64,
    /// Of those, convicted.
    pub convicted: u64,
    /// Publishers that were seen.
    pub publishers_seen: u64,
    /// Links that people refuted in it and indicators that feeds allow, in words.
    pub refuted: Vec<String>,
    /// Indicators of members that a person refuted or a feed allows.
    #[serde(default)]
    pub silenced: Vec<Indicator>,
}
