"""Playbooks as files: a seller's TOML text read, tried by its own cases, and told what is wrong with it by the line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from inspect_station.config import merge
from inspect_station.core.cases import Case, Trial, run, uncovered
from inspect_station.core.playbook import Playbook, SellerSettings, under, version
from inspect_station.core.records import Seller
from inspect_station.core.rows import Rule
from inspect_station.core.rules import Rules
from inspect_station.message import Message, msg
from inspect_station.tomlfile import (
    BrokenConfig,
    Problem,
    TomlFile,
    at,
    keys_at,
    message_of,
    parsed,
    place_of,
    reach,
    read,
    shown,
)


class BrokenPlaybook(BrokenConfig):
    """A playbook, or a table of cases, cannot be used; ``problems`` has every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        again = msg("nothing was changed; correct the file, then `inspect-station playbook check` looks again")
        super().__init__(problems, again)


@dataclass(frozen=True)
class Opened:
    """A playbook that can be used, with the text it was made of."""

    file: TomlFile
    playbook: Playbook
    rules: Rules
    """The site's rules with this seller's rows."""

    @property
    def seller(self) -> Seller:
        """The seller as the rest of the program knows it; its pictures are still names of files."""
        return self.playbook.seller.plain()

    @property
    def sha256(self) -> str:
        """The version."""
        return version(self.file.text)


def opened(path: Path, rules: Rules) -> Opened:
    """Read a playbook file. Raises BrokenPlaybook with every problem and its line."""
    try:
        return _opened(read(path), rules)
    except BrokenConfig as broken:
        raise BrokenPlaybook(broken.problems) from None


def stored(text: str, rules: Rules, name: str) -> Opened:
    """A playbook out of the store; ``name`` stands for its file. Raises BrokenPlaybook, as the site's rules may have
    changed since it was activated."""
    try:
        return _opened(parsed(Path(name), text), rules)
    except BrokenConfig as broken:
        raise BrokenPlaybook(broken.problems) from None


def _opened(file: TomlFile, rules: Rules) -> Opened:
    try:
        playbook = Playbook.model_validate(file.data)
    except ValidationError as invalid:
        raise BrokenPlaybook(_problems(file, invalid)) from None
    try:
        return Opened(file, playbook, under(rules, [playbook]))
    except ValidationError as invalid:
        raise BrokenPlaybook(_problems(file, invalid, known=False)) from None
    except ValueError as contradiction:
        raise BrokenPlaybook([Problem(file.path, 0, "", "", msg("{what}", what=str(contradiction)))]) from None


def _problems(
    file: TomlFile, invalid: ValidationError, form: type[Rule] = Playbook, *, known: bool = True
) -> list[Problem]:
    """What validation says, each with its line; what only shows against the site's rules is about the whole file."""
    found = []
    for error in invalid.errors(include_url=False):
        place = place_of(file.data, error["loc"]) if known else ()
        line = file.lines.get(reach(file.data, place), 0)
        message = message_of(error, keys_at(form, error["loc"]))
        found.append(Problem(file.path, line, ".".join(map(str, place)), shown(place, at(file.data, place)), message))
    return sorted(found, key=lambda problem: problem.line)


def tried(book: Opened) -> tuple[Trial, ...]:
    """The outcome of each of its cases, in the order of the file."""
    return tuple(run(case, book.rules, book.seller) for case in book.playbook.cases)


def failures(book: Opened, outcomes: Iterable[Trial]) -> tuple[Problem, ...]:
    """The cases that come out differently than expected, with their lines."""
    if not book.playbook.cases:
        return (Problem(book.file.path, 0, "cases", "", msg("is missing: nothing proves these rules")),)
    return _failed(book.file, outcomes)


def _failed(file: TomlFile, trials: Iterable[Trial]) -> tuple[Problem, ...]:
    idle = msg("expects nothing: it would prove nothing")
    return tuple(
        Problem(file.path, file.lines.get(("cases", each.case.name), 0), each.case.name, "", difference)
        for each in trials
        for difference in (*each.differences, *(() if each.case.expect.model_fields_set else (idle,)))
    )


def untried(book: Opened, trials: Iterable[Trial]) -> tuple[Message, ...]:
    """The playbook's own rows that no case tries: the site's have cases of their own."""
    code = book.seller.code
    return tuple(each for each in uncovered(book.rules, trials) if f".{code}:" in str(each.params.get("rule", "")))


@dataclass(frozen=True)
class CaseTable:
    """A site's own table of cases: what its rules must come to, whoever the seller is."""

    file: TomlFile
    trials: tuple[Trial, ...]
    books: Mapping[str, Rules]
    """The site's rules, under the empty name, and with the further rows that some cases assume."""

    @property
    def failures(self) -> tuple[Problem, ...]:
        """The cases that come out differently than expected, or expect nothing, with their lines."""
        return _failed(self.file, self.trials)

    @property
    def untried(self) -> tuple[Message, ...]:
        """The rules that no case tries, or on one side of their boundary only; those of the books, too."""
        found = {str(each): each for rules in self.books.values() for each in uncovered(rules, self.trials)}
        return tuple(found.values())


def case_table(path: Path, rules: Rules) -> CaseTable:
    """Try a table of cases: ``[[cases]]``, the ``[seller]`` they are told of, and ``[books.NAME]`` with rows that a
    case assumes by ``book = "NAME"``. Raises BrokenPlaybook with every problem and its line."""
    try:
        file = read(path)
    except BrokenConfig as broken:
        raise BrokenPlaybook(broken.problems) from None
    try:
        table = Cases.model_validate(file.data)
    except ValidationError as invalid:
        raise BrokenPlaybook(_problems(file, invalid, Cases)) from None
    document = rules.model_dump(mode="json")
    books = {"": rules}
    for name, more in table.books.items():
        try:
            books[name] = Rules.model_validate(merge(document, more))
        except ValidationError as invalid:
            line = file.lines.get(("books", name), 0)
            said = [message_of(error) for error in invalid.errors(include_url=False)]
            raise BrokenPlaybook(Problem(file.path, line, f"books.{name}", "", each) for each in said) from None
    seller = table.seller.plain() if table.seller else Seller(code="seller", name="Seller")
    told = [(case, case.book) for case in table.cases]
    missing = [
        Problem(file.path, file.lines.get(("cases", case.name), 0), case.name, book, msg("there is no such book"))
        for case, book in told
        if book not in books
    ]
    if missing:
        raise BrokenPlaybook(missing)
    return CaseTable(file, tuple(run(case, books[book], seller) for case, book in told), books)


class BookCase(Case):
    """A case that may assume further rows."""

    book: str = ""


class Cases(Rule):
    """A table of cases."""

    seller: SellerSettings | None = None
    books: dict[str, dict[str, Any]] = Field(default={})
    cases: tuple[BookCase, ...] = Field(min_length=1)


def files(folder: Path) -> tuple[Path, ...]:
    """The playbooks of a folder; none where there is no folder."""
    return tuple(sorted(folder.glob("*.toml")))


def pictures_of(book: Opened) -> Mapping[str, Path]:
    """Its reference pictures: name in the text → file beside the playbook. Raises BrokenPlaybook for one that is
    missing or lies elsewhere."""
    found: dict[str, Path] = {}
    problems = []
    for grade, names in book.playbook.seller.pictures.items():
        for name in names:
            path = book.file.path.parent / name
            place = ("seller", "pictures", grade)
            line = book.file.lines.get(reach(book.file.data, place), 0)
            if Path(name).name != name:
                message: Message = msg("must be the name of a file beside the playbook")
            elif not path.is_file():
                message = msg("there is no such file")
            else:
                found[name] = path
                continue
            problems.append(Problem(book.file.path, line, ".".join(map(str, place)), name, message))
    if problems:
        raise BrokenPlaybook(problems)
    return found
