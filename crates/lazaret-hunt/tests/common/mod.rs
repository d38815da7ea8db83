//! Images as tests of the graph write them down.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::collections::HashMap;

use lazaret_hunt::graph::{Graph, ImageInput, Judged, LinkInput};
use lazaret_model::{IndicatorKind, Role};

/// Images as a test writes them down.
#[derive(Default)]
pub struct World {
    pub graph: Graph,
    numbers: HashMap<(IndicatorKind, String), u32>,
    pub inputs: Vec<ImageInput>,
}

pub struct Draft<'w> {
    world: &'w mut World,
    pub input: ImageInput,
}

impl World {
    pub fn image(&mut self, account: &str, repository: &str) -> Draft<'_> {
        let input = ImageInput {
            publisher: account.to_owned(),
            repository: format!("{account}/{repository}"),
            name: "latest".to_owned(),
            judged: Judged::Convicted,
            ..ImageInput::default()
        };
        Draft { world: self, input }
    }

    pub fn indicator(&mut self, kind: IndicatorKind, value: &str) -> u32 {
        let graph = &mut self.graph;
        *self.numbers.entry((kind, value.to_owned())).or_insert_with(|| graph.indicator(kind, value))
    }

    pub fn clustered(&mut self) -> Vec<Vec<u32>> {
        for input in &self.inputs {
            self.graph.insert(input);
        }
        self.graph.cluster();
        self.graph.clusters()
    }
}

impl Draft<'_> {
    pub fn honest(mut self) -> Self {
        self.input.judged = Judged::Clean;
        self
    }

    pub fn unread(mut self) -> Self {
        self.input.judged = Judged::Unknown;
        self
    }

    pub fn on(mut self, layers: &[u64]) -> Self {
        self.input.stacks = vec![layers.to_vec()];
        self
    }

    pub fn has(self, kind: IndicatorKind, value: &str) -> Self {
        self.at(kind, value, None, 0)
    }

    pub fn at(mut self, kind: IndicatorKind, value: &str, layer: Option<u32>, place: u64) -> Self {
        let indicator = self.world.indicator(kind, value);
        self.input.links.push(LinkInput { indicator, layer, place, role: Role::Lies, accused: None });
        self
    }

    pub fn named(self) -> Self {
        self.is(Role::Harms)
    }

    pub fn is(mut self, role: Role) -> Self {
        if let Some(last) = self.input.links.last_mut() {
            last.role = role;
            // As where the finding is about the file in which the indicator stands.
            last.accused = last.layer.filter(|_| role.is_named() && last.place != 0);
        }
        self
    }

    pub fn seen(self) -> u32 {
        let at = self.world.inputs.len() as u32;
        self.world.inputs.push(self.input);
        at
    }
}
