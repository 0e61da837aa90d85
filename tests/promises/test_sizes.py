# SPDX-License-Identifier: Apache-2.0
"""Units stay small and public names are explained: the numbers of CONTRIBUTING.md, counted."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest
from measure import Module

ROOT = Path(__file__).parents[2]
SPDX = "# SPDX-License-Identifier: Apache-2.0"
PACKAGES = {
    "imaging_data": ROOT / "operators/src/imaging_data",
    "imaging_operators": ROOT / "operators/src/imaging_operators",
    "informatics_gateway": ROOT / "informatics-gateway/src/informatics_gateway",
    "apps": ROOT / "apps",
}
SAMPLE = '''"""Said."""
def f():
    pass

class C:
    """Said."""
    @property
    def g(self):
        def h(): ...
        return h
    @g.setter
    def set_g(self, value):
        self._g = value
        return None
'''
SCRIPTS = [path for path in sorted((ROOT / "scripts").iterdir()) if path.is_file()]


def _modules(folder: Path) -> list[Module]:
    return [Module(path) for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts]


def _code_modules(folder: Path) -> list[Module]:
    return [module for module in _modules(folder) if module.text.strip()]


def _everything() -> Iterator[Path]:
    for folder in (*PACKAGES.values(), ROOT / "tests", ROOT / "scripts"):
        yield from (module.path for module in _code_modules(folder))


@pytest.mark.parametrize("folder", PACKAGES.values(), ids=PACKAGES)
def test_the_median_module_has_at_most_150_lines(folder):
    assert median(module.lines for module in _code_modules(folder)) <= 150


@pytest.mark.parametrize("folder", PACKAGES.values(), ids=PACKAGES)
def test_the_median_function_has_at_most_8_lines_and_nine_in_ten_at_most_30(folder):
    lengths = [length for module in _modules(folder) for _, length in module.functions()]
    assert median(lengths) <= 8
    assert quantiles(lengths, n=10)[-1] <= 30


def test_no_file_has_more_than_400_lines():
    assert {str(path): Module(path).lines for path in _everything() if Module(path).lines > 400} == {}


@pytest.mark.parametrize("folder", PACKAGES.values(), ids=PACKAGES)
def test_every_public_name_has_a_docstring(folder):
    assert [name for module in _modules(folder) for name in module.undocumented()] == []


def test_every_file_begins_with_its_licence():
    without = [str(path) for path in _everything() if not path.read_text().startswith(SPDX)]
    assert without == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_its_licence_and_what_it_does(script):
    lines = script.read_text().splitlines()
    if script.suffix == ".py":
        assert Module(script).undocumented() is not None
        return
    assert script.stat().st_mode & 0o111, "is not executable"
    assert lines[0] in ("#!/usr/bin/env bash", "#!/usr/bin/env python3")
    assert lines[1] == SPDX
    assert lines[2].startswith(("# ", '"""')), "no comment line that says what it does"


def test_the_measures_see_what_they_should(tmp_path):
    path = tmp_path / "sample.py"
    path.write_text(SAMPLE)
    module = Module(path)
    assert list(module.undocumented()) == ["sample.f", "sample.C.g"]
    assert sorted(module.functions()) == [("f", 2), ("g", 3), ("h", 1), ("set_g", 3)]
