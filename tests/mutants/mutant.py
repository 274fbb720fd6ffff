"""Reads `*.mutant` files, finds the code that they name, and writes sources with all of them behind a switch."""

import difflib
import functools
import re
import textwrap
from pathlib import Path
from typing import NamedTuple, Optional

import rust_source as rust

SWITCH = "mutant_switch"
# Code that is in more functions says nothing about where it belongs.
HINTS_MAX = 3
# Which keys, one after the other, make an edit; the last one of each ends it.
ACTIONS = {("replace", "with"), ("delete",), ("before", "insert"), ("after", "insert")}
HEAD_KEYS = ("test", "alone")
PLACE_KEYS = ("file", "fn", "at")
KEYS = (*HEAD_KEYS, *PLACE_KEYS, *sorted({key for action in ACTIONS for key in action}))
FUNCTION = re.compile(r"\bfn\s+(\w+)")
LINE = re.compile(r"([a-z]+):(?:\s+(.*))?$")


class Edit(NamedTuple):
    mutant: str
    number: int
    # Of the edit's first line in the mutant's file.
    line: int
    file: str
    # `None` in a mutant that is built by itself: the whole file.
    function: Optional[str]
    # Narrows the search for `snippet`, where that occurs several times.
    at: Optional[str]
    # replace, delete, before, after
    action: str
    snippet: str
    code: str
    is_alone: bool


class Mutant(NamedTuple):
    name: str
    description: str
    test: str
    is_alone: bool
    edits: list


class Placed(NamedTuple):
    """An edit and the characters of its file that it is about; none for an insertion."""

    edit: Edit
    start: int
    end: int
    is_statement: bool


class Stale(Exception):
    """A mutant that says nothing about the sources as they are. The text says what to do."""


# ---- the files -------------------------------------------------------------------------------------------------------


def read_mutant(name, text):
    """A description, then `key: value` lines; a value goes on in lines that are indented."""
    lines = text.rstrip().split("\n")
    description = []
    while lines and lines[0].strip() and not LINE.match(lines[0]):
        description.append(lines.pop(0))
    entries = entries_of(lines, len(description) + 1)
    if not description:
        raise Stale("line 1: a sentence is missing that says which rule is taken away")
    head = {key: value for key, value, _ in entries if key in HEAD_KEYS}
    if not re.fullmatch(r"\w+(::\w+)+", head.get("test", "")):
        raise Stale("`test: module::of::the_scenario` is missing")
    if head.get("alone", "yes") != "yes":
        raise Stale("`alone:` can only be `yes`")
    is_alone = "alone" in head
    edits = edits_of(name, [entry for entry in entries if entry[0] not in HEAD_KEYS], is_alone)
    return Mutant(name, " ".join(description), head["test"], is_alone, edits)


def entries_of(lines, number):
    """Triples of key, value, line number."""
    entries = []
    for number, line in enumerate(lines, number):
        match = LINE.match(line)
        if match:
            if match[1] not in KEYS:
                raise Stale(f"line {number}: no key `{match[1]}:`; there are {', '.join(KEYS)}")
            entries.append([match[1], match[2] or "", number])
        elif line.startswith((" ", "\t")) and entries:
            entries[-1][1] += f"\n{line}"
        elif line.strip():
            raise Stale(f"line {number}: neither `key: value` nor an indented line that goes on")
    return [(key, textwrap.dedent(value).strip(), number) for key, value, number in entries]


def edits_of(name, entries, is_alone):
    edits = []
    place = {}
    parts = []
    for key, value, line in entries:
        if not value and key != "with":
            raise Stale(f"line {line}: `{key}:` without a value")
        if key in PLACE_KEYS:
            if key == "at":
                check_code(key, value, line)
            if parts:
                raise Stale(f"line {line}: `{key}:` inside an edit; it stands before {parts[0][0]}")
            place[key] = value
            # What narrowed a search in another function says nothing about this one.
            for narrower in PLACE_KEYS[PLACE_KEYS.index(key) + 1 :]:
                place.pop(narrower, None)
            continue
        check_code(key, value, line)
        parts.append((key, value, line))
        keys = tuple(part[0] for part in parts)
        if keys not in ACTIONS:
            if not any(action[: len(keys)] == keys for action in ACTIONS):
                raise Stale(f"line {line}: `{key}:` does not fit here; an edit is one of {actions_text()}")
            continue
        if "file" not in place or not ("fn" in place or is_alone):
            raise Stale(f"line {line}: `file:` and `fn:` have to stand before an edit")
        code = parts[1][1] if len(parts) == 2 else ""
        where = (place["file"], place.get("fn"), place.pop("at", None))
        edits.append(Edit(name, len(edits), parts[0][2], *where, keys[0], parts[0][1], code, is_alone))
        parts = []
    if parts:
        raise Stale(f"line {parts[0][2]}: half an edit; an edit is one of {actions_text()}")
    if not edits:
        raise Stale("there is no edit")
    return edits


def check_code(key, value, line):
    """Refuses what cannot be looked for or written as Rust."""
    try:
        tokens = rust.tokens_of(value)
    except rust.SourceError as error:
        raise Stale(f"line {line}: `{key}: {value}` is not Rust: {error}") from error
    if not tokens and key != "with":
        raise Stale(f"line {line}: `{key}:` is nothing but a comment")
    if key in ("with", "insert") and not rust.is_balanced(tokens, 0, len(tokens)):
        raise Stale(f"line {line}: a bracket is missing in `{key}: {value}`")


def actions_text():
    return ", ".join(sorted(" + ".join(f"`{key}:`" for key in action) for action in ACTIONS))


# ---- the places ------------------------------------------------------------------------------------------------------


class Sources:
    """The library's Rust files, read when they are needed."""

    def __init__(self, root):
        self.root = Path(root)
        self.texts = {}
        self.known = {}

    def files(self):
        return sorted(str(path.relative_to(self.root)) for path in (self.root / "src").rglob("*.rs"))

    def read(self, file):
        if file not in self.texts:
            self.texts[file] = (self.root / file).read_text(encoding="utf-8")
        return self.texts[file]

    def parsed(self, file):
        """Text, tokens and functions."""
        if file not in self.known:
            text = self.read(file)
            try:
                tokens = rust.tokens_of(text)
                self.known[file] = (text, tokens, rust.functions_of(tokens))
            except rust.SourceError as error:
                raise Stale(f"{file} cannot be read: {error}") from error
        return self.known[file]

    @functools.cached_property
    def files_by_function(self):
        """Which files have a function of a name."""
        found = {}
        for file in self.files():
            for name in set(FUNCTION.findall(self.read(file))):
                found.setdefault(name, []).append(file)
        return found

    def functions_named(self, name):
        """Pairs of file and path of every function of this name."""
        return [
            (file, function.path)
            for file in self.files_by_function.get(name, [])
            for function in self.parsed(file)[2]
            if function.path[-1] == name
        ]

    def functions_with(self, code):
        """Pairs of file and path of every function that contains this code."""
        words = {token.text for token in code if token.text[0].isalpha()}
        found = []
        for file in self.files():
            if all(word in self.read(file) for word in words):
                _, tokens, functions = self.parsed(file)
                found += [(file, f.path) for f in functions if rust.places_of(code, tokens, f.first, f.last)]
        return found

    def check_test(self, test):
        """Refuses the path of a test that is not there."""
        name = test.rsplit("::", 1)[-1]
        paths = ["::".join((*module_of(file), *path)) for file, path in self.functions_named(name)]
        if test in paths:
            return
        like = difflib.get_close_matches(name, self.files_by_function, 1, 0.8)
        hint = f"; is it {' or '.join(paths)}" if paths else f"; is it `{like[0]}`" if like else ""
        raise Stale(f"there is no scenario {test}{hint}? Correct `test:`" if hint else f"there is no scenario {test}")


def module_of(file):
    parts = list(Path(file).with_suffix("").parts[1:])
    # `x_tests.rs` is named by a path in `x.rs`, as its module `tests`.
    if parts[-1].endswith("_tests"):
        parts[-1:] = [parts[-1][: -len("_tests")], "tests"]
    return parts[:-1] if parts[-1] in ("mod", "lib") else parts


def listed(functions):
    return ", ".join(f"{file}: {'::'.join(path)}" for file, path in functions)


def places_of(mutant, sources):
    """Where the mutant's edits belong, and what is wrong with it."""
    places = []
    problems = []
    try:
        sources.check_test(mutant.test)
    except Stale as error:
        problems.append(str(error))
    for edit in mutant.edits:
        try:
            placed = place(edit, sources)
        except Stale as error:
            problems.append(f"line {edit.line}: {error}")
            continue
        for other in places:
            if other.edit.file == edit.file and other.start < placed.end and placed.start < other.end:
                problems.append(f"line {edit.line}: it changes what line {other.edit.line} changes: make them one")
        places.append(placed)
    return places, problems


def place(edit, sources):
    """Finds the edit's code, or says what is there instead."""
    if not (sources.root / edit.file).is_file():
        raise Stale(f"there is no file {edit.file}{moved_text(edit, sources)}")
    text, tokens, _ = sources.parsed(edit.file)
    first, last = (0, len(tokens)) if edit.function is None else only_function(edit, sources)
    if edit.at is not None:
        first, last = only_place("at", edit.at, edit, sources, first, last)
    first, last = only_place(edit.action, edit.snippet, edit, sources, first, last)
    return checked(edit, text, tokens, first, last)


def only_function(edit, sources):
    text, tokens, functions = sources.parsed(edit.file)
    path = edit.function.split("::")
    found = [function for function in functions if rust.is_end_of_path(function.path, path)]
    if not found:
        raise Stale(f"{edit.file} has no function `{edit.function}`{moved_text(edit, sources)}")
    if len(found) > 1:
        paths = ", ".join(f"`{'::'.join(f.path)}` (line {line(text, tokens, f.first)})" for f in found)
        said = f"{edit.file} has {len(found)} functions `{edit.function}`"
        raise Stale(f"{said}: {paths}; write more of the path after `fn:`")
    return found[0].first, found[0].last


def line(text, tokens, at):
    return rust.line_of(text, tokens[at].start)


def moved_text(edit, sources):
    """Where the edit's function may be instead."""
    if edit.function is None:
        return ": correct `file:`"
    wanted = edit.function.split("::")
    named = sources.functions_named(wanted[-1])
    same = [(file, path) for file, path in named if rust.is_end_of_path(path, wanted)] or named
    if same:
        return f"; a function of that name is in {listed(same)}: correct `file:` and `fn:`"
    like = sources.functions_with(rust.tokens_of(edit.at or edit.snippet))
    if 0 < len(like) <= HINTS_MAX:
        return f"; its code is in {listed(like)}: correct `file:` and `fn:`"
    return "; no file in src/ has a function of that name or with that code: name the one that has it now"


def only_place(key, snippet, edit, sources, first, last):
    text, tokens, _ = sources.parsed(edit.file)
    wanted = rust.tokens_of(snippet)
    places = rust.places_of(wanted, tokens, first, last)
    if len(places) == 1:
        return places[0]
    where = edit.file
    if edit.function:
        where = f"{edit.file}, function `{edit.function}` (from line {line(text, tokens, first)})"
    if places:
        lines = ", ".join(str(line(text, tokens, begin)) for begin, _ in places)
        raise Stale(
            f"{where}: `{key}: {snippet}` occurs {len(places)} times (lines {lines}); write more of the code"
            + (" there" if key == "at" else " after `at:`, a line before")
        )
    elsewhere = sources.functions_with(wanted)
    like = rust.most_like(wanted, tokens, first, last)
    hint = "write what the code is now"
    if 0 < len(elsewhere) <= HINTS_MAX:
        hint = f"it does in {listed(elsewhere)}"
    elif like:
        begin, end = tokens[like[0]].start, tokens[like[1] - 1].end
        hint = f"most like it is, in line {rust.line_of(text, begin)}: `{' '.join(text[begin:end].split())}`"
    raise Stale(f"{where}: `{key}: {snippet}` does not occur; {hint}")


def checked(edit, text, tokens, first, last):
    """Refuses code that in an `if` would mean something else while the switch is off."""
    start, end = tokens[first].start, tokens[last - 1].end
    if edit.is_alone:
        start, end = {"before": (start, start), "after": (end, end)}.get(edit.action, (start, end))
        return Placed(edit, start, end, True)
    is_statement = rust.is_statement(tokens, first, last)
    said = f"{edit.file}, line {rust.line_of(text, start)}: `{edit.action}: {edit.snippet}`"
    if edit.action == "before" and tokens[first - 1].text not in (";", "{", "}"):
        raise Stale(f"{said} is not the beginning of a statement")
    if edit.action == "after" and not (tokens[last - 1].text == ";" or is_statement):
        raise Stale(f"{said} is not the end of a statement")
    if edit.action == "before":
        return Placed(edit, start, start, True)
    if edit.action == "after":
        return Placed(edit, end, end, True)
    if is_statement:
        if rust.has_let(tokens, first, last):
            raise Stale(f"{said} has a `let`, whose name would not be known behind it: take its expression alone")
    elif edit.action == "delete":
        raise Stale(f"{said} is not a whole statement: `replace:` an expression")
    elif not rust.is_whole(tokens, first, last):
        raise Stale(f"{said} is not a whole expression with what stands beside it: take more or less of the code")
    return Placed(edit, start, end, is_statement)


# ---- the copy --------------------------------------------------------------------------------------------------------


def woven(text, placed):
    """The file with every edit behind its mutant's switch."""
    # What contains others comes before them; an insertion stays outside what begins at its place.
    in_order = sorted(placed, key=lambda p: (p.start, p.start < p.end, -p.end))
    return woven_part(text, in_order, 0, len(text))


def woven_part(text, placed, begin, end):
    out = []
    at = begin
    while placed:
        outer = placed[0]
        same = [p for p in placed if (p.start, p.end) == (outer.start, outer.end)]
        inner = [p for p in placed if p not in same and outer.start <= p.start < outer.end]
        for other in inner:
            if other.end > outer.end:
                both = f"{outer.edit.file}: {outer.edit.mutant} and {other.edit.mutant}"
                raise Stale(f"{both} overlap; let one contain the other, or build one with `alone: yes`")
        placed = [p for p in placed if p not in same and p not in inner]
        out.append(text[at : outer.start])
        out.append(switched(same, woven_part(text, inner, outer.start, outer.end)))
        at = outer.end
    out.append(text[at:end])
    return "".join(out)


def switched(same, original):
    """One `if` with a branch for each mutant, then the code as it is."""
    branches = [f'if crate::{SWITCH}::is_on("{p.edit.mutant}", {p.edit.number}) {{ {body(p)} }}' for p in same]
    chain = " else ".join(branches)
    if same[0].start == same[0].end:
        return f"{chain} "
    chain = f"{chain} else {{ {original} }}"
    return chain if same[0].is_statement else f"({chain})"


def body(placed):
    # A comment at the end must not hide the brace behind it.
    code = placed.edit.code
    return f"{code}\n" if "//" in code else code


def plain(text, placed):
    """The file with one mutant's edits made, without a switch."""
    for each in sorted(placed, key=lambda p: (p.start, p.end), reverse=True):
        line_begin = text.rfind("\n", 0, each.start) + 1
        indent = re.match(r"\s*", text[line_begin:])[0]
        code = each.edit.code.replace("\n", f"\n{indent}")
        tokens = rust.tokens_of(code)
        if each.edit.action == "before":
            code = f"{code}\n{indent}"
        elif each.edit.action == "after":
            code = f"\n{indent}{code}"
        elif not each.is_statement and rust.weakest(tokens, 0, len(tokens)) < rust.TIGHTEST:
            code = f"({code})"
        text = text[: each.start] + code + text[each.end :]
    return text


def with_feature(manifest, feature):
    """The text of a Cargo.toml with one feature more, on which nothing depends."""
    heading = re.search(r"^\[features\][^\n]*\n", manifest, re.M)
    if heading is None:
        return f"{manifest}\n[features]\n{feature} = []\n"
    return f"{manifest[: heading.end()]}{feature} = []\n{manifest[heading.end() :]}"


SWITCH_MODULE = """//! Says which mutant is on. Only in the copy that tests/mutants/run makes.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

static ACTIVE: OnceLock<Option<String>> = OnceLock::new();
static REACHED: AtomicU32 = AtomicU32::new(0);

pub fn is_on(mutant: &str, edit: u32) -> bool {
    let active = ACTIVE.get_or_init(|| std::env::var("KPRODUCER_MUTANT").ok());
    if active.as_deref() != Some(mutant) {
        return false;
    }
    if REACHED.fetch_or(1 << edit, Ordering::Relaxed) & (1 << edit) == 0 {
        let path = std::env::var_os("KPRODUCER_MUTANT_REACHED").expect("set together with KPRODUCER_MUTANT");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        writeln!(file.expect("the file can be written"), "{edit}").expect("the file can be written");
    }
    true
}
"""
