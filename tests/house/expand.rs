//! Expands our own `macro_rules!`, so that what they make counts as if it were written where they are called: types,
//! impls, methods, paths. Hygiene makes no difference to these.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};

pub struct Rule {
    matcher: Vec<Pattern>,
    /// With `crate` in the place of `$crate`.
    pub body: TokenStream,
}

enum Pattern {
    Token(TokenTree),
    Variable { name: String, fragment: String },
    Group(Delimiter, Vec<Pattern>),
    Repetition { inner: Vec<Pattern>, separator: Option<TokenTree>, operator: char },
}

/// What a variable stands for; in a repetition, once for each round.
#[derive(Clone)]
enum Value {
    Tokens(TokenStream),
    Rounds(Vec<Value>),
}

type Values = BTreeMap<String, Value>;

/// Reads `(matcher) => { body }; …`.
pub fn rules(tokens: TokenStream) -> Result<Vec<Rule>, String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_semicolon = |token: &TokenTree| is_punct(Some(token), ';');
    let rules: Result<Vec<Rule>, String> = tokens
        .split(is_semicolon)
        .filter(|rule| !rule.is_empty())
        .map(|rule| match rule {
            [TokenTree::Group(matcher), arrow, head, TokenTree::Group(body)]
                if is_punct(Some(arrow), '=') && is_punct(Some(head), '>') =>
            {
                Ok(Rule { matcher: patterns(matcher.stream())?, body: with_crate(body.stream()) })
            }
            _ => Err("a rule is not `(…) => {…}`".to_owned()),
        })
        .collect();
    rules.and_then(|rules| if rules.is_empty() { Err("it has no rule".to_owned()) } else { Ok(rules) })
}

/// The body of the first rule that the arguments fit.
pub fn expand(rules: &[Rule], arguments: &TokenStream) -> Result<TokenStream, String> {
    for rule in rules {
        let matched = |input: ParseStream| {
            let values = match_all(&rule.matcher, input)?;
            if input.is_empty() { Ok(values) } else { Err(input.error("more than the rule takes")) }
        };
        if let Ok(values) = matched.parse2(arguments.clone()) {
            return transcribe(&rule.body, &values);
        }
    }
    Err("no rule fits the arguments".to_owned())
}

fn patterns(tokens: TokenStream) -> Result<Vec<Pattern>, String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut patterns = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_variable = is_punct(tokens.get(at), '$');
        match (&tokens[at], tokens.get(at + 1)) {
            (_, Some(TokenTree::Ident(name))) if is_variable => {
                let Some(TokenTree::Ident(fragment)) = tokens.get(at + 3) else {
                    return Err(format!("${name} has no kind"));
                };
                patterns.push(Pattern::Variable { name: name.to_string(), fragment: fragment.to_string() });
                at += 4;
            }
            (_, Some(TokenTree::Group(group))) if is_variable => {
                let (separator, operator, end) = repetition(&tokens, at + 2)?;
                let inner = self::patterns(group.stream())?;
                patterns.push(Pattern::Repetition { inner, separator, operator });
                at = end;
            }
            (TokenTree::Group(group), _) => {
                patterns.push(Pattern::Group(group.delimiter(), self::patterns(group.stream())?));
                at += 1;
            }
            (token, _) => {
                patterns.push(Pattern::Token(token.clone()));
                at += 1;
            }
        }
    }
    Ok(patterns)
}

/// What follows `$(…)`: a separator or none, and `*`, `+` or `?`. Returns the index after it.
fn repetition(tokens: &[TokenTree], at: usize) -> Result<(Option<TokenTree>, char, usize), String> {
    let operator = |at: usize| match tokens.get(at) {
        Some(TokenTree::Punct(punct)) if matches!(punct.as_char(), '*' | '+' | '?') => Some(punct.as_char()),
        _ => None,
    };
    if let Some(operator) = operator(at) {
        return Ok((None, operator, at + 1));
    }
    match operator(at + 1) {
        Some(operator) => Ok((Some(tokens[at].clone()), operator, at + 2)),
        None => Err("a repetition has no `*`, `+` or `?`, or a separator of several characters".to_owned()),
    }
}

fn match_all(patterns: &[Pattern], input: ParseStream) -> syn::Result<Values> {
    let mut values = Values::new();
    for pattern in patterns {
        match pattern {
            Pattern::Token(token) => match_token(token, input)?,
            Pattern::Variable { name, fragment } => {
                values.insert(name.clone(), Value::Tokens(fragment_tokens(fragment, input)?));
            }
            Pattern::Group(delimiter, inner) => {
                let group: Group = input.parse()?;
                if group.delimiter() != *delimiter {
                    return Err(input.error("another kind of brackets"));
                }
                let matched = |input: ParseStream| {
                    let values = match_all(inner, input)?;
                    if input.is_empty() { Ok(values) } else { Err(input.error("more than the rule takes")) }
                };
                values.extend(matched.parse2(group.stream())?);
            }
            Pattern::Repetition { inner, separator, operator } => {
                values.extend(match_rounds(inner, separator.as_ref(), *operator, input)?);
            }
        }
    }
    Ok(values)
}

fn match_rounds(
    inner: &[Pattern],
    separator: Option<&TokenTree>,
    operator: char,
    input: ParseStream,
) -> syn::Result<Values> {
    let mut rounds: Vec<Values> = Vec::new();
    while !input.is_empty() && (operator != '?' || rounds.is_empty()) {
        let ahead = input.fork();
        let separated = match separator {
            Some(token) if !rounds.is_empty() => match_token(token, &ahead),
            _ => Ok(()),
        };
        let Ok(values) = separated.and_then(|()| match_all(inner, &ahead)) else { break };
        if ahead.cursor() == input.cursor() {
            break;
        }
        syn::parse::discouraged::Speculative::advance_to(input, &ahead);
        rounds.push(values);
    }
    if operator == '+' && rounds.is_empty() {
        return Err(input.error("at least one is needed"));
    }
    let mut names = Vec::new();
    variables(inner, &mut names);
    let of_all_rounds = |name: &String| rounds.iter().filter_map(|values| values.get(name).cloned()).collect();
    Ok(names.into_iter().map(|name| (name.clone(), Value::Rounds(of_all_rounds(&name)))).collect())
}

fn variables(patterns: &[Pattern], names: &mut Vec<String>) {
    for pattern in patterns {
        match pattern {
            Pattern::Token(_) => {}
            Pattern::Variable { name, .. } => names.push(name.clone()),
            Pattern::Group(_, inner) | Pattern::Repetition { inner, .. } => variables(inner, names),
        }
    }
}

fn match_token(expected: &TokenTree, input: ParseStream) -> syn::Result<()> {
    let token: TokenTree = input.parse()?;
    let fits = match (expected, &token) {
        (TokenTree::Punct(a), TokenTree::Punct(b)) => a.as_char() == b.as_char(),
        _ => expected.to_string() == token.to_string(),
    };
    if fits { Ok(()) } else { Err(syn::Error::new(token.span(), format!("`{expected}` is expected"))) }
}

/// The tokens of one fragment such as `expr` or `ident`.
fn fragment_tokens(fragment: &str, input: ParseStream) -> syn::Result<TokenStream> {
    let begin = input.fork();
    match fragment {
        "block" => skip::<syn::Block>(input)?,
        "expr" | "expr_2021" => skip::<syn::Expr>(input)?,
        "ident" => {
            <Ident as syn::ext::IdentExt>::parse_any(input)?;
        }
        "item" => skip::<syn::Item>(input)?,
        "lifetime" => skip::<syn::Lifetime>(input)?,
        "literal" => skip::<syn::Lit>(input)?,
        "meta" => skip::<syn::Meta>(input)?,
        "pat" => {
            syn::Pat::parse_multi(input)?;
        }
        "pat_param" => {
            syn::Pat::parse_single(input)?;
        }
        "path" => skip::<syn::Path>(input)?,
        "stmt" => skip::<syn::Stmt>(input)?,
        "tt" => skip::<TokenTree>(input)?,
        "ty" => skip::<syn::Type>(input)?,
        "vis" => skip::<syn::Visibility>(input)?,
        other => return Err(input.error(format!("`{other}` is no kind of fragment"))),
    }
    let mut tokens = Vec::new();
    while begin.cursor() != input.cursor() {
        tokens.push(begin.parse::<TokenTree>()?);
    }
    Ok(tokens.into_iter().collect())
}

fn skip<T: Parse>(input: ParseStream) -> syn::Result<()> {
    input.parse::<T>().map(|_| ())
}

fn transcribe(body: &TokenStream, values: &Values) -> Result<TokenStream, String> {
    let tokens: Vec<TokenTree> = body.clone().into_iter().collect();
    let mut out = TokenStream::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_variable = is_punct(tokens.get(at), '$');
        match (&tokens[at], tokens.get(at + 1)) {
            (_, Some(TokenTree::Ident(name))) if is_variable => {
                match values.get(&name.to_string()) {
                    Some(Value::Tokens(value)) => out.extend(value.clone()),
                    Some(Value::Rounds(_)) => return Err(format!("${name} is outside of its repetition")),
                    None => return Err(format!("${name} is unknown")),
                }
                at += 2;
            }
            (_, Some(TokenTree::Group(group))) if is_variable => {
                let (separator, _, end) = repetition(&tokens, at + 2)?;
                for (round, values) in rounds(&group.stream(), values)?.into_iter().enumerate() {
                    out.extend(separator.clone().filter(|_| round > 0));
                    out.extend(transcribe(&group.stream(), &values)?);
                }
                at = end;
            }
            (TokenTree::Group(group), _) => {
                let mut made = Group::new(group.delimiter(), transcribe(&group.stream(), values)?);
                made.set_span(group.span());
                out.extend([TokenTree::Group(made)]);
                at += 1;
            }
            (token, _) => {
                out.extend([token.clone()]);
                at += 1;
            }
        }
    }
    Ok(out)
}

/// The values of each round of a repetition: it has as many as the repeated variables in it.
fn rounds(body: &TokenStream, values: &Values) -> Result<Vec<Values>, String> {
    let mut used = Vec::new();
    names_in(body, &mut used);
    let repeated: Vec<(&String, &Vec<Value>)> = used
        .iter()
        .filter_map(|name| match values.get(name) {
            Some(Value::Rounds(rounds)) => Some((name, rounds)),
            _ => None,
        })
        .collect();
    let Some(count) = repeated.iter().map(|(_, rounds)| rounds.len()).max() else {
        return Err("a repetition has no repeated variable".to_owned());
    };
    let round = |at: usize| {
        let mut of_round = values.clone();
        for (name, rounds) in &repeated {
            let value = rounds.get(at).ok_or_else(|| format!("${name} is repeated less often than another"))?;
            of_round.insert((*name).clone(), value.clone());
        }
        Ok(of_round)
    };
    (0..count).map(round).collect()
}

fn names_in(body: &TokenStream, names: &mut Vec<String>) {
    let mut after_dollar = false;
    for token in body.clone() {
        match &token {
            TokenTree::Ident(name) if after_dollar => names.push(name.to_string()),
            TokenTree::Group(group) => names_in(&group.stream(), names),
            _ => {}
        }
        after_dollar = is_punct(Some(&token), '$');
    }
}

/// `$crate` is the crate that everything here is in.
fn with_crate(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_crate = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Ident(name)) if name == "crate");
    let mut out = TokenStream::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                let mut made = Group::new(group.delimiter(), with_crate(group.stream()));
                made.set_span(group.span());
                out.extend([TokenTree::Group(made)]);
            }
            token if is_punct(Some(token), '$') && is_crate(tokens.get(at + 1)) => {}
            token => out.extend([token.clone()]),
        }
    }
    out
}

fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}
