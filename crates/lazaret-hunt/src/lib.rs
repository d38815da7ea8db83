//! Campaigns: judging many images, and tying them to those who made them.

pub mod campaign;
pub mod graph;
pub mod hunt;
