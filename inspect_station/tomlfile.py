"""A TOML file with its lines: what stands where, and what is wrong with it, so that people find it.

tomllib gives no lines; they are looked up only when something is wrong.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from inspect_station.core.barcode import clean
from inspect_station.errors import ConfigError
from inspect_station.message import Message, msg, msgn

# ── Merging ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Table = dict[str, Any]


Place = tuple[str | int, ...]
"""Where a value stands in a document: keys, and the `names_of` of the entries of lists."""


QUOTED = re.compile(r"'([^']+)'")


SHOWN = 60
"""Characters of a value that a problem repeats."""


# ── What can be wrong ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, what stands there, what was expected."""

    file: Path
    line: int
    """From 1; 0 = the file as a whole."""
    key: str
    """Dotted; an entry of an array by its name, or by its number from 1 where it has none."""
    value: str
    """As it stands in the file; empty where nothing does."""
    message: Message

    def line_text(self, said: str) -> str:
        """The problem in one line, with its message as said in some language."""
        where = f"{self.file}:{self.line}" if self.line else str(self.file)
        what = f"{self.key} = {self.value}" if self.value else self.key
        return clean(": ".join(part for part in (where, what, said) if part))

    def __str__(self) -> str:
        return self.line_text(str(self.message))


CHECK_AGAIN = msg("nothing was started; correct the file, then `inspect-station config check` looks again")


class BrokenConfig(ConfigError):
    """A file cannot be used; ``problems`` has every reason, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], hint: Message = CHECK_AGAIN) -> None:
        self.problems = tuple(problems)
        said = msgn(
            "{file} cannot be used:\n{problems}",
            "{file} cannot be used, {n} problems:\n{problems}",
            n=len(self.problems),
            file=str(self.problems[0].file),
            problems="\n".join(str(problem) for problem in self.problems),
        )
        super().__init__(said, hint)


def name_of(entry: Any) -> str:
    """What an entry of an array of tables is known by; empty = nothing."""
    if not isinstance(entry, dict):
        return ""
    return next((entry[key] for key in ("id", "code", "name", "device_class") if isinstance(entry.get(key), str)), "")


def names_of(value: Any) -> list[str | int]:
    """What the parts of a value are called: keys, names of entries, for nameless ones their number from 1."""
    if isinstance(value, dict):
        return list(value)
    if not isinstance(value, list):
        return []
    names: list[str | int] = []
    seen: Counter[str] = Counter()
    for entry in value:
        name = name_of(entry)
        seen[name] += 1
        names.append((name if seen[name] == 1 else f"{name} ({seen[name]})") if name else seen[name])
    return names


def parts_of(value: Any) -> list[Any]:
    """The parts that `names_of` names."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def nearest(word: str, known: Iterable[str]) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), 1)), "")


# ── Reading and diagnosing ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class TomlFile:
    """One parsed file."""

    path: Path
    text: str
    data: Table

    @cached_property
    def lines(self) -> dict[Place, int]:
        """The line of everything in it."""
        return {place_of(self.data, path): line for path, line in positions(self.text).items()}


def read(path: Path) -> TomlFile:
    """Parse one file. Raises BrokenConfig where it cannot be read or is no TOML."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise _broken(path, 0, msg("there is no such file")) from None
    except IsADirectoryError:
        example = str(path / "station.toml")
        raise _broken(path, 0, msg("this is a folder: name the file, for example {file}", file=example)) from None
    except OSError as error:
        raise _broken(path, 0, msg("it cannot be read: {reason}", reason=error.strerror or str(error))) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].split(b"\n")
        message = msg(
            "byte {byte} in column {column} is not UTF-8: save the file as UTF-8",
            byte=f"0x{raw[error.start]:02x}",
            column=len(before[-1]) + 1,
        )
        raise _broken(path, len(before), message) from None
    return parsed(path, text)


def parsed(path: Path, text: str) -> TomlFile:
    """Parse a text; ``path`` stands for where it came from. Raises BrokenConfig where it is no TOML."""
    try:
        return TomlFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        what, line, column = _syntax(str(error))
        if not line:
            raise _broken(path, text.count("\n") + 1, msg("the file ends too early: {what}", what=what)) from None
        raise _broken(path, line, msg("not TOML, column {column}: {what}", column=column, what=what)) from None
    except RecursionError:
        raise _broken(path, 0, msg("its lists or tables are nested too deeply")) from None


def _broken(path: Path, line: int, message: Message) -> BrokenConfig:
    return BrokenConfig([Problem(path, line, "", "", message)])


def _syntax(text: str) -> tuple[str, int, int]:
    """What tomllib says, with line and column; 0 = at the end of the file."""
    what, _, where = text.rpartition(" (at ")
    line, column = ([int(number) for number in re.findall(r"\d+", where)] + [0, 0])[:2]
    return what, line, column


def shown(place: Place, value: Any) -> str:
    """A value as it stands in the file, cut; hashes of secrets are not repeated."""
    if value is None or not place:
        return ""
    if place[-1] in ("badge_sha256", "pin_argon2"):
        return "…"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def reach(data: Any, place: Place) -> Place:
    """The place as far as it exists."""
    for depth, part in enumerate(place):
        names = names_of(data)
        if part not in names:
            return place[:depth]
        data = parts_of(data)[names.index(part)]
    return place


def at(data: Any, place: Place) -> Any:
    """What stands at a place; None where nothing does."""
    for part in place:
        names = names_of(data)
        data = parts_of(data)[names.index(part)] if part in names else None
    return data


def place_of(data: Any, path: Iterable[str | int]) -> Place:
    """The place at a path of keys and indexes; what leads nowhere ends it."""
    place: list[str | int] = []
    for part in path:
        names = names_of(data)
        if isinstance(data, list) and isinstance(part, int) and part < len(names):
            place.append(names[part])
            data = data[part]
        elif isinstance(data, dict) and part != "[key]":
            place.append(part)
            data = data.get(str(part))
        else:
            break
    return tuple(place)


EXPECTED: Mapping[str, Message] = {
    "missing": msg("is missing"),
    "string_type": msg('must be text in quotes: "…"'),
    "string_too_short": msg("must not be empty"),
    "string_pattern_mismatch": msg("must have the form {pattern}"),
    "path_type": msg('must be a path in quotes: "…"'),
    "int_type": msg("must be a whole number"),
    "int_parsing": msg("must be a whole number"),
    "int_from_float": msg("must be a whole number"),
    "float_type": msg("must be a number"),
    "float_parsing": msg("must be a number"),
    "bool_type": msg("must be true or false"),
    "bool_parsing": msg("must be true or false"),
    "tuple_type": msg("must be a list: [ … ]"),
    "dict_type": msg("must be a table: {{ … }}"),
    "mapping_type": msg("must be a table: {{ … }}"),
    "model_type": msg("must be a table: {{ … }}"),
    "model_attributes_type": msg("must be a table: {{ … }}"),
    "too_short": msg("must have at least {min_length} entries"),
    "too_long": msg("must have at most {max_length} entries"),
    "greater_than": msg("must be greater than {gt}"),
    "greater_than_equal": msg("must be at least {ge}"),
    "less_than": msg("must be less than {lt}"),
    "less_than_equal": msg("must be at most {le}"),
}


def message_of(error: ErrorDetails, known: Sequence[str] = ()) -> Message:
    """What validation says, as people are told it; ``known`` are the keys that may stand where one is unknown."""
    match error["type"]:
        case "extra_forbidden":
            like = nearest(str(error["loc"][-1]), known)
            if like:
                return msg("unknown key; did you mean '{nearest}'?", nearest=like)
            return msg("unknown key; known here are {known}", known=", ".join(known))
        case "enum" | "literal_error":
            return msg("must be one of {choices}", choices=str(error["ctx"]["expected"]))
        case kind if kind in EXPECTED:
            limits = {name: str(limit) for name, limit in error.get("ctx", {}).items()}
            return Message(EXPECTED[kind].text, limits)
        case "value_error":
            return msg("{what}", what=str(error["ctx"]["error"]))
        case _:
            return msg("{what}", what=error["msg"])


def keys_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys that a model knows where the last part of a path stands."""
    for part in path[:-1]:
        field = model.model_fields.get(str(part))
        model = (model_in(field.annotation) if field else None) or model
    return list(model.model_fields)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for each in get_args(annotation) if (model := model_in(each))), None)


# ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_TOKEN = re.compile(
    r"""
      (?P<skip>[ \t\r]+|\#[^\n]*)
    | (?P<text>"{3}(?:\\.|[^\\])*?"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<sign>[\[\]{}=,.\n])
    | (?P<bare>[^\s\[\]{}=,.\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)


_Path = tuple[str | int, ...]


def positions(text: str) -> dict[_Path, int]:
    """The line, from 1, of every key, table and list entry of a TOML text, by its path of keys and indexes.

    tomllib gives no lines. It has read the text before, so the text is known to be TOML.
    """
    return _Scan(text).lines


class _Scan:
    """One pass over the tokens of a TOML text."""

    def __init__(self, text: str) -> None:
        self.lines: dict[_Path, int] = {}
        self._entries: dict[_Path, int] = {}
        """Index of the latest entry of each array of tables."""
        self._tokens: list[tuple[str, int]] = []
        self._next = 0
        line = 1
        for token in _TOKEN.finditer(text):
            if token.lastgroup != "skip":
                self._tokens.append((token[0], line))
            line += token[0].count("\n")
        self._tokens.append(("", line))
        self._document()

    def _peek(self) -> str:
        return self._tokens[self._next][0]

    def _take(self, *wanted: str) -> bool:
        """Pass the next token if it is one of these."""
        found = self._peek() in wanted
        self._next += found
        return found

    def _note(self, path: _Path) -> None:
        self.lines.setdefault(path, self._tokens[self._next][1])

    def _document(self) -> None:
        table: _Path = ()
        while self._peek():
            if self._take("\n"):
                continue
            if self._take("["):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> _Path:
        """``[a.b]`` or ``[[a.b]]``, behind its first bracket: the path of the table that begins."""
        several = self._take("[")
        path: _Path = ()
        for more, key in self._keys():
            path = (*path, key)
            self._note(path)
            if several and not more:
                self._entries[path] = self._entries.get(path, -1) + 1
            if path in self._entries:
                path = (*path, self._entries[path])
                self._note(path)
        while self._take("]"):
            pass
        return path

    def _keys(self) -> Iterator[tuple[bool, str]]:
        """The keys of ``a.b.c``, each with whether another follows."""
        more = True
        while more:
            token = self._peek()
            self._next += 1
            more = self._take(".")
            yield more, str(tomllib.loads(f"key = {token}")["key"]) if token[0] in "\"'" else token

    def _pair(self, path: _Path) -> None:
        for _, key in self._keys():
            path = (*path, key)
            self._note(path)
        self._take("=")
        self._value(path)

    def _value(self, path: _Path) -> None:
        if self._take("{"):
            while not self._take("}"):
                if not self._take(",", "\n"):
                    self._pair(path)
        elif self._take("["):
            index = 0
            while not self._take("]"):
                if not self._take(",", "\n"):
                    self._note((*path, index))
                    self._value((*path, index))
                    index += 1
        else:
            while self._peek() not in (",", "]", "}", "\n", ""):
                self._next += 1
