"""Text laid out in cells: what every page is made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.content import Content

from inspect_station.core.records import Disposition, Grade, Inspection, Kind, Outcome, Product, Verdict
from inspect_station.core.rules import Rules
from inspect_station.message import Message, msg
from inspect_station.tui.scene import Said
from inspect_station.words import Voice

OK, LOOK, BAD, CALM = "bold $success", "bold $warning", "bold $error", "$accent"
DIM = "$quiet"
CAP = "bold $accent on $panel"
"""A key to press, drawn as one."""

VERDICTS = {
    Outcome.ELIGIBLE: ("✔", msg("ACCEPTED"), "ok"),
    Outcome.CONSULT: ("▲", msg("ASK THE SELLER"), "look"),
    Outcome.INELIGIBLE: ("✘", msg("NOT ELIGIBLE"), "bad"),
}
INKS = {"ok": OK, "look": LOOK, "bad": BAD, "info": CALM}

NO_BREAK, STAND_IN = "\N{NO-BREAK SPACE}", "\ue000"

CATEGORIES = {
    "media": msg("media"),
    "software": msg("software"),
    "electronics": msg("electronics"),
    "appliance": msg("appliance"),
    "apparel": msg("apparel"),
    "beauty": msg("beauty"),
    "perishable": msg("perishable"),
    "intimate": msg("intimate"),
    "general": msg("general"),
}
"""The usual categories; a site's others are shown as imported."""

FATES = {Disposition.RESTOCK: OK, Disposition.CLEARANCE: OK, Disposition.QUARANTINE: BAD}
"""How it is said where a unit goes; everything else waits for somebody."""

KINDS = {
    Kind.WRONG_ITEM: msg("wrong item"),
    Kind.EMPTY_BOX: msg("empty box"),
    Kind.UNKNOWN: msg("not announced"),
    Kind.DANGER: msg("DANGER"),
    Kind.FORWARD: msg("another site's"),
}

ROUTES = {
    Disposition.RESTOCK: msg("restock"),
    Disposition.CLEARANCE: msg("clearance"),
    Disposition.REFURBISH: msg("refurbish"),
    Disposition.RETURN_TO_CUSTOMER: msg("to the customer"),
    Disposition.RETURN_TO_SELLER: msg("to the seller"),
    Disposition.RECYCLE: msg("recycle"),
    Disposition.DESTROY: msg("destroy"),
    Disposition.DONATE: msg("donate"),
    Disposition.FORWARD: msg("forward"),
    Disposition.HOLD: msg("hold"),
    Disposition.QUARANTINE: msg("quarantine"),
}


@dataclass(frozen=True)
class Part:
    """One block of a page: its text, its CSS classes, and the title in its border if it has one."""

    text: Content
    kind: str = ""
    title: str = ""

    @property
    def framed(self) -> bool:
        """Whether a border stands around it."""
        return self.kind.startswith(("box", "prompt"))

    @property
    def height(self) -> int:
        """Lines that the text takes as laid out."""
        return self.text.plain.count("\n") + 1


def ink(text: str, style: str = "") -> Content:
    """Text in a style; never read as markup."""
    return Content.styled(text, style) if style else Content(text)


def stack(lines: Iterable[Content]) -> Content:
    """Lines one under the other."""
    return Content("\n").join(lines)


@dataclass(frozen=True)
class Paper:
    """A width in cells and the language in which it is written."""

    voice: Voice
    rules: Rules
    width: int

    def say(self, what: Said) -> str:
        """The text in the operator's language."""
        return self.voice.say(what)

    def narrower(self, by: int) -> "Paper":
        """The paper inside a border."""
        return Paper(self.voice, self.rules, self.width - by)

    def spread(self, left: Content, right: Content) -> Content:
        """One line, or two where both do not fit: the right one ends at the edge."""
        gap = self.width - left.cell_length - right.cell_length
        if gap >= 1:
            return left + " " * gap + right
        lines = self.wrap(left)
        last = lines[-1]
        if last.cell_length + right.cell_length + 1 <= self.width:
            return stack([*lines[:-1], last + " " * (self.width - last.cell_length - right.cell_length) + right])
        return stack([*lines, *(self._to_the_right(line) for line in self.wrap(right))])

    def _to_the_right(self, line: Content) -> Content:
        return line.pad_left(max(0, self.width - line.cell_length))

    def wrap(self, text: Content) -> list[Content]:
        """The text in lines of this width; words stay whole where they can."""
        if not text:
            return [text]
        # Textual breaks lines at a no-break space, too; behind a sign that is no space it does not.
        kept = Content(text.plain.replace(NO_BREAK, STAND_IN), list(text.spans))
        lines = (line.rstrip() for line in kept.wrap(max(self.width, 1)))
        return [Content(line.plain.replace(STAND_IN, NO_BREAK), list(line.spans)) for line in lines]

    def hang(self, lead: Content, body: Content, indent: int = 0) -> Content:
        """A sign or word, and a text beside it whose further lines stand under its first."""
        indent = indent or lead.cell_length
        lines = self.narrower(indent).wrap(body)
        first = lead.pad_right(max(0, indent - lead.cell_length)) + lines[0]
        return stack([first, *(line.pad_left(indent) for line in lines[1:])])

    def row(self, cells: Sequence[Content], widths: Sequence[int]) -> Content:
        """Cells side by side, each in its width; site and customer data that is longer ends in ``…``."""
        return Content("").join(
            cell.truncate(max(0, width - 1), ellipsis=True, pad=True) + " "
            for cell, width in zip(cells, widths, strict=True)
        )

    def framed(self, title: str, body: Sequence[Content]) -> list[Content]:
        """A label in words, as wide as the paper."""
        inner = self.width - 4
        title = f" {title} "
        top = ink("┌─" + title + "─" * max(0, self.width - 3 - len(title)) + "┐", DIM)
        sides = [ink("│ ", DIM) + line.pad_right(max(0, inner - line.cell_length)) + ink(" │", DIM) for line in body]
        return [top, *sides, ink("└" + "─" * (self.width - 2) + "┘", DIM)]

    def rule(self, title: Message) -> Content:
        """A heading with a line behind it."""
        said = self.say(title)
        return ink(f"── {said} ", DIM) + ink("─" * max(0, self.width - len(said) - 4), DIM)

    # ── Facts that stand on several pages ────────────────────────────────────────────────────────────────────────────

    def verdict_word(self, verdict: Verdict) -> tuple[str, str]:
        """Sign and word, and the tone."""
        sign, word, tone = VERDICTS[verdict.outcome]
        if verdict.seller_accepted:
            sign, word, tone = "✔", msg("SELLER ACCEPTED"), "ok"
        return f"{sign} {self.say(word)}", tone

    def reasons(self, verdict: Verdict) -> list[Content]:
        """The rules that were met and failed, a line each."""
        met = ink("✔ ", OK) if verdict.outcome is Outcome.ELIGIBLE else ink("· ", DIM)
        failed = ink("✘ ", BAD if verdict.outcome is Outcome.INELIGIBLE else LOOK)
        return [self.hang(met if reason.met else failed, ink(self.say(reason.message))) for reason in verdict.reasons]

    def graded(self, unit: Inspection) -> str:
        """The grade, or what it is instead."""
        if unit.grade is not None:
            return self.grade(unit.grade)
        return self.say(KINDS[unit.kind]) if unit.kind in KINDS else self.say(msg("not graded"))

    def grade(self, grade: Grade) -> str:
        """The site's word for a grade."""
        return self.say(self.rules.grades[grade].label)

    def place(self, disposition: Disposition) -> str:
        """Where a unit is put."""
        return self.say(self.rules.places[disposition])

    def sort(self, product: Product) -> str:
        """What kind of article it is: its device class, else its category."""
        checklist = self.rules.checklist(product)
        if checklist is not None:
            return self.say(checklist.label)
        category = CATEGORIES.get(product.category)
        return self.say(category) if category else product.category

    def title(self, unit: Inspection) -> str:
        """What the unit is."""
        if unit.product is not None:
            return unit.product.title
        return unit.scanned or self.say(msg("unidentified article"))
