from pathlib import Path, PurePath

import pytest

from tools.prose import RULES, Rule, check, find, main, prose_of

FOUND = "is none"  # what the first rule catches


def lines_of(path: str, source: str) -> list[int]:
    """The lines of a file on which the phrase is found."""
    return [hit.line for hit in find(prose_of(PurePath(path), source)) if hit.words == FOUND]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.caught)
def test_rule_catches_its_example(rule: Rule) -> None:
    assert [hit.advice for hit in find(rule.caught)] == [rule.advice]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.caught)
def test_rule_leaves_alone_what_is_fine(rule: Rule) -> None:
    assert [*find(rule.fine)] == []


@pytest.mark.parametrize(
    ("path", "source", "line"),
    [
        ("docs/a.md", "# A\n\nThe path is none.\n", 3),
        ("docs/a.md", "| a | b |\n|---|---|\n| `a` is none | c |\n", 3),
        ("docs/a.md", "- a\n  is none\n\n      code\n", 2),
        ("src/a.py", '"""A module.\n\nIt is none."""\n', 3),
        ("tests/a.py", 'def f() -> None:\n    """\n    It is none.\n    """\n', 3),
        ("tests/a.py", "a = 1\nb = 2  # it is none\n", 2),
        ("tools/a.py", 'a = 1\nprint("it is none")\n', 2),
        ("packages/a.py", 'a = (\n    "it is none"\n)\n', 2),
        ("src/a.py", 'print(f"{a!r} is none")\n', 1),
        ("public/a.js", "const a = 1;\nconst b = 2; // it is none\n", 2),
        ("public/a.js", "/**\n * @param a It is none.\n */\n", 2),
        ("public/a.js", 'const a = /["\'`]/;\nshow("it is none");\n', 2),
        ("public/a.js", "show(\n  `${a} is none`);\n", 2),
        ("types/a.d.ts", "/** It is none. */\n", 1),
        ("public/a.html", "<p>\n  It is none.</p>\n", 2),
    ],
    ids=[
        *("paragraph", "table", "list", "docstring of a module", "docstring of a function"),
        *("comment", "message", "message on a line", "f-string", "comment of JavaScript"),
        *("JSDoc", "string of JavaScript", "template", "declaration", "page"),
    ],
)
def test_phrase_is_found_with_its_line(path: str, source: str, line: int) -> None:
    assert lines_of(path, source) == [line]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("docs/a.md", "The path is\nnone.\n"),
        ("docs/a.md", "- The path is\n  none.\n"),
        ("src/a.py", '"""\nThe path is\nnone.\n"""\n'),
        ("src/a.py", "# The path is\n# none.\n"),
        ("src/a.py", 'print(\n    f"{path} is"\n    " none"\n)\n'),
        ("public/a.js", "/**\n * The path is\n * none.\n */\n"),
        ("public/a.js", "  // The path is\n  // none.\n"),
    ],
    ids=[
        *("paragraph", "list", "docstring", "comment", "message"),
        *("JSDoc", "comment of JavaScript"),
    ],
)
def test_phrase_is_found_over_the_end_of_a_line(path: str, source: str) -> None:
    (line,) = lines_of(path, source)

    assert source.split("\n")[line - 1].endswith((" is", ' is"'))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("docs/a.md", "A\n\n    it is none\n\n    it is none\n\nB\n"),
        ("docs/a.md", "```python\nit is none\n```\n"),
        ("docs/a.md", "An error says `it is none`.\n"),
        ("docs/a.md", "# What it is\n\nnone\n"),
        ("src/a.py", '"""An error says `it is none`."""\n'),
        ("src/a.py", "def f(is_none: bool) -> None:\n    return is_none\n"),
        ("src/a.py", 'f("what it is", "none")\n'),
        ("src/a.py", "a = 1  # what it is\nnone = 2\n"),
        ("src/a.py", 'print(f"{it is none}")\n'),
        ("tests/a.py", 'says("it is none")\n'),
        ("public/a.js", "const it = is_none ? is.none : 1;\n"),
        ("public/a.js", "show(`${it is none}`);\n"),
        ("public/a.html", "<script>it is none</script>\n"),
    ],
    ids=[
        *("indented code", "fenced code", "inline code", "two paragraphs"),
        *("inline code of a docstring", "identifier", "two strings", "comment and code"),
        *("field of an f-string", "string of a test", "identifier of JavaScript"),
        *("placeholder", "script of a page"),
    ],
)
def test_code_is_left_alone(path: str, source: str) -> None:
    assert lines_of(path, source) == []


def test_all_files_of_ours_are_read_and_no_others(tmp_path: Path) -> None:
    ours = [
        "CONTRIBUTING.md",
        "README.md",
        "docs/a.md",
        "packages/a/python/b.py",
        "public/a.js",
        "tests/a/b.py",
    ]
    others = ["docs/results.json", "public/docs/viewer/a.js", "examples/a/node_modules/b/c.md"]
    for name in [*ours, *others, "examples/a/public/python/b.js", "python_modules/a.py"]:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("# It is none.\n" if file.suffix != ".js" else "// It is none.\n")

    assert [line.partition(":")[0] for line in check(tmp_path)] == ours


def test_each_hit_is_printed_with_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("# A\n\nA cut amid the text.\nThe path\nis none.\n")

    assert main(tmp_path) == 1
    amid, none = capsys.readouterr().out.splitlines()
    assert amid == 'README.md:3: "amid": say "in the middle of", "during"'
    assert none == f'README.md:5: "is none": {RULES[0].advice}'


def test_clean_checkout_passes_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("# A\n\nThe path is invalid.\n")

    assert main(tmp_path) == 0
    assert capsys.readouterr().out == ""
