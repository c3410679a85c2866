"""Keep the translations up to date: run `uv run python tools/catalogue.py` after a sentence in the code has changed.

Every sentence is collected, each ``.po`` file is brought up to date and compiled to the ``.mo`` beside it. A sentence
that is new stands there empty, one that has changed keeps its old translation marked ``fuzzy``: both are listed, and
the exit code is 1 until somebody has translated them. One that is gone is dropped. The same code and translations
always give the same bytes.

A new language begins with an empty file at its place, ``inspect_station/locale/de/LC_MESSAGES/inspect_station.po``.
"""

import ast
import string
import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

TOP = Path(__file__).resolve().parents[1]
PACKAGE = TOP / "inspect_station"
HEADERS = ("Language", "Plural-Forms", "MIME-Version", "Content-Type", "Content-Transfer-Encoding")
"""What a header says. The others name dates and versions, which change without any sentence changing."""

Text = str | tuple[str, str]
"""A sentence, or its singular and plural."""


class Translations(Catalog):
    """A catalogue whose header says nothing that changes by itself."""

    def _headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in super()._get_mime_headers() if name in HEADERS]

    mime_headers = property(_headers)


# ── Out of the code ──────────────────────────────────────────────────────────────────────────────────────────────────


def sentences(code: str, file: str = "<code>") -> Iterator[Text]:
    """The sentences of a module: what `msg` and `msgn` are given, and words that a template passes on to translation.

    Read as Python and not with Babel's own extractor, which sees no call inside an f-string before Python 3.12.
    Raises SyntaxError where a sentence is put together at run time: nobody could have translated it.
    """
    tree = ast.parse(code, file)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("msg"), args=[ast.Constant(str(text))]):
                yield text
            case ast.Call(func=ast.Name("msgn"), args=[ast.Constant(str(text)), ast.Constant(str(plural))]):
                yield text, plural
            case ast.Call(func=ast.Name("msg" | "msgn" as name)):
                raise SyntaxError(f"{name} takes its sentence as a literal", (file, node.lineno, node.col_offset, None))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _words(node)


def _words(function: ast.AST) -> Iterator[str]:
    """The literals that a function puts into ``{x:word}``, directly or by a name that it has given them."""
    for call in ast.walk(function):
        match call:
            case ast.Call(func=ast.Name("msg" | "msgn"), args=[ast.Constant(str(text)), *_], keywords=keywords):
                passed = {name for _, name, format, _ in string.Formatter().parse(text) if format == "word"}
                for keyword in keywords:
                    if keyword.arg in passed:
                        yield from _literals(keyword.value, function)


def _literals(value: ast.expr, function: ast.AST) -> Iterator[str]:
    names = {part.id for part in _parts(value) if isinstance(part, ast.Name)}
    given = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in names for target in node.targets)
    ]
    for expression in (value, *given):
        for part in _parts(expression):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """What an expression may come to: not what it calls, compares or looks up by."""
    yield node
    match node:
        case ast.Call() | ast.Compare():
            return
        case ast.Subscript(value=value):
            yield from _parts(value)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _parts(child)


def template(package: Path = PACKAGE) -> Catalog:
    """Every sentence of the package, with the files that it stands in."""
    found = Catalog()
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package.parent).as_posix()
        for text in sentences(file.read_text(encoding="utf-8"), name):
            found.add(text, locations=[(name, 0)])
    return found


# ── Into the catalogues ──────────────────────────────────────────────────────────────────────────────────────────────


def catalogues(package: Path = PACKAGE) -> Iterable[Path]:
    """The ``.po`` files, one for each language."""
    return sorted((package / "locale").glob("*/LC_MESSAGES/*.po"))


def read(po: Path) -> Translations:
    """A catalogue as it stands."""
    with po.open("rb") as file:
        old = read_po(file)
    known = Translations(locale=po.parent.parent.name, header_comment=old.header_comment, fuzzy=False)
    for message in old:
        if message.id:
            known[message.id] = message
    return known


def written(catalogue: Translations) -> bytes:
    """The ``.po`` file: sorted by sentence, without line numbers, so that a diff shows sentences and nothing else."""
    for message in catalogue:
        # Babel takes our formats for those of Python, and `50 % free` too.
        message.flags &= {"fuzzy"}
    out = BytesIO()
    write_po(out, catalogue, width=120, sort_output=True, include_lineno=False, ignore_obsolete=True)
    return out.getvalue().rstrip(b"\n") + b"\n"


def compiled(catalogue: Translations) -> bytes:
    """The ``.mo`` file."""
    out = BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def untranslated(catalogue: Translations) -> list[object]:
    """The sentences that still want a translator."""
    return [message.id for message in catalogue if message.id and (message.fuzzy or not all(forms(message)))]


def forms(message: Message) -> tuple[str, ...]:
    """What a sentence is in the other language: one text, or one for each plural form."""
    return (message.string or "",) if isinstance(message.string, str | None) else tuple(message.string)


def main() -> int:
    """Bring all catalogues up to date; how many sentences are not translated decides the exit code."""
    found = template()
    missing = 0
    for po in catalogues():
        catalogue = read(po)
        catalogue.update(found)
        po.write_bytes(written(catalogue))
        # What was written is read again, so that the .mo is made from the .po and from nothing else.
        catalogue = read(po)
        po.with_suffix(".mo").write_bytes(compiled(catalogue))
        open_ = untranslated(catalogue)
        missing += len(open_)
        print(f"{po.relative_to(TOP)}: {len(catalogue)} sentences, {len(open_)} to translate")
        for text in open_:
            print(f"  {text!r}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
