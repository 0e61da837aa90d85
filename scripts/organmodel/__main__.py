# SPDX-License-Identifier: Apache-2.0
"""The command behind scripts/train-organ-model."""

import argparse
import hashlib
import json
import sys
from pathlib import Path

BUNDLE = Path(__file__).resolve().parents[2] / "apps" / "organ_segmentation"

LOCK = """# The repository holds the weights; scripts/train-organ-model makes them and writes this file.
[[model]]
name = "model.safetensors"
size = {size}
sha256 = "{sha256}"
licence = "Apache-2.0"
"""


def main() -> int:
    """Train, write weights, their hash and the log, then measure; or only measure the weights that are there."""
    options = _parser().parse_args()
    if not options.only_measure:
        _train(options)
    from .accuracy import measure, table  # torch and MONAI, seconds: not for --help

    print(table(measure(options.bundle, options.held_out)))
    return 0


def _train(options: argparse.Namespace) -> None:
    from .training import save, train

    config = json.loads((options.bundle / "configs" / "inference.json").read_text())
    network = {key: value for key, value in config["network_def"].items() if key != "_target_"}
    net, log = train(network, options.phantoms, options.iterations, options.held_out, options.seed)
    weights = options.bundle / "models" / "model.safetensors"
    save(net, weights)
    _write_lock(options.bundle / "model.lock", weights)
    settings = {key: getattr(options, key) for key in ("phantoms", "iterations", "held_out", "seed")}
    _write_log(options.bundle / "docs" / "training.json", settings, log)


def _write_lock(path: Path, weights: Path) -> None:
    """What the framework verifies before it loads the weights."""
    content = weights.read_bytes()
    path.write_text(LOCK.format(size=len(content), sha256=hashlib.sha256(content).hexdigest()))


def _write_log(path: Path, settings: dict[str, int], log: list[dict[str, object]]) -> None:
    """One line for each entry, so that a change is seen as such."""
    entries = ",\n".join(f"  {json.dumps(entry)}" for entry in log)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"settings": {json.dumps(settings)},\n "log": [\n{entries}\n]}}\n')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train-organ-model", description=main.__doc__)
    add = parser.add_argument
    add("--bundle", type=Path, default=BUNDLE, help="the bundle's folder (default apps/organ_segmentation)")
    add("--phantoms", type=int, default=160, help="to train on (default 160)")
    add("--held-out", type=int, default=8, help="to measure on (default 8)")
    add("--iterations", type=int, default=900, help="default 900")
    add(
        "--only-measure",
        action="store_true",
        help="print Dice of the weights that are there, and train nothing",
    )
    add("--seed", type=int, default=0, help="default 0")
    return parser


if __name__ == "__main__":
    sys.exit(main())
