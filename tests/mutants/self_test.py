"""Tests of the tool itself: what it finds, what it refuses and what it writes."""

import io
import tempfile
import unittest
from pathlib import Path

import mutant as mutants
import rust_source as rust
from mutant import Stale

SAMPLE = r"""
// fn in_a_comment() { a }
/* fn in_a_block() { /* nested */ a } */
const BRACES: [&str; 2] = ["fn in_a_string() { a", r#"fn raw() { " } }"#];
type Callback = fn(u32) -> bool;
macro_rules! made { ($name:ident) => { fn $name() { a } fn in_a_macro() {} }; }

impl<'a, T: Into<Vec<Vec<u8>>>> Iterator for Reader<'a, T> where T: Fn() -> u8 {
    fn next(&mut self, at: [u8; 2], more: impl Fn(u8) -> u8) -> Option<u8> {
        let brace = ('{', b'{', '\'', "{", '\u{7b}');
        fn inner() { x }
        if self.is_open && self.has_room() || self.count + 1 == LIMIT {
            self.count += 1;
            return None;
        }
        self.hold(brace); // here
        let value = self.take(first, /* and */ second);
        !self.is_open && value.is_some()
    }
}

impl Reader<'_, u8> {
    fn take(&self) -> bool { self.room == 1 }
}

mod tests {
    impl super::Reader<'_, u8> {
        fn take(&self) -> bool { self.room == 2 }
        fn only_here(&self) { self.room(2) }
    }
}
"""
HEAD = "A rule.\n\ntest: sim::a_scenario\nfile: src/a.rs\n"


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        (Path(folder.name) / "src").mkdir()
        (Path(folder.name) / "src/a.rs").write_text(SAMPLE, encoding="utf-8")
        (Path(folder.name) / "src/b.rs").write_text("impl Gate { fn may_pass() { is_open() } }", encoding="utf-8")
        self.sources = mutants.Sources(folder.name)

    def places(self, text, name="m"):
        mutant = mutants.read_mutant(name, HEAD + text)
        return [mutants.place(edit, self.sources) for edit in mutant.edits]

    def refused(self, text, *words):
        with self.assertRaises(Stale) as caught:
            self.places(text)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def woven(self, *texts):
        """What is written instead of the code that the mutants name, in one line."""
        places = [place for at, text in enumerate(texts) for place in self.places(text, "abc"[at])]
        written = mutants.woven(SAMPLE, places)
        behind = len(SAMPLE) - max(place.end for place in places)
        return " ".join(written[min(place.start for place in places) : len(written) - behind].split())


class Reading(Case):
    def test_functions_are_found_by_path(self):
        paths = {"::".join(function.path) for function in self.sources.parsed("src/a.rs")[2]}
        in_tests = {"tests::Reader::take", "tests::Reader::only_here"}
        self.assertEqual(paths, {"Reader::next", "Reader::next::inner", "Reader::take", *in_tests})

    def test_text_that_is_not_rust_is_refused(self):
        for text in ("fn f() { ", "fn f() { } }", "/* /* */", 'r#"x"', "fn f() { § }"):
            with self.assertRaises(rust.SourceError):
                rust.functions_of(rust.tokens_of(text))

    def test_a_files_mistakes_are_named(self):
        for text, word in (
            ("fn: next\nreplace: a\n", "line 6: half an edit"),
            ("fn: next\nreplace: a\ndelete: b\n", "line 7: `delete:` does not fit here"),
            ("fn: next\nreplace: a\nfn: take\n", "`fn:` inside an edit"),
            ("replace: a\nwith: b\n", "`file:` and `fn:` have to stand before"),
            ("fn: next\nchange: a\n", "no key `change:`"),
            ("fn: next\nchanged\n", "line 6: neither"),
            ("fn: next\n", "there is no edit"),
            ("fn:\ndelete: a\n", "without a value"),
            ("fn: next\ndelete: // a\n", "nothing but a comment"),
            ("fn: next\nat: §\n", "`at: §` is not Rust"),
            ("fn: next\nreplace: a\nwith: b }\n", "line 7: a bracket is missing"),
            ("alone: no\nfn: next\ndelete: a;\n", "can only be `yes`"),
        ):
            self.refused(text, word)
        for text, word in (("test: a::b\n", "a sentence is missing"), ("A rule.\n\nfile: a\n", "`test:")):
            with self.assertRaisesRegex(Stale, word):
                mutants.read_mutant("m", text)


class Anchors(Case):
    def test_line_breaks_comments_and_last_commas_do_not_matter(self):
        lines = "self.take(\n    first,\n    second,\n  )"
        for text in (lines, "self . take(first,second)", "self.take(first, /* no */ second)"):
            (placed,) = self.places(f"fn: next\nreplace: {text}\nwith: None\n")
            self.assertEqual(SAMPLE[placed.start : placed.end], "self.take(first, /* and */ second)")

    def test_a_function_that_is_gone_is_looked_for_elsewhere(self):
        gone = "src/a.rs has no function `Gate::may_pass`"
        self.refused("fn: Gate::may_pass\ndelete: a;\n", gone, "src/b.rs: Gate::may_pass")
        self.refused("fn: lost\ndelete: a + b;\n", "no function `lost`; no file in src/ has")
        self.refused("fn: lost\nreplace: is_open()\nwith: a\n", "its code is in src/b.rs: Gate::may_pass")
        self.refused("file: src/c.rs\nfn: may_pass\ndelete: a;\n", "no file src/c.rs", "src/b.rs: Gate::may_pass")

    def test_a_function_of_which_there_are_two_needs_more_of_its_path(self):
        both = "2 functions `take`: `Reader::take` (line 23), `tests::Reader::take` (line 28)"
        self.refused("fn: take\nreplace: self.room == 1\nwith: true\n", both)
        self.assertEqual(len(self.places("fn: tests::Reader::take\nreplace: self.room == 2\nwith: true\n")), 1)

    def test_code_that_is_gone_is_looked_for_elsewhere(self):
        self.refused("fn: next\nreplace: is_open()\nwith: a\n", "does not occur", "it does in src/b.rs: Gate::may_pass")
        like = "most like it is, in line 17: `self.take(first"
        self.refused("fn: next\nreplace: self.seize(first, second)\nwith: a\n", like)
        self.refused("fn: next\nreplace: self.count = 1\nwith: a\n", "does not occur")
        self.refused("fn: next\nreplace: entirely + different\nwith: a\n", "write what the code is now")

    def test_everything_that_is_wrong_is_named_at_once(self):
        edits = "fn: lost\ndelete: a;\nfn: next\nreplace: lost\nwith: a\nreplace: LIMIT\nwith: a\n"
        again = "replace: self.count + 1 == LIMIT\nwith: a\n"
        mutant = mutants.read_mutant("m", f"A rule.\n\ntest: a::none\nfile: src/a.rs\n{edits}{again}")
        problems = mutants.places_of(mutant, self.sources)[1]
        self.assertEqual(len(problems), 4)
        expected = ("no scenario", "no function", "does not occur", "line 12: it changes what line 10")
        for problem, words in zip(problems, expected):
            self.assertIn(words, problem)

    def test_a_scenario_is_looked_for_by_its_path(self):
        self.sources.check_test("a::tests::Reader::only_here")
        self.sources.check_test("b::Gate::may_pass")
        self.assertEqual(mutants.module_of("src/io/x_tests.rs"), ["io", "x", "tests"])
        for test, hint in (("a::may_pass", "b::Gate::may_pass"), ("b::may_past", "`may_pass`"), ("b::other", "other$")):
            with self.assertRaisesRegex(Stale, hint):
                self.sources.check_test(test)

    def test_code_that_occurs_twice_needs_more_beside_it(self):
        self.refused("fn: next\nreplace: self.is_open\nwith: a\n", "occurs 2 times (lines 12, 18)", "`at:`")
        self.refused("fn: next\nat: self.is_open\nreplace: is_open\nwith: a\n", "`at: self.is_open` occurs 2 times")
        self.assertEqual(len(self.places("fn: next\nat: if self.is_open\nreplace: self.is_open\nwith: a\n")), 1)
        # It says nothing about the next edit.
        edit = "replace: self.is_open\nwith: a\n"
        self.refused(f"fn: next\nat: if self.is_open\n{edit}{edit}", "occurs 2 times")

    def test_code_whose_meaning_would_change_is_refused(self):
        for code in (
            "self.has_room() || self.count + 1 == LIMIT",
            "self.is_open && value.is_some()",
            "1 == LIMIT",
            "has_room()",
            "self.has_room",
            "self.take(first",
        ):
            self.refused(f"fn: next\nreplace: {code}\nwith: a\n", "not a whole expression")
        for code in ("self.is_open && self.has_room()", "self.has_room()", "self.count + 1 == LIMIT", "LIMIT"):
            self.places(f"fn: next\nreplace: {code}\nwith: a\n")

    def test_only_whole_statements_are_deleted(self):
        self.refused("fn: next\ndelete: self.hold(brace)\n", "not a whole statement")
        self.refused("fn: next\ndelete: let value = self.take(first, second);\n", "has a `let`")
        self.refused("fn: next\ndelete: += 1;\n", "not a whole statement")
        self.refused("fn: next\nbefore: 1;\ninsert: a();\n", "not the beginning")
        self.refused("fn: next\nafter: self.hold\ninsert: a();\n", "not the end")


class Writing(Case):
    IF = "if crate::mutant_switch::is_on"

    def test_an_expression_a_statement_an_insertion(self):
        self.assertEqual(
            self.woven("fn: next\nreplace: self.has_room()\nwith: true\n"),
            f'({self.IF}("a", 0) {{ true }} else {{ self.has_room() }})',
        )
        self.assertEqual(
            self.woven("fn: next\ndelete: self.hold(brace);\n"),
            f'{self.IF}("a", 0) {{ }} else {{ self.hold(brace); }}',
        )
        self.assertEqual(
            self.woven("fn: next\nbefore: self.hold(brace);\ninsert: more(); // and\n"),
            f'{self.IF}("a", 0) {{ more(); // and }}',
        )

    def test_a_comment_does_not_hide_the_brace_behind_it(self):
        places = self.places("fn: next\nbefore: self.hold(brace);\ninsert: more(); // and\n")
        self.assertIn("// and\n }", mutants.woven(SAMPLE, places))

    def test_the_same_code_of_several_mutants_gets_one_chain(self):
        text = "fn: next\nreplace: self.has_room()\nwith: "
        self.assertEqual(
            self.woven(text + "one\n", text + "two\n"),
            f'({self.IF}("a", 0) {{ one }} else {self.IF}("b", 0) {{ two }} else {{ self.has_room() }})',
        )

    def test_what_contains_other_code_has_it_in_its_last_branch(self):
        condition = "fn: next\nreplace: self.is_open && self.has_room() || self.count + 1 == LIMIT\nwith: false\n"
        written = self.woven(condition, "fn: next\nreplace: self.has_room()\nwith: x\nreplace: LIMIT\nwith: y\n")
        room = f'({self.IF}("b", 0) {{ x }} else {{ self.has_room() }})'
        limit = f'({self.IF}("b", 1) {{ y }} else {{ LIMIT }})'
        inner = f"self.is_open && {room} || self.count + 1 == {limit}"
        self.assertEqual(written, f'({self.IF}("a", 0) {{ false }} else {{ {inner} }})')

    def test_insertions_stay_outside_what_begins_or_ends_there(self):
        written = self.woven(
            "fn: next\nreplace: self.hold(brace);\nwith: x;\n",
            "fn: next\nafter: self.hold(brace);\ninsert: y;\n",
            "fn: next\nbefore: self.hold(brace);\ninsert: z;\n",
        )
        held = f'{self.IF}("a", 0) {{ x; }} else {{ self.hold(brace); }}'
        self.assertEqual(written, f'{self.IF}("c", 0) {{ z; }} {held}{self.IF}("b", 0) {{ y; }}')

    def test_code_that_overlaps_is_refused(self):
        one = "fn: next\ndelete: self.count += 1; return None;\n"
        two = "fn: next\nafter: self.count += 1;\ninsert: x;\n"
        self.assertIn("x;", self.woven(one, two))
        with self.assertRaisesRegex(Stale, "a and b overlap"):
            left = "fn: next\nreplace: self.is_open && self.has_room()\nwith: x\n"
            right = self.places("fn: next\nreplace: self.has_room()\nwith: y\n", "b")[0]
            mutants.woven(SAMPLE, [*self.places(left, "a"), right._replace(end=right.end + 3)])

    def test_a_mutant_alone_may_change_anything(self):
        places = self.places("alone: yes\nreplace: const BRACES: [&str; 2]\nwith: const BRACES: [&str; 3]\n")
        self.assertEqual(mutants.plain(SAMPLE, places), SAMPLE.replace("; 2] = [", "; 3] = ["))
        self.refused("alone: yes\nreplace: const BRACKETS\nwith: a\n", "src/a.rs: `replace: const BRACKETS` does not")
        self.refused("alone: yes\nfile: src/c.rs\nreplace: a\nwith: b\n", "there is no file src/c.rs: correct")

    def test_a_manifest_gets_a_feature(self):
        self.assertEqual(mutants.with_feature("[lib]\n", "f"), "[lib]\n\n[features]\nf = []\n")
        manifest = "[features]\nold = []\n\n[lib]\n"
        self.assertEqual(mutants.with_feature(manifest, "f"), "[features]\nf = []\nold = []\n\n[lib]\n")

    def test_edits_without_a_switch(self):
        insertion = "after: self.hold(brace);\ninsert: more();\n"
        places = self.places(f"fn: next\nreplace: self.has_room()\nwith: a || b\n{insertion}")
        expected = SAMPLE.replace("self.has_room()", "(a || b)")
        expected = expected.replace("self.hold(brace);", "self.hold(brace);\n        more();")
        self.assertEqual(mutants.plain(SAMPLE, places), expected)


def passes():
    """Whether all of them pass; says what does not."""
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Reading, Anchors, Writing))
    output = io.StringIO()
    result = unittest.TextTestRunner(output).run(suite)
    if not result.wasSuccessful() or not result.testsRun:
        print(output.getvalue())
        return False
    print(f"{result.testsRun} tests of this tool pass")
    return True
