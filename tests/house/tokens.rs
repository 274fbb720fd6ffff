//! Paths in tokens that are no syntax: the arguments of macros, and the bodies of our own.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use crate::load::{Loader, plain};
use crate::model::{MentionKind, Path};

/// Not names.
const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "dyn", "else", "enum", "extern", "false", "fn", "for", "if",
    "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait",
    "true", "type", "union", "unsafe", "use", "where", "while",
];

struct Written {
    path: Path,
    span: Span,
    /// Index of the first token after it.
    end: usize,
}

impl Loader {
    pub fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if let Some((item, end)) = use_at(&tokens, at) {
                self.imports(&item);
                at = end;
                continue;
            }
            if let Some(written) = path_at(&tokens, at) {
                at = self.scanned(&tokens, at, written);
                continue;
            }
            match &tokens[at] {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(method) if method == "elapsed" && is_call(&tokens, at + 1) => {
                    let place = self.place(method.span());
                    self.krate.elapsed_calls.push(place);
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Writes one path down; returns where to go on.
    fn scanned(&mut self, tokens: &[TokenTree], start: usize, written: Written) -> usize {
        let Written { path, span, end } = written;
        if is_punct(tokens, end, '!')
            && let Some(TokenTree::Group(arguments)) = tokens.get(end + 1)
        {
            self.mention(path.clone(), MentionKind::Macro, span);
            self.call_of(path, &arguments.stream(), span, false);
            self.macro_arguments(arguments.stream());
            return end + 2;
        }
        let is_single = end == start + 1;
        let names_field = is_single && is_punct(tokens, end, ':') && !is_colons(tokens, end);
        let is_defined_here = start > 0
            && matches!(&tokens[start - 1], TokenTree::Ident(word)
                if ["fn", "struct", "enum", "union", "trait", "type", "mod", "let"].iter().any(|w| word == w));
        if !names_field && !is_defined_here {
            let kind = if is_call(tokens, end) { MentionKind::Call } else { MentionKind::Other };
            self.mention(path, kind, span);
        }
        end
    }
}

/// A whole `use …;`. In `impl Trait + use<'a>` the word means something else.
fn use_at(tokens: &[TokenTree], at: usize) -> Option<(syn::ItemUse, usize)> {
    match &tokens[at] {
        TokenTree::Ident(word) if word == "use" => {
            let length =
                tokens[at..].iter().position(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ';'))?;
            let item = syn::parse2(tokens[at..=at + length].iter().cloned().collect()).ok()?;
            Some((item, at + length + 1))
        }
        _ => None,
    }
}

fn path_at(tokens: &[TokenTree], start: usize) -> Option<Written> {
    let is_global = is_colons(tokens, start);
    let mut at = if is_global { start + 2 } else { start };
    let Some(TokenTree::Ident(first)) = tokens.get(at) else { return None };
    let previous = |back: usize| start.checked_sub(back).and_then(|at| punct(tokens, at));
    let continues = match previous(1) {
        Some('.') => previous(2) != Some('.'),
        Some(':') => previous(2) == Some(':'),
        Some('\'' | '$') => true,
        // `Vec::<u8>::new`
        Some('>') => is_global,
        _ => is_global && start > 0 && matches!(tokens[start - 1], TokenTree::Ident(_)),
    };
    if continues || KEYWORDS.iter().any(|word| first == word) {
        return None;
    }
    let span = first.span();
    let mut segments = vec![plain(first)];
    at += 1;
    while is_colons(tokens, at)
        && let Some(TokenTree::Ident(next)) = tokens.get(at + 2)
    {
        segments.push(plain(next));
        at += 3;
    }
    Some(Written { path: Path { is_global, segments }, span, end: at })
}

fn punct(tokens: &[TokenTree], at: usize) -> Option<char> {
    match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => Some(punct.as_char()),
        _ => None,
    }
}

fn is_punct(tokens: &[TokenTree], at: usize, c: char) -> bool {
    punct(tokens, at) == Some(c)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')
}

fn is_call(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}
