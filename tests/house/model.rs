//! What the rules look at: the crate's files, modules, items, and every path written in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::resolve::Resolution;

pub type FileId = usize;
pub type ScopeId = usize;
pub type ItemId = usize;
pub type ImportId = usize;

/// The scope of `src/lib.rs`.
pub const ROOT: ScopeId = 0;

#[derive(Default)]
pub struct Crate {
    pub files: Vec<SourceFile>,
    pub scopes: Vec<Scope>,
    pub items: Vec<Item>,
    /// With a name, of structs and of the variants of enums.
    pub fields: Vec<Field>,
    pub imports: Vec<Import>,
    pub mentions: Vec<Mention>,
    /// One per mention.
    pub resolutions: Vec<Resolution>,
    pub impls: Vec<Impl>,
    /// Calls of a method `elapsed()`.
    pub elapsed_calls: Vec<Place>,
    /// What could not be read. The rules are only worth something while this is empty.
    pub errors: Vec<String>,
}

pub struct SourceFile {
    pub path: String,
    /// `sender` for `src/sender/broker.rs`, `error` for `src/error.rs`, `lib` for `src/lib.rs`.
    pub room: String,
    pub is_test: bool,
    pub lines: usize,
    pub unsafe_lines: Vec<usize>,
}

/// A module, or a block that has items of its own.
#[derive(Default)]
pub struct Scope {
    /// Names from the crate's root to the module.
    pub path: Vec<String>,
    /// The module or block around it.
    pub parent: Option<ScopeId>,
    pub is_block: bool,
    pub file: FileId,
    /// Where the files of the modules in it are, such as `src/sender`.
    pub directory: String,
    pub names: BTreeMap<String, Vec<Binding>>,
    pub globs: Vec<ImportId>,
}

#[derive(Clone, Copy)]
pub enum Binding {
    Item(ItemId),
    Module(ScopeId),
    Import(ImportId),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemKind {
    Struct,
    Enum,
    Union,
    Trait,
    Alias,
    Function,
    Value,
    Macro,
}

impl ItemKind {
    pub fn is_type(self) -> bool {
        matches!(self, ItemKind::Struct | ItemKind::Enum | ItemKind::Union | ItemKind::Trait | ItemKind::Alias)
    }
}

pub struct Item {
    pub name: String,
    pub kind: ItemKind,
    pub scope: ScopeId,
    pub place: Place,
    /// Of a struct.
    pub fields: usize,
    /// Of an enum.
    pub variants: BTreeSet<String>,
    /// What a type alias stands for, where that is a path.
    pub alias_of: Option<Path>,
}

pub struct Field {
    pub name: String,
    /// Every name in the type, such as `Option` and `Secret`.
    pub type_names: Vec<String>,
    pub place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    pub file: FileId,
    pub line: usize,
    pub is_test: bool,
}

pub struct Import {
    pub scope: ScopeId,
    pub path: Path,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Path {
    /// `::std::fmt`: never in this crate.
    pub is_global: bool,
    pub segments: Vec<String>,
}

impl Path {
    pub fn written(&self) -> String {
        format!("{}{}", if self.is_global { "::" } else { "" }, self.segments.join("::"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MentionKind {
    /// `use x::Y;`
    Import,
    /// `pub use x::Y;`, with any visibility.
    ReExport,
    /// `use x::*;` and `pub use x::*;`: the path is that of `x`.
    Glob,
    Call,
    Macro,
    /// In types, expressions, patterns, bounds.
    Other,
}

/// A path somewhere in the code.
pub struct Mention {
    pub scope: ScopeId,
    pub path: Path,
    pub kind: MentionKind,
    pub place: Place,
}

pub struct Impl {
    pub scope: ScopeId,
    /// The type's path, without references and generics; `None` for tuples, slices and the like.
    pub target: Option<Path>,
    pub trait_path: Option<Path>,
    /// Types among the trait's generic arguments: `B` in `impl From<B> for A`.
    pub trait_arguments: Vec<Path>,
    pub methods: usize,
    pub place: Place,
}

impl Crate {
    /// The innermost module around a scope.
    pub fn module_of(&self, mut scope: ScopeId) -> ScopeId {
        while let (true, Some(parent)) = (self.scopes[scope].is_block, self.scopes[scope].parent) {
            scope = parent;
        }
        scope
    }

    pub fn room_of_scope(&self, scope: ScopeId) -> &str {
        &self.files[self.scopes[scope].file].room
    }

    pub fn room_of(&self, place: Place) -> &str {
        &self.files[place.file].room
    }

    pub fn path_of(&self, place: Place) -> &str {
        &self.files[place.file].path
    }

    /// `src/sender/mod.rs:12`
    pub fn at(&self, place: Place) -> String {
        format!("{}:{}", self.files[place.file].path, place.line)
    }

    /// `accumulator::batch::Batch`
    pub fn name_of(&self, item: ItemId) -> String {
        let item = &self.items[item];
        let mut parts = self.scopes[self.module_of(item.scope)].path.clone();
        parts.push(item.name.clone());
        parts.join("::")
    }

    /// Each mention with what it means.
    pub fn resolved(&self) -> impl Iterator<Item = (&Mention, &Resolution)> {
        self.mentions.iter().zip(&self.resolutions)
    }
}
