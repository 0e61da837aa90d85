# SPDX-License-Identifier: Apache-2.0
"""No made-up codes: what the packages and apps use is in the public tables, or of our own scheme."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from code_tables import PRIVATE_SCHEME, codes_in, meanings, schemes_declared, wrong_with
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from imaging_operators import coding, private_code

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "operators" / "src", ROOT / "informatics-gateway" / "src", ROOT / "apps"]
FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))
# private_code makes its own; TotalSegmentator's are its table's (tests/apps/test_totalsegmentator_tasks.py).
LABELS = ROOT / "operators/src/imaging_data/convert/labels"
CHECKED_ELSEWHERE = {
    Path(str(coding.__file__)),
    ROOT / "apps/totalsegmentator/totalseg/coding.py",
    # These three hand on the codes of a user's own files.
    *(LABELS / name for name in ("codes.py", "maps.py", "to_segmentation.py")),
}
MAKERS = {"Code", "CodedConcept"}


def _nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text()))


def _called(node: ast.AST) -> str:
    return ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def _written_codes(path: Path) -> Iterator[tuple[int, list[ast.expr]]]:
    for node in _nodes(path):
        if _called(node) in MAKERS:
            yield node.lineno, [*node.args, *(keyword.value for keyword in node.keywords)]


def _chosen_codes(path: Path) -> Iterator[str]:
    """`codes.SCHEME.Name` as it is written."""
    for node in _nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            text = ast.unparse(node)
            if text.startswith("codes.") and text.count(".") == 2:
                yield text


def problems(path: Path) -> list[str]:
    """What is wrong with the codes of one file."""
    found = []
    for line, arguments in _written_codes(path):
        if not all(isinstance(each, ast.Constant) for each in arguments[:3]):
            allowed = path in CHECKED_ELSEWHERE
            found += [] if allowed else [f"line {line}: a code that is not written out cannot be checked"]
        elif wrong := wrong_with(Code(*(each.value for each in arguments[:3]))):
            found.append(f"line {line}: {wrong}")
    for text in _chosen_codes(path):
        _, table, name = text.split(".")
        if not hasattr(getattr(codes, table), name):
            found.append(f"{text} does not exist")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_code_in_the_source_is_public_or_ours(path):
    assert problems(path) == []


def test_some_codes_were_looked_at():
    assert sum(len(list(_chosen_codes(path))) + len(list(_written_codes(path))) for path in FILES) > 10


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('Code("1234567", "SCT", "Lung")', "1234567 is not a known code of SCT"),
        ('Code("39607008", "SCT", "Liver")', "39607008 of SCT means ['Lung"),
        ("codes.SCT.NoSuchOrgan", "codes.SCT.NoSuchOrgan does not exist"),
        ("Code(value, scheme, meaning)", "cannot be checked"),
    ],
)
def test_a_made_up_code_is_seen(tmp_path, line, problem):
    path = tmp_path / "app.py"
    path.write_text(line)
    [said] = problems(path)
    assert problem in said


def test_private_codes_are_of_our_scheme():
    assert private_code("LAA950", "LAA-950").scheme_designator == PRIVATE_SCHEME == coding.PRIVATE_SCHEME
    assert not any(scheme == PRIVATE_SCHEME for scheme, _ in meanings())


def test_codes_of_an_object_are_found_at_any_depth():
    def item(**attributes):
        dataset = Dataset()
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        return dataset

    code = item(CodeValue="39607008", CodingSchemeDesignator="SCT", CodeMeaning="Lung")
    inner = item(ConceptCodeSequence=[code])
    outer = item(
        ContentSequence=[inner], CodingSchemeIdentificationSequence=[item(CodingSchemeDesignator="SCT")]
    )
    assert list(codes_in(outer)) == [Code("39607008", "SCT", "Lung")]
    assert schemes_declared(outer) == {"SCT"}
