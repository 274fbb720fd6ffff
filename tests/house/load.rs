//! Reads the crate from `src/lib.rs` on: every file, module, item, import and path.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Meta};

use crate::expand::Rule;
use crate::model::{
    Binding, Crate, FileId, Item, ItemId, ItemKind, Mention, MentionKind, Path, Place, Scope, ScopeId, SourceFile,
};
use crate::resolve::Found;
use crate::sources::Sources;

/// A macro that needs itself more often than this has no end.
const EXPANSIONS_MAX: usize = 16;

pub fn load(sources: &Sources) -> Crate {
    let mut loader = Loader::default();
    loader.parse(sources);
    loader.krate.scopes.push(Scope { directory: "src".to_owned(), ..Scope::default() });
    loader.read_file("src/lib.rs", "lib");
    loader.expand_macros();
    let unread: Vec<String> = loader.unread.keys().cloned().collect();
    for path in unread {
        loader.fail(format!("{path}: no `mod` leads to this file; declare it or remove it"));
    }
    let mut krate = loader.krate;
    krate.resolve_mentions();
    krate
}

#[derive(Default)]
pub struct Loader {
    pub krate: Crate,
    /// Files that no module has been read from yet.
    unread: BTreeMap<String, Unread>,
    /// Our own `macro_rules!`.
    pub definitions: BTreeMap<ItemId, Vec<Rule>>,
    /// Those of our own macros are expanded when all items are known.
    pub calls: Vec<MacroCall>,
    pub at: Position,
}

struct Unread {
    syntax: syn::File,
    lines: usize,
    unsafe_lines: Vec<usize>,
}

/// Where the reader is.
#[derive(Clone, Default)]
pub struct Position {
    pub scope: ScopeId,
    pub file: FileId,
    pub is_test: bool,
    /// Of the macro call that is being expanded: what comes out of it stands there.
    pub line: Option<usize>,
    pub expansions: usize,
    /// In the text of a `macro_rules!`: `self::` and `super::` mean something only where the macro is called.
    pub in_definition: bool,
}

pub struct MacroCall {
    pub at: Position,
    pub path: Path,
    pub tokens: TokenStream,
    pub line: usize,
    /// The call stands where items stand.
    pub makes_items: bool,
}

impl Loader {
    pub fn fail(&mut self, error: String) {
        self.krate.errors.push(error);
    }

    fn parse(&mut self, sources: &Sources) {
        for (path, text) in sources {
            let parsed = text.parse::<TokenStream>().map_err(|e| format!("{path}: {e}")).and_then(|tokens| {
                let mut unsafe_lines = Vec::new();
                find_unsafe(tokens.clone(), &mut unsafe_lines);
                let syntax = syn::parse2(tokens).map_err(|e| format!("{path}:{}: {e}", e.span().start().line))?;
                Ok(Unread { syntax, lines: text.lines().count(), unsafe_lines })
            });
            match parsed {
                Ok(unread) => {
                    self.unread.insert(path.clone(), unread);
                }
                Err(error) => self.fail(error),
            }
        }
    }

    /// Reads a file into the scope that `at` names.
    fn read_file(&mut self, path: &str, room: &str) {
        let Some(unread) = self.unread.remove(path) else {
            return self.fail(format!("{path} was not found"));
        };
        self.at.file = self.krate.files.len();
        self.at.is_test |= is_named_as_test(path);
        self.krate.scopes[self.at.scope].file = self.at.file;
        self.krate.files.push(SourceFile {
            path: path.to_owned(),
            room: room.to_owned(),
            is_test: self.at.is_test,
            lines: unread.lines,
            unsafe_lines: unread.unsafe_lines,
        });
        self.visit_file(&unread.syntax);
    }

    /// `mod x;` and `mod x { … }`.
    pub fn module(&mut self, module: &syn::ItemMod) {
        let name = plain(&module.ident);
        let parent = self.at.scope;
        let mut path = self.krate.scopes[self.krate.module_of(parent)].path.clone();
        path.push(name.clone());
        let is_room = path.len() == 1;
        let scope = self.krate.scopes.len();
        self.krate.scopes.push(Scope {
            path,
            parent: Some(parent),
            file: self.at.file,
            directory: format!("{}/{name}", self.krate.scopes[parent].directory),
            ..Scope::default()
        });
        self.bind(parent, &name, Binding::Module(scope));
        let outer = self.at.clone();
        self.at.scope = scope;
        // What decides is below the room: the simulator is a room, and only tests build it.
        self.at.is_test &= !is_room;
        match &module.content {
            Some((_, items)) => items.iter().for_each(|item| self.visit_item(item)),
            None => match self.file_of(module, &name) {
                Ok(path) => {
                    if path_attribute(&module.attrs).is_some() {
                        self.krate.scopes[scope].directory = directory_of(&path).to_owned();
                    }
                    let room = if is_room { name } else { self.krate.files[outer.file].room.clone() };
                    self.read_file(&path, &room);
                }
                Err(error) => self.fail(error),
            },
        }
        self.at = outer;
    }

    fn file_of(&self, module: &syn::ItemMod, name: &str) -> Result<String, String> {
        let directory = &self.krate.scopes[self.at.scope].directory;
        let declared_in = &self.krate.files[self.at.file].path;
        let candidates = match path_attribute(&module.attrs) {
            Some(path) => vec![format!("{}/{path}", directory_of(declared_in))],
            None => vec![format!("{directory}.rs"), format!("{directory}/mod.rs")],
        };
        let line = module.ident.span().start().line;
        let found: Vec<&String> = candidates.iter().filter(|path| self.unread.contains_key(*path)).collect();
        match found[..] {
            [path] => Ok(path.clone()),
            [] => Err(format!("{declared_in}:{line}: `mod {name}` has no file {}", candidates.join(" or "))),
            _ => Err(format!("{declared_in}:{line}: `mod {name}` has two files, {}", candidates.join(" and "))),
        }
    }

    pub fn bind(&mut self, scope: ScopeId, name: &str, binding: Binding) {
        self.krate.scopes[scope].names.entry(name.to_owned()).or_default().push(binding);
    }

    pub fn place(&self, span: Span) -> Place {
        let line = self.at.line.unwrap_or_else(|| span.start().line);
        Place { file: self.at.file, line, is_test: self.at.is_test }
    }

    pub fn mention(&mut self, path: Path, kind: MentionKind, span: Span) {
        if self.at.in_definition && matches!(path.segments[0].as_str(), "self" | "super") {
            return;
        }
        let place = self.place(span);
        self.krate.mentions.push(Mention { scope: self.at.scope, path, kind, place });
    }

    pub fn define(&mut self, name: &Ident, kind: ItemKind) -> &mut Item {
        let id = self.krate.items.len();
        let scope = self.at.scope;
        let place = self.place(name.span());
        let name = plain(name);
        self.bind(scope, &name, Binding::Item(id));
        self.krate.items.push(Item { name, kind, scope, place, fields: 0, variants: BTreeSet::new(), alias_of: None });
        &mut self.krate.items[id]
    }

    /// Reads what our own macros make, in the place where they are called.
    fn expand_macros(&mut self) {
        while let Some(call) = self.calls.pop() {
            for found in self.krate.resolve(call.at.scope, &call.path).found {
                let Found::Item(id, _) = found else { continue };
                let Some(rules) = self.definitions.get(&id) else { continue };
                let name = call.path.written();
                let result = if call.at.expansions < EXPANSIONS_MAX {
                    crate::expand::expand(rules, &call.tokens)
                } else {
                    Err("it needs itself without end".to_owned())
                };
                self.at = call.at.clone();
                self.at.line = Some(call.line);
                self.at.expansions += 1;
                let result = result.and_then(|tokens| self.expanded(tokens, call.makes_items));
                if let Err(error) = result {
                    let at = format!("{}:{}", self.krate.files[call.at.file].path, call.line);
                    self.fail(format!("{at}: the test cannot expand `{name}!`: {error}"));
                }
            }
        }
    }

    fn expanded(&mut self, tokens: TokenStream, makes_items: bool) -> Result<(), String> {
        if makes_items {
            let file: syn::File = syn::parse2(tokens).map_err(|e| e.to_string())?;
            self.visit_file(&file);
        } else {
            self.macro_arguments(tokens);
        }
        Ok(())
    }

    /// Whether what has these attributes is built for tests only. All of the simulator is; there only files count.
    pub fn is_for_tests(&self, attributes: &[Attribute]) -> bool {
        self.krate.files.get(self.at.file).is_none_or(|file| file.room != "sim") && is_for_tests(attributes)
    }
}

fn find_unsafe(tokens: TokenStream, lines: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => find_unsafe(group.stream(), lines),
            TokenTree::Ident(ident) if ident == "unsafe" => lines.push(ident.span().start().line),
            _ => {}
        }
    }
}

fn is_named_as_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/")
}

fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Without the `r#` of raw identifiers.
pub fn plain(name: &Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").map_or(name.clone(), str::to_owned)
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && needs_test(list.tokens.clone()),
        Meta::NameValue(_) => false,
    })
}

/// Of the inside of `cfg(…)`. True: `test`, `all(…, test)`, `any(test, all(test, …))`. False: `any(test, fuzzing)`,
/// `not(test)`.
fn needs_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => {
            let parts: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
            let mut parts = parts.split(is_comma).filter(|part| !part.is_empty());
            let mut needs = |part: &[TokenTree]| needs_test(part.iter().cloned().collect());
            match word.to_string().as_str() {
                "all" => parts.any(&mut needs),
                "any" => parts.all(&mut needs),
                _ => false,
            }
        }
        _ => false,
    }
}
