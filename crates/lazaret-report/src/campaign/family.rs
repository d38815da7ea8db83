//! Five families of deeds and indicators, each with a colour that both drawings and tables share.

use lazaret_model::{DeedKind, IndicatorKind, Member};

use super::members;

/// What something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Mining, and where the money goes.
    Money,
    /// Fetching and schedules, and the hosts behind them.
    Net,
    /// Ways in, and the keys to them.
    Access,
    /// Code and layers; harm to others.
    Code,
    /// Traces of the maker; disguise.
    Trace,
}

impl Family {
    /// All of them with what a legend says.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Money, "mining and money"),
        (Self::Net, "fetching, schedules, hosts"),
        (Self::Access, "ways in and keys"),
        (Self::Code, "code, layers, harm"),
        (Self::Trace, "disguise and traces"),
    ];

    /// The class that gives it its colour.
    pub fn class(self) -> &'static str {
        match self {
            Self::Money => "f-money",
            Self::Net => "f-net",
            Self::Access => "f-access",
            Self::Code => "f-code",
            Self::Trace => "f-trace",
        }
    }

    /// The family of a deed.
    pub fn of_deed(kind: DeedKind) -> Self {
        match kind {
            DeedKind::MinerInPlace | DeedKind::MinerFetched => Self::Money,
            DeedKind::DownloadAndRun | DeedKind::HostCron | DeedKind::HostService | DeedKind::Cron => {
                Self::Net
            }
            DeedKind::ReverseShell | DeedKind::SshKey | DeedKind::Escape | DeedKind::CredentialTheft => {
                Self::Access
            }
            DeedKind::Spreading | DeedKind::Abuse | DeedKind::Other => Self::Code,
            DeedKind::Hiding | DeedKind::Impairment | DeedKind::Deception => Self::Trace,
        }
    }

    /// The family of an indicator.
    pub fn of_indicator(kind: IndicatorKind) -> Self {
        match kind {
            IndicatorKind::Wallet | IndicatorKind::Pool | IndicatorKind::PoolLogin => Self::Money,
            IndicatorKind::Host | IndicatorKind::Url => Self::Net,
            IndicatorKind::SshKey => Self::Access,
            IndicatorKind::ScriptHash
            | IndicatorKind::ElfHash
            | IndicatorKind::FuzzyHash
            | IndicatorKind::Layer => Self::Code,
            IndicatorKind::Environment | IndicatorKind::Label | IndicatorKind::BuilderTrace => Self::Trace,
        }
    }

    /// Of the first thing that a member does.
    pub fn of_member(member: &Member) -> Self {
        members::kinds(member).first().map_or(Self::Code, |kind| Self::of_deed(*kind))
    }
}
