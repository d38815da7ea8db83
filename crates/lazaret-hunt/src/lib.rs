//! Campaigns: judging many images, and tying them to those who made them.

pub mod graph;
pub mod hunt;
