# SPDX-License-Identifier: Apache-2.0
"""results.json that the gateway writes of the DICOM files of a MAP of others."""

import json
import random
from dataclasses import replace
from pathlib import Path

import made_results
import pytest
from builders import ct_series
from made_results import Made
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import generate_uid

from informatics_gateway.errors import AppFailed, AppWroteNoManifest, InvalidResult
from informatics_gateway.execute import as_manifest
from informatics_gateway.model import Manifest
from informatics_gateway.runners.adopt import Given, adopt
from informatics_gateway.runners.results import read_results
from informatics_gateway.validate import validate


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    """A job, and a SEG and a report that refers to it, as an app leaves them."""
    folder = tmp_path_factory.mktemp("made")
    job = made_results.made(folder, ct_series(folder / "source", slices=4))
    seg = job.add("segmentation", made_results.segmentation(job.sources))
    job.add("measurements", made_results.measurements(job.sources, seg))
    job.add("secondary-capture", made_results.secondary_capture(job.sources[0]))
    return job


def leave(made: Made, output: Path, *kinds: str, seed: int = 1) -> Path:
    """What a MAP of others leaves: the results under new UIDs and names, with nothing that names Gantry."""
    names = random.Random(seed)
    (output / "deep").mkdir(parents=True)
    datasets = [made.read(kind) for kind in kinds]
    renamed: dict[str, str] = {}
    known = {str(source.SOPInstanceUID) for source in made.sources}
    for dataset in datasets:
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
            renamed[str(dataset[keyword].value)] = generate_uid(entropy_srcs=[str(names.random())])
    assert not known & set(renamed)
    for dataset in datasets:
        _rename(dataset, renamed)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.SeriesDescription, dataset.ContentTime = "AI", f"{names.randrange(10, 24)}0000"
        del dataset.ContributingEquipmentSequence
        dataset.save_as(output / "deep" / f"{names.random()}.dcm", enforce_file_format=True)
    return output


def _rename(dataset: Dataset, renamed: dict[str, str]) -> None:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _rename(item, renamed)
        elif element.VR == "UI" and isinstance(element.value, str):
            element.value = renamed.get(element.value, element.value)


def given(made: Made) -> Given:
    instances = made.job.input_set.instances
    moment = "2026-11-20T09:15:00+00:00"
    digest = made.job.input_set.hash
    return Given("theirs", "1", "abc", digest, [each.path for each in instances], moment)


def adopted(made: Made, output: Path) -> Manifest:
    adopt(output, given(made))
    return as_manifest(read_results(output), output)


def test_what_it_leaves_is_valid_and_its_references_hold(made, tmp_path):
    found = adopted(made, leave(made, tmp_path / "out", "measurements", "segmentation"))
    results = {each.kind: each for each in validate(made.job, found, "shadow")}
    assert set(results) == {"segmentation", "measurements"}
    assert results["segmentation"].path.name == "segmentation-0.dcm"
    dataset = dcmread(results["segmentation"].path)
    assert dataset.SeriesDescription == "NOT FOR CLINICAL USE - RESEARCH ONLY AI"
    assert (dataset.ContentDate, dataset.ContentTime) == ("20261120", "091500")
    assert found.notes == (
        "results.json is the gateway's own: which instances the MAP read, it does not say",
    )


def test_the_same_content_under_other_uids_and_names_gives_the_same_bytes(made, tmp_path):
    contents = []
    for seed in (1, 2):
        output = leave(made, tmp_path / str(seed), "segmentation", "measurements", seed=seed)
        contents.append({each.kind: each.path.read_bytes() for each in adopted(made, output).results})
    assert contents[0] == contents[1]


def test_another_input_gives_other_uids(made, tmp_path):
    uids = set()
    for number, digest in enumerate(("a" * 64, "b" * 64)):
        output = leave(made, tmp_path / str(number), "segmentation")
        adopt(output, replace(given(made), input_hash=digest))
        uids.add(json.loads((output / "results.json").read_text())["results"][0]["sop_instance_uid"])
    assert len(uids) == 2


def test_a_picture_is_left_out_because_nobody_can_write_on_it(made, tmp_path):
    output = leave(made, tmp_path / "out", "segmentation", "secondary-capture")
    (output / "log.txt").write_text("done")
    found = adopted(made, output)
    assert [each.kind for each in found.results] == ["segmentation"]
    assert found.notes[1] == "2 files that are no DICOM results were left out"
    assert sorted(path.name for path in output.iterdir()) == ["results.json", "segmentation-0.dcm"]


def test_a_map_that_says_itself_what_it_left_is_taken_at_its_word(made, tmp_path):
    output = leave(made, tmp_path / "out", "segmentation")
    (output / "results.json").write_text("{}")
    adopt(output, given(made))
    assert (output / "results.json").read_text() == "{}"
    assert len(list((output / "deep").iterdir())) == 1


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def without_a_number(path: Path) -> None:
    dataset = dcmread(path)
    dataset.add(RawDataElement(Tag("SeriesNumber"), "IS", 4, b"nine", 0, False, True))
    dataset.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("damage", [cut_off, without_a_number])
def test_a_damaged_file_is_told_without_its_name(made, tmp_path, damage):
    output = leave(made, tmp_path / "out", "segmentation")
    [path] = (output / "deep").iterdir()
    damage(path)
    with pytest.raises(AppFailed, match="A DICOM file that it left cannot be read") as refused:
        adopt(output, given(made))
    assert path.name not in str(refused.value)


def test_without_a_dicom_result_it_wrote_nothing(made, tmp_path):
    output = leave(made, tmp_path / "out", "secondary-capture")
    with pytest.raises(AppWroteNoManifest, match="Nor is one of the 1 files that it left a DICOM result"):
        adopt(output, given(made))


@pytest.mark.parametrize("keyword", ["PatientID", "StudyInstanceUID", "FrameOfReferenceUID"])
def test_whose_it_is_and_where_it_lies_is_not_made_good(made, tmp_path, keyword):
    output = leave(made, tmp_path / "out", "segmentation")
    [path] = (output / "deep").iterdir()
    dataset = dcmread(path)
    setattr(dataset, keyword, "1.2.3.4.5")
    dataset.save_as(path, enforce_file_format=True)
    with pytest.raises(InvalidResult, match=keyword):
        validate(made.job, adopted(made, output), "shadow")
