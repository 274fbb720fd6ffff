"""Reads Rust sources as tokens: finds functions by path, and snippets inside them whatever their line breaks."""

import difflib
import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*)
  | (?P<block>/\*)
  | (?P<raw>[bc]?r(?P<hashes>\#*)")
  | (?P<string>[bc]?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\u\{[^}]*\}|\\x..|\\.|[^\\'])')
  | (?P<lifetime>'[A-Za-z_]\w*)
  | (?P<word>(?:r\#)?[A-Za-z_]\w*)
  | (?P<number>\d\w*(?:\.\d\w*)?)
  | (?P<sign><<=|>>=|\.\.\.|\.\.=|::|->|=>|==|!=|<=|>=|&&|\|\||\+=|-=|\*=|/=|%=|\^=|&=|\|=|<<|>>|\.\.
        |[-+*/%^!&|=<>@.,;:\#$?~(){}\[\]])
    """,
    re.X | re.S,
)
COMMENT_EDGE = re.compile(r"/\*|\*/")

CLOSING = {"(": ")", "[": "]", "{": "}"}
# How strongly binary operators bind. Everything else that may stand beside an expression ends it.
BINDING = {"=": 0, "+=": 0, "-=": 0, "*=": 0, "/=": 0, "%=": 0, "^=": 0, "&=": 0, "|=": 0, "<<=": 0, ">>=": 0}
BINDING.update({"..": 1, "..=": 1, "||": 2, "&&": 3, "==": 4, "!=": 4, "<": 4, ">": 4, "<=": 4, ">=": 4})
BINDING.update({"|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10, "as": 11})
PREFIX = 12
TIGHTEST = 13
# A word after which an operand, not an operator, follows.
NO_OPERAND = {"return", "break", "in", "if", "while", "match", "else", "move", "mut", "let", "as"}
BLOCK_WORDS = {"if", "while", "for", "loop", "match", "unsafe", "{"}


class SourceError(Exception):
    """The text is not Rust as far as this reader understands it."""


class Token(NamedTuple):
    text: str
    start: int
    end: int


class Function(NamedTuple):
    path: tuple
    # Tokens of the body, without its braces.
    first: int
    last: int


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def tokens_of(text):
    """All tokens; comments and white space are left out."""
    tokens = []
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise SourceError(f"line {line_of(text, at)}: cannot read {text[at : at + 20]!r}")
        end = match.end()
        if match["block"]:
            end = comment_end(text, at)
        elif match["raw"]:
            quote = '"' + match["hashes"]
            close = text.find(quote, end)
            if close < 0:
                raise SourceError(f"line {line_of(text, at)}: a string without an end")
            end = close + len(quote)
        if not match["skip"] and not match["block"]:
            tokens.append(Token(text[at:end], at, end))
        at = end
    return tokens


def comment_end(text, start):
    """Block comments nest."""
    depth = 0
    for edge in COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise SourceError(f"line {line_of(text, start)}: a comment without an end")


def functions_of(tokens):
    """Every function with a body. Its path names the modules, types and functions around it."""
    found = []
    # (name or None, index of the first token inside, whether it is a function) of every open brace.
    scopes = []
    at = 0
    while at < len(tokens):
        word = tokens[at].text
        name = None
        opening = at
        if word == "macro_rules":
            at = group_end(tokens, next_of(tokens, at, CLOSING)) + 1
            continue
        if word in ("impl", "mod", "trait", "fn"):
            opening = header_end(tokens, at)
            name = header_name(tokens, at, opening)
            if name is None or opening == len(tokens) or tokens[opening].text == ";":
                at += 1
                continue
        if tokens[opening].text == "{":
            scopes.append((name, opening + 1, word == "fn"))
        elif word == "}":
            if not scopes:
                raise SourceError("a closing brace too many")
            if scopes[-1][2]:
                path = tuple(scope[0] for scope in scopes if scope[0])
                found.append(Function(path, scopes[-1][1], at))
            scopes.pop()
        at = opening + 1
    if scopes:
        raise SourceError("a closing brace is missing")
    return found


def header_end(tokens, at):
    """The brace or semicolon that ends what `impl`, `mod`, `trait` or `fn` begins."""
    depth = 0
    while at < len(tokens):
        text = tokens[at].text
        if depth == 0 and text in ("{", ";"):
            break
        depth += (text in ("(", "[")) - (text in (")", "]"))
        at += 1
    return at


def header_name(tokens, at, end):
    if tokens[at].text != "impl":
        name = tokens[at + 1].text if at + 1 < end else ""
        # Not in `fn(u32)`, a type.
        return name if re.match(r"(r#)?[A-Za-z_]", name) else None
    depth = 0
    words = []
    for index in range(at + 1, end):
        text = tokens[index].text
        depth += {"<": 1, "<<": 2, ">": -1, ">>": -2}.get(text, 0)
        if depth == 0 and text == "where":
            break
        if depth == 0 and text == "for":
            words = []
        elif depth == 0 and re.match(r"[A-Za-z_]", text):
            words.append(text)
    return words[-1] if words else None


def next_of(tokens, at, texts):
    while at < len(tokens) and tokens[at].text not in texts:
        at += 1
    return at


def group_end(tokens, at):
    """The bracket that closes the one at `at`."""
    expected = []
    while at < len(tokens):
        text = tokens[at].text
        if text in CLOSING:
            expected.append(CLOSING[text])
        elif expected and text == expected[-1]:
            expected.pop()
            if not expected:
                return at
        at += 1
    raise SourceError("a closing bracket is missing")


def is_end_of_path(path, wanted):
    return path[-len(wanted) :] == tuple(wanted)


def folded(tokens, first, last):
    """Indices of the tokens that matter in a comparison: not the comma that rustfmt puts before a closing bracket."""
    kept = []
    for at in range(first, last):
        closes = at + 1 < len(tokens) and tokens[at + 1].text in CLOSING.values()
        if not (tokens[at].text == "," and (closes or at + 1 == len(tokens))):
            kept.append(at)
    return kept


def places_of(snippet, tokens, first, last):
    """Where the snippet's tokens stand between `first` and `last`: pairs of the first token and the one behind."""
    kept = folded(tokens, first, last)
    texts = [tokens[at].text for at in kept]
    wanted = [snippet[at].text for at in folded(snippet, 0, len(snippet))]
    count = len(wanted)
    starts = [at for at in range(len(texts) - count + 1) if texts[at : at + count] == wanted]
    return [(kept[at], kept[at + count - 1] + 1) for at in starts]


def most_like(snippet, tokens, first, last):
    """The part that has most in common with the snippet, if that is enough to be of help."""
    count = len(snippet)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2([token.text for token in snippet])
    best = (0.35, None)
    for start in range(first, max(last - count, first) + 1):
        matcher.set_seq1([token.text for token in tokens[start : min(start + count, last)]])
        if matcher.real_quick_ratio() > best[0] and matcher.quick_ratio() > best[0] and matcher.ratio() > best[0]:
            best = (matcher.ratio(), start)
    if count < 3 or best[1] is None:
        return None
    return best[1], min(best[1] + count, last)


def is_balanced(tokens, first, last):
    depth = 0
    for token in tokens[first:last]:
        depth += (token.text in CLOSING) - (token.text in CLOSING.values())
        if depth < 0:
            return False
    return depth == 0


def is_statement(tokens, first, last):
    """Whether the tokens are whole statements, or a block at the end of a block."""
    if tokens[first - 1].text not in (";", "{", "}") or not is_balanced(tokens, first, last):
        return False
    if tokens[last - 1].text == ";":
        return True
    is_block = tokens[last - 1].text == "}" and tokens[first].text in BLOCK_WORDS
    return is_block and tokens[last].text not in ("else", ".", "?")


def has_let(tokens, first, last):
    """Whether a name that is bound among these statements is known behind them."""
    depth = 0
    for at in range(first, last):
        text = tokens[at].text
        if depth == 0 and text == "let" and (at == first or tokens[at - 1].text in (";", "}")):
            return True
        depth += (text in CLOSING) - (text in CLOSING.values())
    return False


def is_operand_end(token):
    return token.text not in NO_OPERAND and (token.text in (")", "]", "}", "?") or re.match(r"[\w\"']", token.text[-1]))


def weakest(tokens, first, last):
    """How strongly the weakest operator of an expression binds."""
    depth = 0
    least = TIGHTEST
    for at in range(first, last):
        text = tokens[at].text
        if depth == 0 and text in BINDING:
            is_binary = at > first and is_operand_end(tokens[at - 1])
            least = min(least, BINDING[text] if is_binary else PREFIX)
        elif depth == 0 and (text == "!" and not (at > first and is_operand_end(tokens[at - 1]))):
            least = min(least, PREFIX)
        depth += (text in CLOSING) - (text in CLOSING.values())
    return least


def is_whole(tokens, first, last):
    """Whether the tokens are one expression, so that brackets around them leave the meaning of the code as it is."""
    if tokens[first].text == "let" or not is_balanced(tokens, first, last):
        return False
    left, right = tokens[first - 1].text, tokens[last].text
    if left in (".", "::") or right in ("::", "!") or tokens[last - 1].text in (".", "::"):
        return False
    inside = weakest(tokens, first, last)
    if right == "(" and tokens[last - 2].text == ".":
        return False
    if right in (".", "?", "(", "["):
        return inside == TIGHTEST
    if left == "!" and inside < PREFIX:
        return False
    # A bar may be the end of a closure's arguments, which ends the expression.
    if left in BINDING and left != "|" and inside < needed_behind(tokens, first - 1):
        return False
    return not (right in BINDING and inside < BINDING[right])


def needed_behind(tokens, at):
    """How strongly the operand behind the operator at `at` has to bind."""
    operator = tokens[at].text
    if not is_operand_end(tokens[at - 1]):
        return PREFIX
    associates = operator in ("&&", "||") or BINDING[operator] == 0
    return BINDING[operator] + (0 if associates else 1)
