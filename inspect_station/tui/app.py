"""The running screens: keys in order through the wedge, pure steps painted at once, all I/O in one lane."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from textual import events, on
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message as Note
from textual.theme import Theme

from inspect_station.core.barcode import GS, LOST
from inspect_station.core.records import Inspection
from inspect_station.core.wedge import Doubled, Out, Press, Retract, Scanned, Wedge
from inspect_station.errors import Exit, StationError
from inspect_station.message import Message, msg
from inspect_station.outbox import States
from inspect_station.outbox.prints import PrinterState
from inspect_station.outcomes import Desk
from inspect_station.station import Station
from inspect_station.tui import batch, desk, overlay, parcel, unit
from inspect_station.tui.hands import Hands
from inspect_station.tui.keymap import Keymap
from inspect_station.tui.paper import Paper, Part, ink
from inspect_station.tui.scene import (
    AtDesk,
    Banner,
    Effect,
    OnBatch,
    OnParcel,
    OnUnit,
    Photos,
    Scene,
    Shot,
    SignIn,
    Turn,
    Writing,
    returns,
)
from inspect_station.tui.terminal import Silence, Terminal
from inspect_station.tui.widgets import Block, Picture, Sheet

log = logging.getLogger(__name__)

BUSY_AFTER = 0.2
"""Seconds after which the screen says what it is waiting for."""
BEAT = 5.0
"""Seconds between two looks at the desk's numbers."""
WIDE, PAGE = 120, 78
"""Cells from which photos and answers stand beside the page, and the page's own width then."""
PARTS = ("training", "page", "over", "shot", "large", "photo", "side", "history", "lamps", "banner", "keys")
"""Ids of what is painted; at the start and at the end of the program some may be missing."""
SIDE = 38
"""Cells of the column beside it."""
SHOT_ROWS = 8
"""Height of the photo just taken, where there is no such column."""

THEMES = (
    Theme(
        name="station-dark",
        primary="#5f87af",
        secondary="#87afd7",
        accent="#d7af5f",
        success="#5fd787",
        warning="#ffaf5f",
        error="#ff6f6f",
        foreground="#e4e4e4",
        background="#121417",
        surface="#1c1f24",
        panel="#2a3038",
        dark=True,
        variables={"quiet": "#98a2ae"},
    ),
    Theme(
        name="station-light",
        primary="#2f5f8f",
        secondary="#2f6f9f",
        accent="#8f5f00",
        success="#00702f",
        warning="#9a4f00",
        error="#b00020",
        foreground="#1a1a1a",
        background="#f7f7f4",
        surface="#ecece6",
        panel="#dedfd8",
        dark=False,
        variables={"quiet": "#5c626a"},
    ),
)

SIGNS = {"escape": "\x1b", "backspace": "\x7f"}
"""Keys that are characters in a scan."""
NAMES = {"\r": "enter", "\n": "enter", "\t": "tab"}
"""Characters that are keys everywhere: they end a scan."""
PRESSED = {sign: name for name, sign in SIGNS.items()} | {"\b": "backspace"}
"""Characters that are keys again once it is clear that they are no scan's."""
CTRL = {"ctrl+right_square_bracket": GS} | {f"ctrl+{chr(96 + n)}": chr(n) for n in range(1, 27)}
"""Control characters, which come without a character under some terminals' protocols."""


def key_name(event: events.Key) -> str:
    """A key of the terminal as the wedge knows it: one character, or a name."""
    sign = event.character or CTRL.get(event.key) or SIGNS.get(event.key) or event.key
    return NAMES.get(sign, sign)


class StationApp(App[int]):
    """The station's screens."""

    CSS_PATH = "station.tcss"
    ENABLE_COMMAND_PALETTE = False

    class Changed(Note):
        """Background work has changed what the desk shows."""

    class Code(Note):
        """A whole code came in, by another way than the keyboard, at this time by the clock of the keys."""

        def __init__(self, at: float, text: str) -> None:
            super().__init__()
            self.at = at
            self.text = text

    class Beside(Note):
        """Work beside the lane is done."""

        def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
            super().__init__()
            self.work = work

    class Looked(Note):
        """The desk's numbers are there."""

        def __init__(self, seen: Desk, states: States) -> None:
            super().__init__()
            self.seen = seen
            self.states = states

    class Kept(Note):
        """The draft is saved."""

    class Failed(Note):
        """A draft was not saved, or the desk not read."""

        def __init__(self, error: BaseException, *, saving: bool) -> None:
            super().__init__()
            self.error = error
            self.saving = saving

    def __init__(self, station: Station, *, now: Callable[[], float] = monotonic, theme: str = "") -> None:
        """``now`` is the clock of the keys (seconds, the terminal's own by default)."""
        scanner = station.config.scanner
        self._wedge = Wedge(
            prefix=scanner.prefix if scanner.kind == "keyboard" else "",
            suffix=scanner.suffix if scanner.kind == "keyboard" else "",
            hold_ms=scanner.hold_ms,
            double_ms=scanner.double_ms,
            remote="SSH_CONNECTION" in os.environ,
        )
        super().__init__(driver_class=Terminal.telling(self._wedge.waits))
        self.station = station
        self.keymap = Keymap(station.config.keys)
        self.hands = Hands(station, self.keymap)
        self.scene = Scene()
        self._now = now
        self._inbox: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]]] = asyncio.Queue()
        self._lane = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lane")
        self._beside = ThreadPoolExecutor(max_workers=2, thread_name_prefix="beside")
        self._sellers = {seller.code: seller.name for seller in station.config.sellers}
        self._names = {operator.code: operator.name for operator in station.config.operators}
        self._before: list[Scene] = []
        """The scene before each press that a scan may still take back."""
        self._pending: Turn | None = None
        """What the last press started; it is done once it cannot be taken back."""
        self._later: deque[str] = deque()
        """Presses behind it."""
        self._after: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()
        """What waits until nothing can be taken back."""
        self._kept: Inspection | None = None
        self._news: Banner | None = None
        """What the printer's state has to say once nothing more urgent stands there."""
        self._told: Banner | None = None
        """What it said last: its own news may take that place."""
        self._looking = self._look_again = False
        """The desk's numbers are being read, and something has changed since that began."""
        self._touched = now()
        self._stale = False
        """The screen does not show the scene yet."""
        self._server: asyncio.Task[None] | None = None
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme if theme in self.available_themes else THEMES[0].name

    # ── The screen ───────────────────────────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """One screen for everything: nothing is mounted later."""
        yield Block(id="training")
        with Horizontal(id="body"):
            with Sheet(id="page"):
                yield Block(id="over")
                yield Picture(id="shot")
                with Vertical(id="large"):
                    yield Picture(id="photo")
            with Vertical(id="side"):
                yield Picture(id="side0")
                yield Picture(id="side1")
                yield Block(id="history", classes="part")
        with Vertical(id="foot"):
            yield Block(id="lamps", classes="part")
            yield Block(id="banner", classes="part")
            yield Block(id="keys", classes="part")

    def on_mount(self) -> None:
        """Paint the sign-in page; the numbers follow."""
        self.screen.set_class(self.station.training, "-training")
        self._server = asyncio.create_task(self._serve())
        self.set_interval(BEAT, self.beat)
        self._look()
        self._paint()

    def on_resize(self) -> None:
        """Lay the text out anew."""
        self.call_after_refresh(self._paint)

    async def on_unmount(self) -> None:
        """Let the lane finish what was promised."""
        if self._server is not None:
            self._server.cancel()
            self._server = None  # codes and news that still come have nowhere to go
        self.station.stop_looking()
        await asyncio.to_thread(self._beside.shutdown, wait=True)
        await asyncio.to_thread(self._lane.shutdown, wait=True)

    def _show(self, scene: Scene) -> None:
        """From now on this is the scene. While keys wait, as those of a scan do, it is painted once, behind them."""
        if scene is not self.scene:
            self.scene = scene
            self._stale = True
            if self._inbox.empty():
                self._fresh()

    def _fresh(self) -> None:
        if self._stale:
            self._paint()

    def _paint(self) -> None:
        if self._server is None or not all(self.query(f"#{id}") for id in PARTS):
            return  # not all on the screen yet, or not any more: the program ends
        self._stale = False
        voice, rules, scene = self.station.voice(), self.station.rules, self.scene
        beside = self.size.width >= WIDE and scene.unit is not None
        width = PAGE if beside else self.size.width
        foot = Paper(voice, rules, self.size.width - 2)
        paper = Paper(voice, rules, width - 2)
        keys = overlay.keys(foot, self.keymap, scene)
        lamps = desk.lamps(foot, scene) if isinstance(scene.place, AtDesk | SignIn) else None
        banner = overlay.foot(foot.narrower(1), scene)
        height = self.size.height - keys.height - (lamps.height if lamps else 0) - self.station.training
        self._block("training").show(Part(ink(voice.say(TRAINING))) if self.station.training else None)
        below = banner.height if banner else 0
        parts = self._parts(paper, height, below)
        free = height - below - sum(part.height + 2 * part.framed for part in parts)
        self.query_one("#page", Sheet).show(parts)
        self._block("over").show(overlay.part(paper.narrower(2), scene, self.keymap))
        self._block("lamps").show(lamps)
        self._block("banner").show(banner)
        self._block("keys").show(keys)
        self._paint_photos(paper, height, below, free, beside=beside)

    def _block(self, id: str) -> Block:
        return self.query_one(f"#{id}", Block)

    def _parts(self, paper: Paper, height: int, below: int) -> list[Part]:
        """The page in ``height`` lines, of which a banner takes the last ``below``."""
        match self.scene.place:
            case OnUnit() as place:
                operator = self.station.operator.name if self.station.operator else ""
                over = self.scene.over
                return unit.parts(paper, place, operator, height, over if isinstance(over, Writing) else None)
            case OnParcel(arrived):
                return parcel.parts(paper, arrived, self._sellers, height - below)
            case OnBatch() as place:
                return batch.parts(paper, place, self._names, height - below)
            case _:
                return desk.parts(paper, self.scene, self.station, height - below)

    def _paint_photos(self, paper: Paper, height: int, below: int, free: int, *, beside: bool) -> None:
        """Beside the page, or for a moment over it."""
        scene = self.scene
        photos = scene.unit.inspection.photos if scene.unit else ()
        taken = [photo for photo in photos if photo.sha256]
        self.query_one("#side").set_class(beside, "-used")
        self.query_one("#page").set_class(beside, "-beside")
        rows = max(4, (height - 16) // 2)
        for n, photo in enumerate([*reversed(taken[-2:]), None, None][:2]):
            path = self.station.blobs.path(photo.sha256) if photo and beside else None
            self.query_one(f"#side{n}", Picture).show(path, SIDE, rows)
        column = Paper(paper.voice, paper.rules, SIDE - 2)
        self._block("history").show(unit.history(column, scene.unit) if beside and scene.unit else None)
        shot = self.query_one("#shot", Picture)
        path = self.station.blobs.path(scene.picture) if scene.picture and not beside else None
        # Under the text where there is room; where there is none, a small one over its lower right corner.
        high = max(4, min(SHOT_ROWS, free - 2))
        shot.show(path, 30, high)
        shot.styles.offset = (0, max(0, height - below - high - 2))
        large = self.query_one("#large")
        picture = scene.over.sheet if isinstance(scene.over, Photos) else None
        shown = self._large(paper, picture) if isinstance(picture, Shot) else None
        large.set_class(shown is not None, "-shown")
        if isinstance(picture, Shot):
            large.border_title = Content(paper.say(picture.title))
            large.border_subtitle = Content(paper.say(picture.caption)).truncate(paper.width - 4, ellipsis=True)
        self.query_one("#photo", Picture).show(shown, paper.width - 2, height - 2)

    def _large(self, paper: Paper, shot: Shot) -> Path | bytes | str:
        """A picture or its file; what is said instead where there is none."""
        if shot.image:
            return shot.image
        if not shot.sha256:
            return paper.say(msg("this photo is owed: it was not taken yet"))
        path = self.station.blobs.path(shot.sha256)
        return path if path.is_file() else paper.say(msg("this picture is not on this station's disk"))

    # ── Keys in ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def on_event(self, event: events.Event) -> None:
        """Keys go to the wedge before any binding can see them: a barcode can hold ctrl+q."""
        match event:
            case events.Key():
                self.key(event.time, key_name(event))
            case Silence(until=until):
                self.tick(until)
            case events.Paste(text=text):
                self._queue(partial(self._pasted, event.time, text))
            case _:
                await super().on_event(event)

    def key(self, at: float, name: str) -> None:
        """One key and the time at which the terminal gave it."""
        self._touched = max(self._touched, at)
        self._queue(partial(self._feed, at, name))

    def tick(self, due: float) -> None:
        """The terminal was silent until ``due``: the wedge may know more. It is asked about then, not about now: a
        scan's next keys may already wait behind this."""
        self._queue(partial(self._tick, due))

    async def _tick(self, due: float) -> None:
        await self._act(self._wedge.tick(due))

    def _queue(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._inbox.put_nowait(work)

    async def settled(self) -> None:
        """Wait until everything that was pressed has been done and painted (for tests and scripts)."""
        while True:
            await self._inbox.join()
            await asyncio.wrap_future(self._lane.submit(lambda: None))
            await self._inbox.join()
            if not self._looking and not self.message_queue_size:
                return
            await asyncio.sleep(0.001)

    async def _serve(self) -> None:
        """One thing after the other: a key that follows a scan waits for what the scan opens."""
        while True:
            work = await self._inbox.get()
            try:
                await work()
                if self._inbox.empty():
                    self._fresh()
                if self._wedge.due is None:
                    self._tell_bench()
            except Exception as error:
                self._complain(error)
            finally:
                self._inbox.task_done()

    async def _feed(self, at: float, key: str) -> None:
        self._wedge.mode = "text" if self.scene.writes else "keys"
        await self._act(self._wedge.feed(at, key))

    def code(self, text: str) -> None:
        """A whole code from a scanner that does not type. Any thread may call this."""
        if self._server is not None:
            self.post_message(self.Code(self._now(), text))

    @on(Code)
    def _coded(self, note: Code) -> None:
        self._touched = max(self._touched, note.at)
        self._queue(partial(self._between, partial(self._whole, note.at, note.text)))

    async def _whole(self, at: float, text: str) -> None:
        await self._act(self._wedge.whole(at, text))

    async def _pasted(self, at: float, text: str) -> None:
        """Text from the clipboard goes where text is typed, and nowhere else; amid a scan, it spoils the scan."""
        await self._act(self._wedge.tick(at))
        if self._wedge.due is not None:
            await self._feed(at, LOST)
        else:
            self._show(self.hands.pasted(self.scene, text))

    async def _act(self, outs: Sequence[Out]) -> None:
        for out in outs:
            match out:
                case Press(key) if self._pending is None:
                    self._press(key)
                case Press(key):
                    self._later.append(key)
                case Retract(count):
                    self._take_back(count)
                case Scanned(text):
                    await self._commit()
                    await self._do(self.hands.scanned(self.scene, text))
                case Doubled(text):
                    await self._commit()
                    await self._do(self.hands.doubled(self.scene, text))
        if self._wedge.due is None:
            await self._commit()
            while self._after:
                await self._after.popleft()()

    def _press(self, key: str) -> None:
        self._before.append(self.scene)
        if key == LOST:
            return  # bytes that were no text, and no scan's
        turn = self.hands.press(self.scene, PRESSED.get(key, key))
        self._show(turn.scene)
        if turn.effect is not None or turn.quit:
            self._pending = turn

    def _take_back(self, count: int) -> None:
        """The last presses began a scan: the scene before them stands again, and nothing of them is done."""
        while count and self._later:
            self._later.pop()
            count -= 1
        if count:
            scene = self._before[-count]
            del self._before[-count:]
            self._pending = None
            self._show(
                scene.but(
                    desk=self.scene.desk, states=self.scene.states, scanner=self.scene.scanner, backup=self.scene.backup
                )
            )

    async def _commit(self) -> None:
        """Nothing can take the presses back any more: do what they started, in their order."""
        before = self._before[0].place if self._before else self.scene.place
        while self._pending is not None or self._later:
            turn, self._pending = self._pending, None
            if turn is not None:
                await self._do(turn)
            else:
                self._press(self._later.popleft())
        self._before.clear()
        self._keep()
        if not isinstance(self.scene.place, type(before)) and isinstance(self.scene.place, AtDesk):
            self._look()

    # ── Doing ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _do(self, turn: Turn) -> None:
        try:
            while turn.effect is not None:
                self._show(turn.scene)
                if turn.effect.beside:
                    self._aside(turn.effect)
                    return
                result = await self._in_lane(turn.effect.work, turn.effect.busy)
                turn = turn.effect.then(self.scene, result)
            self._show(turn.scene)
        except Exception as error:
            self._complain(error)
            return
        if turn.quit:
            self.exit(int(Exit.OK))
            return
        if self.scene.unit is None and self.scene.unsaved:
            self._show(self.scene.but(unsaved=False))  # it was finished or set aside
        self._sound(self.scene.banner)
        if isinstance(self.scene.place, AtDesk | SignIn):
            self._look()

    def _aside(self, effect: Effect) -> None:
        """Work that the lane does not wait for; its result comes in its turn, like a key."""

        async def finished(done: "Future[Any]") -> None:
            await self._commit()
            await self._do(Turn(self.scene, Effect(done.result, effect.then, effect.busy)))

        def report(done: "Future[Any]") -> None:
            self.post_message(self.Beside(partial(finished, done)))

        self._beside.submit(effect.work).add_done_callback(report)

    @on(Beside)
    def _finished(self, note: Beside) -> None:
        self._queue(partial(self._between, note.work))

    async def _between(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work that must not fall between the keys of what may become a scan: they could not be taken back."""
        if self._wedge.due is None:
            await work()
        else:
            self._after.append(work)

    async def _in_lane(self, work: Callable[[], Any], busy: Message) -> Any:
        """Wait for work in the lane; it is never cancelled, only waited for."""
        done = asyncio.wrap_future(self._lane.submit(work))
        finished, _ = await asyncio.wait({done}, timeout=BUSY_AFTER)
        if not finished:
            self._show(self.scene.but(banner=Banner("info", busy)))
            self._fresh()
            await asyncio.wait({done})
            self._show(self.scene.but(banner=None))
        return done.result()

    def _keep(self) -> None:
        """The draft of the unit on the bench, saved behind whatever the lane does now."""
        current = self.scene.unit.inspection if self.scene.unit else None
        if current is not None and current is not self._kept:
            self._lane.submit(self._save, current).add_done_callback(partial(self._report, saving=True))
        self._kept = current

    def _save(self, current: Inspection) -> "StationApp.Kept":
        self.station.keep(current)
        return self.Kept()

    def _tell_bench(self) -> None:
        """What is open here, for other docks. While nobody is signed in it stays as it was."""
        place = self.scene.place
        if not isinstance(place, SignIn):
            self.station.on_bench(returns(place), place.inspection.lpn if isinstance(place, OnUnit) else "")

    def _look(self) -> None:
        """Ask for the desk's numbers, once at a time."""
        self._look_again = self._looking
        if not self._looking:
            self._looking = True
            self._lane.submit(self._read).add_done_callback(partial(self._report, saving=False))

    def _read(self) -> "StationApp.Looked":
        card = getattr(self.scene.place, "card", None)
        return self.Looked(self.station.desk(card), self.station.outbox.states())

    def _report(self, done: "Future[Any]", *, saving: bool) -> None:
        """Called in the lane's thread."""
        error = done.exception()
        self.post_message(done.result() if error is None else self.Failed(error, saving=saving))

    @on(Looked)
    def _looked(self, note: Looked) -> None:
        self._looking = False
        if self._look_again:
            self._look()
        before = self.scene.states
        self._show(self.scene.but(desk=note.seen, states=note.states))
        self._heed_scanner()
        self._heed_printer(before.printer if before else None, note.states.printer)

    @on(Kept)
    def _saved(self) -> None:
        if self.scene.unsaved:
            self._show(self.scene.but(unsaved=False))

    @on(Failed)
    def _failed(self, note: Failed) -> None:
        if note.saving:
            self._kept = None  # the next key tries again
            self._show(self.scene.but(unsaved=True))
        else:
            self._looking = False
        self._complain(note.error)

    def notify_changed(self) -> None:
        """Something changed in the background (printed, received by the hub). Any thread may call this."""
        if self._server is not None:
            self.post_message(self.Changed())

    @on(Changed)
    def _changed(self) -> None:
        self._heed_scanner()
        self._heed_backup()
        self._look()

    def _heed_scanner(self) -> None:
        """Say once that the scanner is gone, or back; the lamp stays while it is gone."""
        said = self.station.scanner_trouble
        trouble = Banner("look", said.title, said.hint) if said else None
        if trouble != self.scene.scanner:
            banner = trouble or Banner("ok", msg("the scanner is back"))
            self._show(self.scene.but(scanner=trouble, banner=banner))
            self._sound(banner)

    def _heed_backup(self) -> None:
        """Say once that no good copy of the store is near; the lamp stays while there is none."""
        said = self.station.backup_trouble
        trouble = Banner("look", said.title, said.hint) if said else None
        if trouble != self.scene.backup:
            banner = trouble or Banner("ok", msg("the store has a good copy again"))
            shown = self.scene.banner
            # Why the last scan was refused stays: this is nothing that the hands at the bench can mend.
            urgent = shown is not None and shown.tone in ("look", "bad")
            self._show(self.scene.but(backup=trouble, banner=shown if urgent else banner))

    def _heed_printer(self, before: PrinterState | None, now: PrinterState) -> None:
        """Say once that a label is late, or that a printer does not print; the lamp stays."""
        banner = None
        if now.not_out and now.not_out != (before.not_out if before else ""):
            banner = Banner("look", now.said, now.problem or msg("F4 asks before it prints"))
        elif now.problem is not None and now.problem != (before.problem if before else None):
            banner = Banner("look", now.problem, msg("labels wait in their order and are tried again; go on working"))
        mended = now.problem is None and not now.not_out
        self._news = None if mended else banner or self._news
        shown = self.scene.banner
        # Why the last scan was refused stays; the printer's news come with the next look, when that was seen.
        if self._news is not None and (shown is None or shown is self._told or shown.tone not in ("look", "bad")):
            self._told, self._news = self._news, None
            self._show(self.scene.but(banner=self._told))
            self._sound(self._told)

    def _complain(self, error: BaseException) -> None:
        if isinstance(error, StationError):
            banner = Banner("bad", error.title, error.hint)
        else:
            log.error("unexpected error", exc_info=error)
            banner = Banner(
                "bad",
                msg("Unexpected error ({kind}): nothing was changed by the last key", kind=type(error).__name__),
                msg("go on; if it comes again, call a supervisor: station.log has the details"),
            )
        try:
            self._show(self.scene.but(banner=banner))
        except Exception:
            # The page itself cannot be painted: its unit waits as a draft, the desk goes on.
            log.exception("page not painted")
            desk_ = AtDesk() if self.station.operator else SignIn(AtDesk())
            self._show(Scene(place=desk_, desk=self.scene.desk, states=self.scene.states, banner=banner))
        self._sound(banner)

    def _sound(self, banner: Banner | None) -> None:
        """One tone for accepted, two for look-at-the-screen."""
        if not self.station.config.station.sound:
            return
        self.bell()
        if banner is not None and banner.tone in ("look", "bad"):
            self.set_timer(0.15, self.bell)

    # ── By itself ────────────────────────────────────────────────────────────────────────────────────────────────────

    def beat(self) -> None:
        """The time of day, the numbers, the lock."""
        idle = self._now() - self._touched
        if idle >= self.station.config.station.idle_lock_minutes * 60 and not isinstance(self.scene.place, SignIn):
            self._queue(self._lock)
        if isinstance(self.scene.place, AtDesk | SignIn):
            self._look()
            self._paint()

    async def _lock(self) -> None:
        await self._commit()
        await self._do(self.hands.locked(self.scene))


TRAINING = msg("TRAINING: practise freely, nothing is sent, labels go to a folder")


def run(station: Station) -> int:
    """Show the screens until F9, print and send behind them; the exit code of the program.

    ``theme`` in station.toml, or ``TEXTUAL_THEME=station-light`` for a bright dock; ``NO_COLOR=1`` for no colour.
    """
    wanted = station.config.station.theme
    theme = os.environ.get("TEXTUAL_THEME", "") if wanted == "auto" else f"station-{wanted}"
    app = StationApp(station, theme=theme)
    station.start(app.notify_changed, app.code)
    return app.run(mouse=False) or int(Exit.OK)
