"""The rules in force: the site's, with each seller's playbook over them, and the fingerprint of what decides a unit.

A playbook counts from the moment a supervisor has activated it, also in a station that is running: what is on the bench
is finished under the rules that it began with.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from inspect_station import playbooks
from inspect_station.config import Config
from inspect_station.core.records import Operator, Seller, compact
from inspect_station.core.rules import Rules
from inspect_station.errors import NotFound
from inspect_station.message import Message, msg
from inspect_station.pictures import upright_jpeg
from inspect_station.playbooks import BrokenPlaybook, Opened
from inspect_station.store import Reader, Store, Writer


class Rulebook:
    """What decides here. Refreshed from one thread; read from any."""

    def __init__(self, config: Config) -> None:
        self.site = config.rules
        self.spoken = config.rules
        """The site's rules with the labels of every playbook's rows: what a voice speaks with."""
        self._rules: Mapping[str, Rules] = {}
        self.trouble: Mapping[str, Message] = {}
        """Sellers whose playbook does not fit the site's rules any more, and why: it does not count."""
        self._configured = {seller.code: seller for seller in config.sellers}
        self._sellers: Mapping[str, Seller] = {}
        self._versions: Mapping[str, str] = {}
        self._newest = -1
        self._site = config.rules.sha256

    def refresh(self, reader: Reader) -> None:
        """Let the playbooks count that are the newest of their sellers now; costs one small question if none is new."""
        newest = reader.last_playbook()
        if newest == self._newest:
            return
        books: dict[str, Opened] = {}
        sellers: dict[str, Seller] = {}
        trouble: dict[str, Message] = {}
        for each in reader.playbooks():
            try:
                books[each.seller] = playbooks.stored(each.body, self.site, f"{each.seller}.toml")
            except BrokenPlaybook as broken:
                problem = broken.problems[0]
                trouble[each.seller] = msg(
                    "the playbook of {seller} does not fit the site's rules any more: {problem}",
                    seller=each.seller,
                    problem=f"{problem.key}: {problem.message}" if problem.key else str(problem.message),
                )
                continue
            shown = {photo.slot: photo.sha256 for photo in reader.photos(each.sha256)}
            sellers[each.seller] = _pictured(books[each.seller].seller, shown)
        labelled = (row for book in books.values() for row in book.rules.policy.exclusions)
        exclusions = {row.id: row for row in (*self.site.policy.exclusions, *labelled)}
        policy = self.site.policy.model_copy(update={"exclusions": tuple(exclusions.values())})
        self.spoken = self.site.model_copy(update={"policy": policy})
        self._rules = {code: book.rules for code, book in books.items()}
        self.trouble = trouble
        self._sellers = sellers
        self._versions = {code: book.sha256 for code, book in books.items()}
        self._newest = newest

    def rules(self, seller: str) -> Rules:
        """What decides this seller's returns: the site's rules with its playbook's rows, where it has one."""
        return self._rules.get(seller, self.site)

    def seller(self, reader: Reader, code: str) -> Seller:
        """A seller's settings: its playbook's, else station.toml's, else what was imported, else the defaults."""
        known = self._sellers.get(code) or self._configured.get(code) or reader.seller(code)
        return known or Seller(code=code, name=code)

    def sellers(self, reader: Reader) -> tuple[Seller, ...]:
        """Everybody who is known as a seller here."""
        known = {each.code: each for each in reader.sellers()} | self._configured | dict(self._sellers)
        return tuple(known.values())

    def version(self, seller: str) -> str:
        """The fingerprint of the seller's playbook that counts; empty where it has none."""
        return self._versions.get(seller, "")

    def ruleset(self, seller: Seller) -> str:
        """All that decides this seller's units, in one line: versions of the rules and playbook, and the settings."""
        settings = seller.model_dump(mode="json")
        return compact({"rules": self._site, "playbook": self.version(seller.code), "seller": settings})

    def kept(self, writer: Writer, ruleset: str) -> str:
        """The fingerprint of what decided a unit; what it stands for is kept in the store."""
        fingerprint = hashlib.sha256(ruleset.encode()).hexdigest()
        if writer.ruleset(fingerprint) is None:
            writer.keep_ruleset(self._site, self.site.model_dump_json())
            writer.keep_ruleset(fingerprint, ruleset)
        return fingerprint

    @staticmethod
    def once(reader: Reader, fingerprint: str) -> Mapping[str, Any]:
        """What decided a unit once: the site's rules, the seller's settings, the playbook's text. Raises NotFound."""
        ruleset = reader.ruleset(fingerprint)
        if ruleset is None:
            raise NotFound(
                msg("no unit was decided here under rules {version}", version=fingerprint),
                msg("`show LPN --json` names the hash of a unit's rules"),
            )
        known = json.loads(ruleset)
        if "seller" not in known:
            return {"rules": known}
        history = reader.playbook_history(known["seller"]["code"])
        text = next((each.body for each in history if each.sha256 == known["playbook"]), "")
        site = reader.ruleset(known["rules"])
        return {"seller": known["seller"], "playbook": text, "rules": json.loads(site) if site else None}

    def activate(self, store: Store, book: Opened, by: Operator) -> Message:
        """Let a playbook count from now on.

        Raises BrokenPlaybook where one of its cases fails or a picture is missing, and DeviceError where a picture
        cannot be used; then nothing is changed.
        """
        failures = playbooks.failures(book, playbooks.tried(book))
        if failures:
            raise BrokenPlaybook(failures)
        files = playbooks.pictures_of(book)
        shown = {name: store.blobs.put(upright_jpeg(path)) for name, path in files.items()}
        seller = book.seller
        with store.write() as writer:
            new = writer.activate_playbook(seller.code, book.sha256, book.file.text, by.code, shown)
            if new:
                writer.put_seller(seller.but(pictures={}))
        with store.read() as reader:
            self.refresh(reader)
        if not new:
            return msg("version {version} of {seller} counts already", version=book.sha256[:12], seller=seller.name)
        return msg(
            "version {version} of {seller} counts from now on, {cases} cases came out as expected",
            version=book.sha256[:12],
            seller=seller.name,
            cases=len(book.playbook.cases),
        )


def _pictured(seller: Seller, shown: Mapping[str, str]) -> Seller:
    """The seller with its pictures as they lie in the store."""
    pictures = {
        grade: tuple(shown[name] for name in names if name in shown) for grade, names in seller.pictures.items()
    }
    return seller.but(pictures={grade: known for grade, known in pictures.items() if known})
