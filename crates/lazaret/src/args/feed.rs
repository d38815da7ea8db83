use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which feeds of indicators count.
#[derive(Debug, Args)]
#[command(next_help_heading = "Feeds")]
pub struct FeedArgs {
    /// A signed pack of indicators that counts besides those that were imported; its key must be
    /// pinned.
    #[arg(long = "feed", value_name = "FILE")]
    pub feeds: Vec<PathBuf>,
    /// Let no feed count, imported or not.
    #[arg(long, conflicts_with = "feeds")]
    pub no_feeds: bool,
    /// The file with the pinned keys (default: `feeds.toml` in the configuration directory).
    #[arg(long, value_name = "FILE", env = "LAZARET_FEED_KEYS")]
    pub feed_keys: Option<PathBuf>,
}

/// Where pinned keys and imported packs are.
#[derive(Debug, Args)]
pub struct FeedPlaceArgs {
    /// The file with the pinned keys (default: `feeds.toml` in the configuration directory).
    #[arg(long, value_name = "FILE", env = "LAZARET_FEED_KEYS")]
    pub feed_keys: Option<PathBuf>,
    /// Where imported packs are kept.
    #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
    pub store: Option<String>,
}

/// `lazaret feed`.
#[derive(Debug, Subcommand)]
pub enum FeedCommand {
    /// Make a key that signs feeds, in a file that only you may read. Prints the public key.
    Keygen {
        /// The file for the private key (PKCS#8 PEM). It must not be there yet.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Print the public key of a private key, for others to pin.
    Public {
        /// The file with the private key.
        #[arg(value_name = "FILE")]
        key: PathBuf,
        /// As PEM, instead of one line.
        #[arg(long)]
        pem: bool,
    },
    /// Pin a key: feeds of this name that it signed count here. Get the key by a way that you trust.
    Pin(FeedPinArgs),
    /// Take a pinned key away, or all keys of a feed.
    Unpin {
        /// The name of the feed.
        name: String,
        /// The key; all of the feed without it.
        key: Option<String>,
        /// The file with the pinned keys (default: `feeds.toml` in the configuration directory).
        #[arg(long, value_name = "FILE", env = "LAZARET_FEED_KEYS")]
        feed_keys: Option<PathBuf>,
    },
    /// Write a signed pack of what you deny and allow.
    Export(Box<FeedExportArgs>),
    /// Take packs into use. An unsigned, expired, damaged or older one is refused.
    ///
    /// Exit codes: 0 all in use, 1 one was refused, 2 wrong use or failure.
    Import {
        /// The packs.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        place: FeedPlaceArgs,
    },
    /// Tell whether packs would be taken, and take none.
    ///
    /// Exit codes: 0 all would be, 1 one would be refused, 2 wrong use or failure.
    Check {
        /// The packs.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        place: FeedPlaceArgs,
    },
    /// List the imported packs and the pinned keys.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: FeedPlaceArgs,
    },
    /// List what a feed denies and allows.
    Show {
        /// The name of an imported feed, or a file with a pack.
        #[arg(value_name = "NAME|FILE")]
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: FeedPlaceArgs,
    },
    /// Take a feed out of use. Its version stays remembered, so that no older pack comes after it.
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name.
        name: String,
        /// Forget its version too: any pack of it may follow. For an issuer whose key was stolen.
        #[arg(long)]
        forget: bool,
        /// Where imported packs are kept.
        #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
        store: Option<String>,
    },
}

/// `lazaret feed pin`.
#[derive(Debug, Args)]
pub struct FeedPinArgs {
    /// The name of the feed.
    pub name: String,
    /// The key: `lazaret-feed-key:…`, or a file with it (PEM or one line).
    pub key: String,
    /// What it allows counts as well. Whoever holds the key can then let images in.
    #[arg(long)]
    pub allow: bool,
    /// Let it take the place of the keys that are pinned for this feed.
    #[arg(long, conflicts_with = "also")]
    pub replace: bool,
    /// Let it count beside the keys that are pinned for this feed, while its issuer changes keys.
    #[arg(long)]
    pub also: bool,
    /// A note for yourself, such as how you got the key.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The file with the pinned keys (default: `feeds.toml` in the configuration directory).
    #[arg(long, value_name = "FILE", env = "LAZARET_FEED_KEYS")]
    pub feed_keys: Option<PathBuf>,
}

/// `lazaret feed export`.
#[derive(Debug, Args)]
pub struct FeedExportArgs {
    /// The pack; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The private key that signs it.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The name of the feed, for which others pin your key.
    #[arg(long)]
    pub name: String,
    /// Its version: higher than that of every pack of this name before.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX.unsigned_abs()))]
    pub version: u64,
    /// Until when it counts: a date (2027-01-31, to its end in UTC), a time (2027-01-31T12:00:00Z) or
    /// a length (90d).
    #[arg(long, value_name = "DATE")]
    pub expires: String,
    /// Who you are, for those who read the evidence.
    #[arg(long, value_name = "TEXT")]
    pub issuer: String,
    /// Files with entries: CSV (kind,value and optionally action,campaign,reason,author,expires) or
    /// JSON (a list of objects with these keys); `-` is standard input, as CSV.
    #[arg(long = "from", value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// A campaign of the store: its images, and what is its makers' alone.
    #[arg(long = "campaign", value_name = "ID")]
    pub campaigns: Vec<String>,
    /// Where campaigns are remembered.
    #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
    pub store: Option<String>,
    /// The reason of entries that name none.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The author of entries that name none (default: the issuer).
    #[arg(long, value_name = "TEXT")]
    pub author: Option<String>,
}
