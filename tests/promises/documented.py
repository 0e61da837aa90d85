# SPDX-License-Identifier: Apache-2.0
"""The pages of the documentation, and the commands and code in them."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for folder in (".", "docs", "apps", "apps/*") for path in ROOT.glob(f"{folder}/*.md"))
SHELL = {"cat", "cd", "cp", "export", "printf"}


def blocks(page: Path, language: str) -> list[str]:
    """What stands in the page's fenced blocks of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """The words of each command in the page's `sh` blocks, but for what the shell itself does."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    words = [shlex.split(line.partition(" > ")[0], comments=True) for line in lines]
    return [each for each in words if each and each[0] not in SHELL]


def key(words: list[str]) -> str:
    """A command without its arguments: the program and its subcommands."""
    match words[0].removeprefix(".venv/bin/"), *words[1:]:
        case "python", script, *rest:
            return " ".join((script, *rest[:1]))
        case "docker", "compose", verb, *_:
            return f"docker compose {verb}"
        case "gantry", ("serve" | "doctor" | "convert" | "send") as verb, *_:
            return f"gantry {verb}"
        case "gantry", noun, verb, *_:
            return f"gantry {noun} {verb}"
        case program, *_:
            return program
    raise AssertionError(words)
