//! The files of a room use each other in one direction only.
//!
//! Nodes are a room's files that are not tests. An edge leads from a file to the one that defines what a path in it
//! names, whatever the path goes through. `mod` and `pub use` lines make none: they only say where something is.
//!
//! A method is called without its type's name, so a call cannot be seen here. Where an `impl T` with methods stands
//! outside of T's file and folder, T's file counts as using that file. It does not where the impl stands in T's own
//! folder: the file there names T, so every type with a folder would be a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::{Crate, FileId, MentionKind};
use crate::resolve::Found;
use crate::rules::impls;

/// A strongly connected part of more than one file: from each of its files a way leads to each other one.
pub struct Circle {
    pub room: String,
    pub files: BTreeSet<String>,
    /// The edges of one circle in it, with file and line.
    pub example: Vec<String>,
}

#[derive(Clone)]
struct Edge {
    line: usize,
    why: String,
}

type Edges = BTreeMap<FileId, BTreeMap<FileId, Edge>>;

pub fn check(krate: &Crate) -> Vec<Circle> {
    let edges = edges(krate);
    strong_parts(&edges)
        .into_iter()
        .map(|part| Circle {
            room: krate.files[part[0]].room.clone(),
            files: part.iter().map(|file| krate.files[*file].path.clone()).collect(),
            example: example(krate, &edges, &part),
        })
        .collect()
}

/// Which file uses which, as paths.
pub fn uses(krate: &Crate) -> BTreeSet<(String, String)> {
    let path = |file: FileId| krate.files[file].path.clone();
    let edges = edges(krate);
    edges.iter().flat_map(|(from, to)| to.keys().map(move |to| (path(*from), path(*to)))).collect()
}

fn edges(krate: &Crate) -> Edges {
    let mut edges = Edges::new();
    let mut add = |from: FileId, line: usize, to: FileId, why: String| {
        let is_inside = krate.files[from].room == krate.files[to].room && krate.files[from].room != "lib";
        if from != to && is_inside && !krate.files[to].is_test {
            edges.entry(from).or_default().entry(to).or_insert(Edge { line, why });
        }
    };
    for (mention, resolution) in krate.resolved() {
        if mention.place.is_test || mention.kind == MentionKind::ReExport {
            continue;
        }
        for found in &resolution.found {
            if let Found::Item(id, _) = found {
                let why = format!("`{}`", mention.path.written());
                add(mention.place.file, mention.place.line, krate.items[*id].place.file, why);
            }
        }
    }
    for stray in impls::methods_elsewhere(krate) {
        let item = &krate.items[stray.of];
        let why = format!("methods of `{}`, whose `impl` is there", item.name);
        add(item.place.file, item.place.line, stray.place.file, why);
    }
    edges
}

/// Tarjan's algorithm; parts of one file are left out.
fn strong_parts(edges: &Edges) -> Vec<Vec<FileId>> {
    let mut search = Search::new(edges);
    for file in edges.keys() {
        if !search.index.contains_key(file) {
            search.visit(*file);
        }
    }
    search.parts
}

struct Search<'a> {
    edges: &'a Edges,
    /// In the order of the visits.
    index: BTreeMap<FileId, usize>,
    /// The earliest file on the stack that can be reached.
    lowest: BTreeMap<FileId, usize>,
    stack: Vec<FileId>,
    parts: Vec<Vec<FileId>>,
}

impl<'a> Search<'a> {
    fn new(edges: &'a Edges) -> Search<'a> {
        Search { edges, index: BTreeMap::new(), lowest: BTreeMap::new(), stack: Vec::new(), parts: Vec::new() }
    }

    fn visit(&mut self, file: FileId) {
        let index = self.index.len();
        self.index.insert(file, index);
        let begin = self.stack.len();
        self.stack.push(file);
        let mut lowest = index;
        for next in self.edges.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if !self.index.contains_key(next) {
                self.visit(*next);
                lowest = lowest.min(self.lowest[next]);
            } else if self.stack.contains(next) {
                lowest = lowest.min(self.index[next]);
            }
        }
        self.lowest.insert(file, lowest);
        if lowest == index {
            let mut part = self.stack.split_off(begin);
            part.sort_unstable();
            if part.len() > 1 {
                self.parts.push(part);
            }
        }
    }
}

/// The shortest circle through one of the files.
fn example(krate: &Crate, edges: &Edges, part: &[FileId]) -> Vec<String> {
    let circles = part.iter().filter_map(|file| shortest_circle(edges, *file));
    let shortest = circles.min_by_key(Vec::len).unwrap_or_default();
    let next = shortest.iter().cycle().skip(1);
    let step = |(from, to): (&FileId, &FileId)| {
        let edge = &edges[from][to];
        let (from, to) = (&krate.files[*from].path, &krate.files[*to].path);
        format!("{from}:{} uses {to}: {}", edge.line, edge.why)
    };
    shortest.iter().zip(next).map(step).collect()
}

fn shortest_circle(edges: &Edges, start: FileId) -> Option<Vec<FileId>> {
    let mut came_from: BTreeMap<FileId, FileId> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in edges.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                let mut circle = vec![file];
                while circle[circle.len() - 1] != start {
                    circle.push(came_from[&circle[circle.len() - 1]]);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(*next, file);
                queue.push_back(*next);
            }
        }
    }
    None
}
