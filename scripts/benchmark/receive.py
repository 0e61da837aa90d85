# SPDX-License-Identifier: Apache-2.0
"""Receiving CT slices from DCMTK's storescu, rounds of the receivers interleaved."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from images import make_slices
from receivers import CALLED, CALLING, NODELAY, Gantry, Orthanc, Receive, Receiver, Storescp
from rich.console import Console
from rich.table import Table

STORESCU = "/usr/bin/storescu"
ASSOCIATIONS = (1, 4)
OURS = Gantry("Gantry", "fsync")
RECEIVERS = (
    OURS,
    Receive("Gantry, receive alone", "fsync"),
    Orthanc("Orthanc", "fsync"),
    Storescp("storescp", "no fsync"),
)

Rates = dict[str, dict[int, list[float]]]


def receive(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 5,
    images: Annotated[int, typer.Option(min=8, help="CT slices of 526 kB.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for programs.")] = False,
) -> None:
    """Images per second on 1 and on 4 associations, TCP_NODELAY on both ends."""
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder:
        slices = make_slices(_made(Path(folder) / "slices"), images)
        rates: Rates = defaultdict(lambda: defaultdict(list))
        for number in range(rounds):
            for associations in ASSOCIATIONS:
                for receiver in RECEIVERS:
                    place = _made(Path(folder) / f"{number}-{associations}-{RECEIVERS.index(receiver)}")
                    rates[receiver.name][associations].append(measure(receiver, place, slices, associations))
    if as_json:
        typer.echo(json.dumps({"images": images, "rounds": rounds, "images_per_s": rates}))
    else:
        Console().print(table(rates, images, rounds))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def measure(receiver: Receiver, folder: Path, slices: Sequence[Path], associations: int) -> float:
    """Images per second of one round, from the first storescu started to the last one ended."""
    os.sync()  # nobody waits for the disk because of the one before
    with receiver.running(folder) as port:
        to = ["--aetitle", CALLING, "--call", CALLED, "127.0.0.1", str(port)]
        begin = time.perf_counter()
        senders = [
            subprocess.Popen([STORESCU, *to, *slices[first::associations]], env=NODELAY)
            for first in range(associations)
        ]
        statuses = [sender.wait() for sender in senders]
        seconds = time.perf_counter() - begin
    stored = receiver.stored(folder)
    if any(statuses) or stored != len(slices):
        raise RuntimeError(
            f"{receiver.name} stored {stored} of {len(slices)} instances; {folder}/log says why"
        )
    shutil.rmtree(folder)
    return len(slices) / seconds


def table(rates: Rates, images: int, rounds: int) -> Table:
    """Medians, and how many times faster the gateway was than each of the others."""
    result = Table("receiver", "durable", title=f"{images} CT slices of 526 kB, median of {rounds} rounds")
    for associations in ASSOCIATIONS:
        result.add_column(f"images/s on {associations}", justify="right", no_wrap=True)
        result.add_column("Gantry is", justify="right", no_wrap=True)
    for receiver in RECEIVERS:
        cells = []
        for associations in ASSOCIATIONS:
            ours, rate = (median(rates[name][associations]) for name in (OURS.name, receiver.name))
            cells += [f"{rate:.0f}", "" if receiver is OURS else f"x {ours / rate:.2f}"]
        result.add_row(receiver.name, receiver.durable, *cells)
    return result
