"""How many barcodes of real pictures are read, how many wrong, and how fast: ours, and each engine alone.

All three read each picture in turn, from the same grey pixels. Run it with ``uv run python benchmarks/decode.py
[FOLDER] [--json]``; the folder holds pictures and an ``expected.csv`` (path, format, text; no text where no code is).
Quote the ratios, machines are noisy.
"""

import csv
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import zxingcpp

from inspect_station.decode import climb, libzbar_present
from inspect_station.pictures import opened

FOLDER = Path(__file__).parents[2] / "shared" / "barcodes"


def trimmed(text: str) -> str:
    """Without spaces at the ends of lines, and with one kind of line break."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def zbar(grey: Any) -> set[str]:
    """Texts that pyzbar finds on its defaults."""
    from pyzbar.pyzbar import decode

    return {code.data.decode(errors="replace") for code in decode(grey)}


READERS: dict[str, Callable[[Any], set[str]]] = {
    "ours": lambda grey: {code.text for code in climb(grey)},
    "zxing-cpp": lambda grey: {code.text for code in zxingcpp.read_barcodes(grey)},
    "pyzbar": zbar,
}


def expected(folder: Path) -> dict[str, tuple[str, set[str]]]:
    """Picture → group (its format; ``none`` where there is no code) and the texts in it."""
    texts: defaultdict[str, tuple[str, set[str]]] = defaultdict(lambda: ("none", set()))
    with (folder / "expected.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            texts[row["path"]] = (row["format"] or "none", texts[row["path"]][1] | ({trimmed(row["text"])} - {""}))
    return dict(texts)


def measure(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Reader → group → pictures, right, wrong, median_ms and p95_ms; group ``all`` is all of them."""
    readers = {name: read for name, read in READERS.items() if name != "pyzbar" or libzbar_present()}
    rows: defaultdict[tuple[str, str], list[tuple[bool, bool, float]]] = defaultdict(list)
    warm = numpy.full((64, 64), 255, numpy.uint8)
    for read in readers.values():
        read(warm)
    for turn, (path, (group, texts)) in enumerate(expected(folder).items()):
        started = time.perf_counter()
        grey = numpy.asarray(opened(folder / path).convert("L"))
        opening = (time.perf_counter() - started) * 1000
        # Whoever is first finds the picture out of the processor's cache: each is first in turn.
        order = list(readers.items())
        for name, read in order[turn % len(order) :] + order[: turn % len(order)]:
            started = time.perf_counter()
            found = {trimmed(text) for text in read(grey)} - {""}
            spent = (time.perf_counter() - started) * 1000
            right, wrong = bool(texts) and texts <= found, bool(found - texts)
            for each in (group, "all"):
                rows[name, each].append((right, wrong, spent))
                if name == "ours":
                    rows["ours, with opening", each].append((right, wrong, spent + opening))
    table: defaultdict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for (name, group), outcomes in rows.items():
        rights, wrongs, times = zip(*outcomes, strict=True)
        table[name][group] = {
            "pictures": len(outcomes),
            "right": sum(rights),
            "wrong": sum(wrongs),
            "median_ms": round(statistics.median(times), 2),
            "p95_ms": round(sorted(times)[int(0.95 * (len(times) - 1))], 2),
        }
    return dict(table)


def main(folder: Path, *, as_json: bool) -> None:
    """Print the table and the ratio of ours to the faster engine."""
    table = measure(folder)
    ratio = table["ours"]["all"]["median_ms"] / min(
        table[name]["all"]["median_ms"] for name in ("zxing-cpp", "pyzbar") if name in table
    )
    if as_json:
        print(json.dumps({"folder": str(folder), "readers": table, "ratio_of_medians": round(ratio, 2)}))
        return
    print(f"{'':20}{'':12}{'pictures':>9}{'right':>7}{'wrong':>7}{'median ms':>11}{'p95 ms':>9}")
    for name, groups in table.items():
        for group, row in groups.items():
            print(f"{name:20}{group:12}", end="")
            print(f"{row['pictures']:9}{row['right']:7}{row['wrong']:7}{row['median_ms']:11.2f}{row['p95_ms']:9.2f}")
    print(f"ours to the faster engine, medians of all pictures: {ratio:.2f}")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--json"]
    where = Path(words[0]) if words else FOLDER
    if not (where / "expected.csv").is_file():
        sys.exit(f"{where} has no expected.csv: name a folder of pictures with one.")
    main(where, as_json="--json" in sys.argv)
