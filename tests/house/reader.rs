//! Walks over the syntax of a file and writes down its items, imports and paths. What only tests build is marked.

use proc_macro2::{Ident, Span, TokenStream};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, FieldValue, GenericArgument, ImplItem, Item, Meta, PathArguments, Stmt, Token, TraitItem,
    Type, UseTree, Visibility,
};

use crate::expand;
use crate::load::{Loader, MacroCall, plain};
use crate::model::{Binding, Field, Impl, Import, ItemKind, MentionKind, Path, Place, Scope};

impl Loader {
    /// Does something with what has these attributes.
    fn below(&mut self, attributes: &[Attribute], read: impl FnOnce(&mut Loader)) {
        let was = self.at.is_test;
        self.at.is_test |= self.is_for_tests(attributes);
        read(self);
        self.at.is_test = was;
    }

    pub fn imports(&mut self, item: &syn::ItemUse) {
        let is_public = match &item.vis {
            Visibility::Inherited => false,
            // `pub(self)` is private in other words.
            Visibility::Restricted(to) => !to.path.is_ident("self"),
            Visibility::Public(_) => true,
        };
        let mut path = Path { is_global: item.leading_colon.is_some(), segments: Vec::new() };
        self.use_tree(&item.tree, &mut path, is_public);
    }

    fn use_tree(&mut self, tree: &UseTree, path: &mut Path, is_public: bool) {
        match tree {
            UseTree::Path(step) => {
                path.segments.push(plain(&step.ident));
                self.use_tree(&step.tree, path, is_public);
                path.segments.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(tree, path, is_public)),
            UseTree::Name(name) => self.import(path, &name.ident, &name.ident, is_public),
            UseTree::Rename(rename) => self.import(path, &rename.ident, &rename.rename, is_public),
            UseTree::Glob(glob) => {
                let import = self.krate.imports.len();
                self.krate.imports.push(Import { scope: self.at.scope, path: path.clone() });
                self.krate.scopes[self.at.scope].globs.push(import);
                self.mention(path.clone(), MentionKind::Glob, glob.star_token.span);
            }
        }
    }

    fn import(&mut self, path: &Path, name: &Ident, alias: &Ident, is_public: bool) {
        let mut path = path.clone();
        let mut alias = plain(alias);
        if name != "self" || path.segments.is_empty() {
            path.segments.push(plain(name));
        } else if alias == "self" {
            // `use crate::wire::{self};`
            alias = path.segments[path.segments.len() - 1].clone();
        }
        let import = self.krate.imports.len();
        self.krate.imports.push(Import { scope: self.at.scope, path: path.clone() });
        if alias != "_" {
            self.bind(self.at.scope, &alias, Binding::Import(import));
        }
        self.mention(path, if is_public { MentionKind::ReExport } else { MentionKind::Import }, name.span());
    }

    fn macro_definition(&mut self, name: &Ident, item: &syn::ItemMacro) {
        let id = self.krate.items.len();
        self.define(name, ItemKind::Macro);
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) {
            self.bind(crate::model::ROOT, &plain(name), Binding::Item(id));
        }
        match expand::rules(item.mac.tokens.clone()) {
            Ok(rules) => {
                let was = std::mem::replace(&mut self.at.in_definition, true);
                for rule in &rules {
                    self.scan(rule.body.clone());
                }
                self.at.in_definition = was;
                self.definitions.insert(id, rules);
            }
            Err(error) => {
                let place = self.place(name.span());
                let at = self.krate.at(place);
                self.fail(format!("{at}: the test cannot read `macro_rules! {name}`: {error}"));
            }
        }
    }

    fn macro_call(&mut self, call: &syn::Macro, makes_items: bool) {
        let path = path_of(&call.path);
        self.mention(path.clone(), MentionKind::Macro, call.path.segments[0].ident.span());
        self.call_of(path, &call.tokens, call.path.segments[0].ident.span(), makes_items);
        if makes_items && let Some(file) = as_items(&call.tokens) {
            return self.visit_file(&file);
        }
        self.macro_arguments(call.tokens.clone());
    }

    /// Remembers a call. In a definition it is one only where that is called.
    pub fn call_of(&mut self, path: Path, arguments: &TokenStream, span: Span, makes_items: bool) {
        if !self.at.in_definition {
            let line = self.place(span).line;
            self.calls.push(MacroCall { at: self.at.clone(), path, tokens: arguments.clone(), line, makes_items });
        }
    }

    /// As statements or expressions where they are, as plain tokens otherwise.
    pub fn macro_arguments(&mut self, tokens: TokenStream) {
        if let Ok(statements) = syn::parse::Parser::parse2(Block::parse_within, tokens.clone()) {
            statements.iter().for_each(|statement| self.visit_stmt(statement));
        } else if let Ok(list) =
            syn::parse::Parser::parse2(Punctuated::<Expr, Token![,]>::parse_terminated, tokens.clone())
        {
            list.iter().for_each(|expression| self.visit_expr(expression));
        } else {
            self.scan(tokens);
        }
    }

    fn implementation(&mut self, item: &syn::ItemImpl) {
        let trait_path = item.trait_.as_ref().map(|(_, path, _)| path);
        let last = trait_path.and_then(|path| path.segments.last());
        let trait_arguments = match last.map(|segment| &segment.arguments) {
            Some(PathArguments::AngleBracketed(list)) => list.args.iter().filter_map(argument_path).collect(),
            _ => Vec::new(),
        };
        let is_method = |inner: &&ImplItem| matches!(inner, ImplItem::Fn(f) if !self.is_for_tests(&f.attrs));
        let methods = item.items.iter().filter(is_method).count();
        let target = type_path(&item.self_ty);
        let place: Place = self.place(item.impl_token.span);
        let scope = self.at.scope;
        let trait_path = trait_path.map(path_of);
        self.krate.impls.push(Impl { scope, target, trait_path, trait_arguments, methods, place });
    }

    fn read_item(&mut self, item: &Item) {
        match item {
            Item::Use(item) => return self.imports(item),
            Item::Mod(item) => return self.module(item),
            Item::Macro(item) => {
                return match &item.ident {
                    Some(name) => self.macro_definition(name, item),
                    None => self.macro_call(&item.mac, true),
                };
            }
            Item::Struct(item) => self.define(&item.ident, ItemKind::Struct).fields = item.fields.len(),
            Item::Union(item) => self.define(&item.ident, ItemKind::Union).fields = item.fields.named.len(),
            Item::Enum(item) => {
                let variants = item.variants.iter().map(|variant| plain(&variant.ident)).collect();
                self.define(&item.ident, ItemKind::Enum).variants = variants;
            }
            Item::Trait(item) => {
                self.define(&item.ident, ItemKind::Trait);
            }
            Item::TraitAlias(item) => {
                self.define(&item.ident, ItemKind::Trait);
            }
            Item::Type(item) => self.define(&item.ident, ItemKind::Alias).alias_of = type_path(&item.ty),
            Item::Fn(item) => {
                self.define(&item.sig.ident, ItemKind::Function);
            }
            Item::Const(item) => {
                self.define(&item.ident, ItemKind::Value);
            }
            Item::Static(item) => {
                self.define(&item.ident, ItemKind::Value);
            }
            Item::Impl(item) => self.implementation(item),
            Item::ExternCrate(item) => {
                let alias = item.rename.as_ref().map_or(&item.ident, |(_, alias)| alias);
                let name = if item.ident == "self" { "crate".to_owned() } else { plain(&item.ident) };
                let import = self.krate.imports.len();
                let path = Path { is_global: name != "crate", segments: vec![name] };
                self.krate.imports.push(Import { scope: self.at.scope, path });
                self.bind(self.at.scope, &plain(alias), Binding::Import(import));
            }
            Item::Verbatim(tokens) => self.scan(tokens.clone()),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    /// A path outside of `use`, and what stands in its angle brackets.
    fn path(&mut self, self_type: Option<&syn::QSelf>, path: &syn::Path, kind: MentionKind) {
        let mut written = path_of(path);
        if let Some(self_type) = self_type {
            self.visit_type(&self_type.ty);
            if self_type.position == 0 {
                // `<Instant>::now`
                let Some(mut longer) = type_path(&self_type.ty) else { return self.arguments(path) };
                longer.segments.extend(written.segments);
                written = longer;
            }
        }
        self.mention(written, kind, path.segments[0].ident.span());
        self.arguments(path);
    }

    fn arguments(&mut self, path: &syn::Path) {
        for segment in &path.segments {
            self.visit_path_arguments(&segment.arguments);
        }
    }
}

/// Every name in a type.
#[derive(Default)]
struct Names(Vec<String>);

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, name: &'ast Ident) {
        self.0.push(plain(name));
    }
}

impl<'ast> Visit<'ast> for Loader {
    fn visit_item(&mut self, item: &'ast Item) {
        self.below(item_attributes(item), |loader| loader.read_item(item));
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs[..],
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        self.below(attributes, |loader| visit::visit_impl_item(loader, item));
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes = match item {
            TraitItem::Const(item) => &item.attrs[..],
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        self.below(attributes, |loader| visit::visit_trait_item(loader, item));
    }

    fn visit_foreign_item_fn(&mut self, item: &'ast syn::ForeignItemFn) {
        self.define(&item.sig.ident, ItemKind::Function);
        visit::visit_foreign_item_fn(self, item);
    }

    fn visit_foreign_item_static(&mut self, item: &'ast syn::ForeignItemStatic) {
        self.define(&item.ident, ItemKind::Value);
        visit::visit_foreign_item_static(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.below(&field.attrs, |loader| {
            if let Some(name) = &field.ident {
                let mut names = Names::default();
                names.visit_type(&field.ty);
                let place = loader.place(name.span());
                loader.krate.fields.push(Field { name: plain(name), type_names: names.0, place });
            }
            visit::visit_field(loader, field);
        });
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.below(&variant.attrs, |loader| visit::visit_variant(loader, variant));
    }

    fn visit_field_value(&mut self, field: &'ast FieldValue) {
        self.below(&field.attrs, |loader| visit::visit_field_value(loader, field));
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.below(&arm.attrs, |loader| visit::visit_arm(loader, arm));
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs[..],
            Stmt::Macro(call) => &call.attrs,
            Stmt::Expr(expression, _) => expression_attributes(expression),
            Stmt::Item(_) => &[],
        };
        self.below(attributes, |loader| visit::visit_stmt(loader, statement));
    }

    /// A block with items is a scope: its imports are not those of the module.
    fn visit_block(&mut self, block: &'ast Block) {
        let outer = self.at.scope;
        if block.stmts.iter().any(|statement| matches!(statement, Stmt::Item(_))) {
            let around = &self.krate.scopes[outer];
            let inner = Scope {
                path: around.path.clone(),
                parent: Some(outer),
                is_block: true,
                file: around.file,
                directory: around.directory.clone(),
                ..Scope::default()
            };
            self.at.scope = self.krate.scopes.len();
            self.krate.scopes.push(inner);
        }
        visit::visit_block(self, block);
        self.at.scope = outer;
    }

    /// `pub(in crate::sender)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        match &attribute.meta {
            Meta::List(list) => self.scan(list.tokens.clone()),
            Meta::NameValue(pair) => self.visit_expr(&pair.value),
            Meta::Path(_) => {}
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.macro_call(call, false);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(None, path, MentionKind::Other);
    }

    fn visit_expr_path(&mut self, expression: &'ast syn::ExprPath) {
        self.path(expression.qself.as_ref(), &expression.path, MentionKind::Other);
    }

    fn visit_type_path(&mut self, path: &'ast syn::TypePath) {
        self.path(path.qself.as_ref(), &path.path, MentionKind::Other);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        match &*call.func {
            Expr::Path(function) => self.path(function.qself.as_ref(), &function.path, MentionKind::Call),
            function => self.visit_expr(function),
        }
        call.args.iter().for_each(|argument| self.visit_expr(argument));
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "elapsed" {
            let place = self.place(call.method.span());
            self.krate.elapsed_calls.push(place);
        }
        visit::visit_expr_method_call(self, call);
    }

    /// A constant in a pattern looks like a new variable but for its first letter.
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        let name = plain(&pattern.ident);
        if name.starts_with(char::is_uppercase) {
            self.mention(Path { is_global: false, segments: vec![name] }, MentionKind::Other, pattern.ident.span());
        }
        visit::visit_pat_ident(self, pattern);
    }
}

/// `thread_local! { static … }` and other macros that take items as they are.
fn as_items(tokens: &TokenStream) -> Option<syn::File> {
    let mut ended = tokens.clone();
    ended.extend([proc_macro2::TokenTree::from(proc_macro2::Punct::new(';', proc_macro2::Spacing::Alone))]);
    syn::parse2(tokens.clone()).or_else(|_| syn::parse2(ended)).ok()
}

fn path_of(path: &syn::Path) -> Path {
    Path {
        is_global: path.leading_colon.is_some(),
        segments: path.segments.iter().map(|segment| plain(&segment.ident)).collect(),
    }
}

/// The path of a type, references and generic arguments taken away.
fn type_path(of: &Type) -> Option<Path> {
    let first_bound = |bounds: &Punctuated<syn::TypeParamBound, Token![+]>| {
        bounds.iter().find_map(|bound| match bound {
            syn::TypeParamBound::Trait(bound) => Some(path_of(&bound.path)),
            _ => None,
        })
    };
    match of {
        Type::Path(path) if path.qself.is_none() => Some(path_of(&path.path)),
        Type::Reference(inner) => type_path(&inner.elem),
        Type::Ptr(inner) => type_path(&inner.elem),
        Type::Paren(inner) => type_path(&inner.elem),
        Type::Group(inner) => type_path(&inner.elem),
        Type::Slice(inner) => type_path(&inner.elem),
        Type::Array(inner) => type_path(&inner.elem),
        Type::TraitObject(object) => first_bound(&object.bounds),
        Type::ImplTrait(object) => first_bound(&object.bounds),
        _ => None,
    }
}

fn argument_path(argument: &GenericArgument) -> Option<Path> {
    match argument {
        GenericArgument::Type(argument) => type_path(argument),
        _ => None,
    }
}

fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Of those expressions that are statements of their own.
fn expression_attributes(expression: &Expr) -> &[Attribute] {
    match expression {
        Expr::Assign(e) => &e.attrs,
        Expr::Binary(e) => &e.attrs,
        Expr::Block(e) => &e.attrs,
        Expr::Call(e) => &e.attrs,
        Expr::ForLoop(e) => &e.attrs,
        Expr::If(e) => &e.attrs,
        Expr::Loop(e) => &e.attrs,
        Expr::Macro(e) => &e.attrs,
        Expr::Match(e) => &e.attrs,
        Expr::MethodCall(e) => &e.attrs,
        Expr::Return(e) => &e.attrs,
        Expr::Unsafe(e) => &e.attrs,
        Expr::While(e) => &e.attrs,
        _ => &[],
    }
}
