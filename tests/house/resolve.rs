//! From a path to what it names: through modules, imports with and without an alias, re-exports and globs, up to the
//! item itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Binding, Crate, ImportId, ItemId, ItemKind, MentionKind, Path, ROOT, ScopeId};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Found {
    /// And what follows it in the path: a variant or an associated item.
    Item(ItemId, Vec<String>),
    Module(ScopeId),
    /// Of another crate, or a name that no scope has (a variable, a generic parameter, the prelude).
    Outside(Vec<String>),
    /// This crate's module has nothing of this name.
    Missing(String),
}

/// A path can name several things, such as a module and a function of one name.
#[derive(Clone, Default)]
pub struct Resolution {
    pub found: Vec<Found>,
    /// Every room on the way, the first module's and the defining file's included.
    pub rooms: BTreeSet<String>,
    /// Climbs to the crate's root with `super::`.
    pub leaves_room_by_super: bool,
}

/// What one resolution has passed.
#[derive(Default)]
struct Trail {
    rooms: BTreeSet<String>,
    leaves_room_by_super: bool,
    /// Imports being followed: a path that needs itself leads nowhere.
    following: Vec<ImportId>,
}

impl Crate {
    /// Resolves all mentions; those that must be in this crate and are not become errors.
    pub fn resolve_mentions(&mut self) {
        let mut known: BTreeMap<(ScopeId, &Path), Resolution> = BTreeMap::new();
        let mut resolutions = Vec::with_capacity(self.mentions.len());
        let mut errors = BTreeSet::new();
        for mention in &self.mentions {
            let resolution = known
                .entry((mention.scope, &mention.path))
                .or_insert_with(|| self.resolve(mention.scope, &mention.path));
            for found in &resolution.found {
                if let Found::Missing(name) = found {
                    let (at, path) = (self.at(mention.place), mention.path.written());
                    errors.insert(format!("{at}: `{path}` cannot be resolved: there is no `{name}`"));
                }
            }
            if resolution.found.is_empty() {
                let (at, path) = (self.at(mention.place), mention.path.written());
                errors.insert(format!("{at}: `{path}` cannot be resolved"));
            }
            if mention.kind == MentionKind::Glob && resolution.found.iter().any(|found| !self.can_be_globbed(found)) {
                errors.insert(format!("{}: `{}::*` is not understood", self.at(mention.place), mention.path.written()));
            }
            resolutions.push(resolution.clone());
        }
        self.resolutions = resolutions;
        self.errors.extend(errors);
    }

    fn can_be_globbed(&self, found: &Found) -> bool {
        !matches!(found, Found::Item(item, _) if !matches!(self.items[*item].kind, ItemKind::Enum | ItemKind::Alias))
    }

    pub fn resolve(&self, scope: ScopeId, path: &Path) -> Resolution {
        let mut trail = Trail::default();
        let mut found = self.walk(scope, path, &mut trail);
        found.sort();
        found.dedup();
        Resolution { found, rooms: trail.rooms, leaves_room_by_super: trail.leaves_room_by_super }
    }

    /// The items behind a path, a type alias replaced by what it stands for.
    pub fn items_behind_aliases(&self, scope: ScopeId, path: &Path) -> BTreeSet<ItemId> {
        let mut items = BTreeSet::new();
        let mut pending = vec![(scope, path)];
        let mut seen = BTreeSet::new();
        while let Some((scope, path)) = pending.pop() {
            for found in self.resolve(scope, path).found {
                let Found::Item(id, _) = found else { continue };
                let item = &self.items[id];
                match &item.alias_of {
                    Some(target) if seen.insert(id) => pending.push((item.scope, target)),
                    Some(_) => {}
                    None => {
                        items.insert(id);
                    }
                }
            }
        }
        items
    }

    /// The paths of other crates that a path comes to, type aliases of this crate replaced.
    pub fn outside_paths(&self, mention: usize) -> Vec<Vec<String>> {
        let mut outside = Vec::new();
        let mut pending = self.resolutions[mention].found.clone();
        let mut seen = BTreeSet::new();
        while let Some(found) = pending.pop() {
            match found {
                Found::Outside(path) => outside.push(path),
                Found::Item(id, rest) if seen.insert(id) => {
                    let item = &self.items[id];
                    if let Some(mut path) = item.alias_of.clone() {
                        path.segments.extend(rest);
                        pending.extend(self.resolve(item.scope, &path).found);
                    }
                }
                _ => {}
            }
        }
        outside
    }

    fn walk(&self, scope: ScopeId, path: &Path, trail: &mut Trail) -> Vec<Found> {
        if path.is_global {
            return vec![Found::Outside(path.segments.clone())];
        }
        let mut segments = path.segments.as_slice();
        let mut found = self.first(scope, &mut segments, trail);
        while let Some((name, rest)) = segments.split_first() {
            let leading = found.iter().filter(|found| self.leads_on(found)).cloned().collect::<Vec<_>>();
            found = leading.into_iter().flat_map(|place| self.step(place, name, trail)).collect();
            segments = rest;
        }
        found
    }

    /// What a path begins with. Leaves in `segments` what follows.
    fn first(&self, scope: ScopeId, segments: &mut &[String], trail: &mut Trail) -> Vec<Found> {
        let Some((first, rest)) = segments.split_first() else { return Vec::new() };
        *segments = rest;
        match first.as_str() {
            "crate" => vec![Found::Module(ROOT)],
            "Self" => vec![Found::Outside(vec!["Self".to_owned()])],
            "self" | "super" => {
                let mut module = Some(self.module_of(scope));
                let mut climbs = first == "super" || take_super(segments);
                while climbs {
                    module = module.and_then(|module| self.scopes[module].parent).map(|parent| self.module_of(parent));
                    // What an import climbs is reported where the import stands.
                    trail.leaves_room_by_super |= module == Some(ROOT) && trail.following.is_empty();
                    climbs = take_super(segments);
                }
                vec![module.map_or_else(|| Found::Missing("super".to_owned()), Found::Module)]
            }
            name => {
                let found = self.lexical(scope, name, !segments.is_empty(), trail);
                if found.is_empty() { vec![Found::Outside(vec![name.to_owned()])] } else { found }
            }
        }
    }

    /// A plain name: in the blocks around it, then in its module. Macros are also known below the module that has them.
    /// What begins a longer path is no function: `cbc::Decryptor` is of the crate `cbc`, whatever else is called so.
    fn lexical(&self, scope: ScopeId, name: &str, begins_path: bool, trail: &mut Trail) -> Vec<Found> {
        let mut at = Some(scope);
        let mut only_macros = false;
        while let Some(scope) = at {
            let mut found = if only_macros { self.macros(scope, name) } else { self.members(scope, name, trail) };
            found.retain(|found| !begins_path || self.leads_on(found));
            if !found.is_empty() {
                return found;
            }
            only_macros |= !self.scopes[scope].is_block;
            at = self.scopes[scope].parent;
        }
        Vec::new()
    }

    fn macros(&self, scope: ScopeId, name: &str) -> Vec<Found> {
        let bindings = self.scopes[scope].names.get(name).into_iter().flatten();
        bindings
            .filter_map(|binding| match binding {
                Binding::Item(id) if self.items[*id].kind == ItemKind::Macro => Some(Found::Item(*id, Vec::new())),
                _ => None,
            })
            .collect()
    }

    fn leads_on(&self, found: &Found) -> bool {
        match found {
            Found::Item(id, _) => self.items[*id].kind.is_type(),
            Found::Module(_) | Found::Outside(_) | Found::Missing(_) => true,
        }
    }

    fn step(&self, place: Found, name: &str, trail: &mut Trail) -> Vec<Found> {
        match place {
            Found::Module(scope) => {
                let found = self.members(scope, name, trail);
                if !found.is_empty() {
                    return found;
                }
                vec![if self.has_outside_glob(scope) {
                    Found::Outside(vec![name.to_owned()])
                } else {
                    Found::Missing(name.to_owned())
                }]
            }
            Found::Outside(mut path) => {
                path.push(name.to_owned());
                vec![Found::Outside(path)]
            }
            Found::Item(id, mut rest) => {
                rest.push(name.to_owned());
                vec![Found::Item(id, rest)]
            }
            Found::Missing(_) => vec![place],
        }
    }

    /// What a scope has under a name. Visibility is not looked at: the compiler checks that.
    fn members(&self, scope: ScopeId, name: &str, trail: &mut Trail) -> Vec<Found> {
        let mut found = Vec::new();
        for binding in self.scopes[scope].names.get(name).into_iter().flatten() {
            match *binding {
                Binding::Item(id) => {
                    trail.rooms.insert(self.room_of(self.items[id].place).to_owned());
                    found.push(Found::Item(id, Vec::new()));
                }
                Binding::Module(module) => {
                    trail.rooms.insert(self.room_of_scope(module).to_owned());
                    found.push(Found::Module(module));
                }
                Binding::Import(import) => found.extend(self.follow(import, trail)),
            }
        }
        if found.is_empty() {
            for import in &self.scopes[scope].globs {
                for place in self.follow(*import, trail) {
                    match place {
                        Found::Module(module) => {
                            trail.following.push(*import);
                            found.extend(self.members(module, name, trail));
                            trail.following.pop();
                        }
                        Found::Item(id, _) if self.items[id].variants.contains(name) => {
                            found.push(Found::Item(id, vec![name.to_owned()]));
                        }
                        _ => {}
                    }
                }
            }
        }
        found
    }

    fn follow(&self, id: ImportId, trail: &mut Trail) -> Vec<Found> {
        if trail.following.contains(&id) {
            return Vec::new();
        }
        trail.following.push(id);
        let import = &self.imports[id];
        let found = self.walk(import.scope, &import.path, trail);
        trail.following.pop();
        found
    }

    fn has_outside_glob(&self, scope: ScopeId) -> bool {
        self.scopes[scope].globs.iter().any(|import| {
            let import = &self.imports[*import];
            self.resolve(import.scope, &import.path).found.iter().any(|found| matches!(found, Found::Outside(_)))
        })
    }
}

fn take_super(segments: &mut &[String]) -> bool {
    match segments.split_first() {
        Some((first, rest)) if first == "super" => {
            *segments = rest;
            true
        }
        _ => false,
    }
}
