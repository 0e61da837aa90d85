# SPDX-License-Identifier: Apache-2.0
"""What the lungs become, and what is withheld when a number would mislead."""

from dataclasses import replace

import numpy as np
import pytest
from lungs import Lungs, find_lungs, report
from lungs.picture import COLORS, WIDTH
from lungs.sides import LEFT, RIGHT

from imaging_data import find_instances, read_volume
from imaging_operators import Measurements, SecondaryCapture, Segmentation, TextReport, codes

ALL_NUMBERS = {
    "Volume",
    "Attenuation Coefficient (Mean)",
    "15th percentile of lung density",
    "LAA-950: part of the lung below -950 HU",
}


@pytest.fixture(scope="module")
def volume(chest_series):
    [series] = find_instances(chest_series).series
    return read_volume(series)


@pytest.fixture(scope="module")
def lungs(volume):
    return find_lungs(volume.array, volume.affine, volume.padding)


def by_kind(results):
    return {type(result): result for result in results}


def named(results):
    return {(item["site"], item["name"]): item for item in by_kind(results)[Measurements].plain()}


# both lungs, wholly


def test_there_are_four_results(volume, lungs):
    kinds = [type(result) for result in report(volume, lungs)]
    assert kinds == [Segmentation, Measurements, TextReport, SecondaryCapture]


def test_the_segments_are_right_and_left_lung_in_colours_far_apart(volume, lungs):
    segments = by_kind(report(volume, lungs))[Segmentation].segments
    assert [segment.label for segment in segments] == ["Right lung", "Left lung"]
    assert {segment.property_type for segment in segments} == {codes.SCT.Lung}
    assert [segment.laterality for segment in segments] == [codes.SCT.Right, codes.SCT.Left]
    assert sum(abs(a - b) for a, b in zip(*(segment.color for segment in segments), strict=True)) > 300


def test_every_number_is_there_for_each_lung_and_for_both(volume, lungs):
    items = named(report(volume, lungs))
    assert set(items) == {
        (site, name) for site in ("Right lung", "Left lung", "Lung") for name in ALL_NUMBERS
    }
    assert {item["unit"] for item in items.values()} == {"cm3", "[hnsf'U]", "%"}
    volumes = {site: item["value"] for (site, name), item in items.items() if name == "Volume"}
    assert volumes["Lung"] == pytest.approx(volumes["Right lung"] + volumes["Left lung"], abs=0.11)


def test_a_number_can_be_computed_again_from_the_segmentation(volume, lungs):
    results = report(volume, lungs)
    labelmap, items = by_kind(results)[Segmentation].labelmap, named(results)
    voxels = volume.array[labelmap == 2]
    assert items["Left lung", "Attenuation Coefficient (Mean)"]["value"] == pytest.approx(
        voxels.mean(), abs=0.06
    )
    laa = 100 * (voxels < -950).mean()
    assert items["Left lung", "LAA-950: part of the lung below -950 HU"]["value"] == pytest.approx(
        laa, abs=0.006
    )


def test_the_table_says_the_same_as_the_coded_numbers(volume, lungs):
    results = report(volume, lungs)
    text, items = by_kind(results)[TextReport].text, named(results)
    for site, row in (("Right lung", "right lung"), ("Left lung", "left lung"), ("Lung", "both lungs")):
        [line] = [line for line in text.splitlines() if line.startswith(row)]
        ml, hu, percentile, laa = map(float, line[12:].split())
        assert ml == items[site, "Volume"]["value"]
        assert hu == items[site, "Attenuation Coefficient (Mean)"]["value"]
        assert percentile == items[site, "15th percentile of lung density"]["value"]
        assert laa == items[site, "LAA-950: part of the lung below -950 HU"]["value"]
    widths = {len(line) for line in text.splitlines() if line.startswith(("right", "left", "both", " "))}
    assert len(widths) == 1
    assert "kernel STANDARD, no contrast agent stated" in text


def test_there_is_no_finding_when_nothing_is_wrong(volume, lungs):
    assert by_kind(report(volume, lungs))[TextReport].findings == ()


# lungs that are cut off


@pytest.fixture(scope="module")
def cut_report(volume, lungs):
    return report(volume, replace(lungs, cut=("above",)))


def test_of_a_part_only_the_mean_is_given_and_it_says_so(cut_report):
    items = named(cut_report)
    assert {name for _, name in items} == {"Mean density of the imaged part of the lung"}
    assert {site for site, _ in items} == {"Right lung, imaged part", "Left lung, imaged part", "Lung"}


def test_the_report_says_that_the_lungs_are_not_completely_imaged(cut_report):
    told = by_kind(cut_report)[TextReport]
    assert told.findings == ("lungs not completely imaged",)
    assert told.text.startswith("LUNGS NOT COMPLETELY IMAGED")
    [line] = [line for line in told.text.splitlines() if line.startswith("right lung")]
    [mean] = line[12:].split()
    assert float(mean) < -800
    assert "mean HU (part)" in told.text
    assert "Volume, 15th percentile and LAA-950 are not given" in told.text
    assert "lungs not completely imaged" in by_kind(cut_report)[SecondaryCapture].caption


# no lung, one lung, thick slices


def test_without_a_lung_there_are_a_sentence_and_a_picture_only(volume):
    results = report(volume, Lungs(np.zeros(volume.shape, np.uint8)))
    assert set(by_kind(results)) == {TextReport, SecondaryCapture}
    told = by_kind(results)[TextReport]
    assert told.findings == ("no lungs found",)
    assert not any(character.isdigit() for character in told.text.replace("50 ml", ""))


def test_a_single_left_lung_is_segment_one(volume, lungs):
    only_left = np.where(lungs.labelmap == LEFT, LEFT, 0).astype(np.uint8)
    results = report(volume, Lungs(only_left))
    segmentation = by_kind(results)[Segmentation]
    assert [(segment.number, segment.laterality) for segment in segmentation.segments] == [
        (1, codes.SCT.Left)
    ]
    assert segmentation.segments[0].color == COLORS[LEFT]
    assert np.array_equal(segmentation.labelmap == 1, only_left > 0)
    assert {site for site, _ in named(results)} == {"Left lung"}
    assert by_kind(results)[TextReport].findings == ("only the left lung found",)
    assert "both lungs" not in by_kind(results)[TextReport].text


def test_slices_that_are_far_apart_are_told(volume, lungs):
    affine = volume.affine @ np.diag([1.6, 1, 1, 1])
    results = report(replace(volume, affine=affine, spacing_mm=(8.0, *volume.spacing_mm[1:])), lungs)
    assert by_kind(results)[TextReport].findings == ("slices are 8.0 mm apart: too far for reliable numbers",)
    assert named(results)


def test_contrast_agent_and_kernel_are_told(volume, lungs):
    first = volume.source_of(0)
    header = first.dataset.copy()
    header.ContrastBolusAgent, header.ConvolutionKernel = "IV", ["Br38f", "3"]
    head = replace(first.head, parts=replace(first.head.parts, dataset=header))
    told = replace(volume, sources=((replace(first, head=head), 1), *volume.sources[1:]))
    text = by_kind(report(told, lungs))[TextReport].text
    assert "kernel Br38f/3, with contrast agent" in text


# the picture


def picture(volume, lungs):
    return by_kind(report(volume, lungs))[SecondaryCapture].image


def colored(image, side):
    """Where outlines in the colour of that lung are, above the table."""
    return np.argwhere((image[: image.shape[0] * 3 // 4] == COLORS[side]).all(-1))


def test_the_right_lung_is_on_the_left_of_both_planes(volume, lungs):
    image = picture(volume, lungs)
    assert image.shape[1] == WIDTH
    for start in (0, WIDTH // 2):
        right, left = (colored(image[:, start : start + WIDTH // 2], side) for side in (RIGHT, LEFT))
        assert right[:, 1].mean() + 100 < left[:, 1].mean()


@pytest.mark.parametrize("flipped", [(0,), (1, 2), (0, 2)], ids=str)
def test_the_picture_is_the_same_however_the_voxels_lie(volume, lungs, flipped):
    affine = volume.affine.copy()
    for axis in flipped:
        affine[:3, 3] += affine[:3, axis] * (volume.shape[axis] - 1)
        affine[:3, axis] *= -1
    turned = replace(volume, array=np.flip(volume.array, flipped), affine=affine)
    found = find_lungs(turned.array, turned.affine)
    assert np.array_equal(picture(turned, found), picture(volume, lungs))


def test_a_millimetre_is_as_long_in_every_direction(volume, lungs):
    image = picture(volume, lungs)
    outline = np.concatenate([colored(image[:, : WIDTH // 2], side) for side in (RIGHT, LEFT)])
    rows, columns = np.ptp(outline, axis=0)
    where = np.argwhere(lungs.labelmap > 0) * volume.spacing_mm
    plane = where[np.isclose(where[:, 1], _coronal(lungs) * volume.spacing_mm[1])]
    height_mm, _, width_mm = np.ptp(plane, axis=0)
    assert rows / columns == pytest.approx(height_mm / width_mm, rel=0.03)


def _coronal(lungs):
    return int(np.argmax((lungs.labelmap > 0).sum((0, 2))))


def test_the_head_is_up(volume, lungs):
    """The apices are narrower than the bases of the phantom's lungs."""
    outline = np.concatenate(
        [colored(picture(volume, lungs)[:, : WIDTH // 2], side) for side in (RIGHT, LEFT)]
    )
    top, bottom = outline[:, 0].min(), outline[:, 0].max()
    tenth = (bottom - top) // 10
    upper = outline[outline[:, 0] < top + tenth]
    lower = outline[outline[:, 0] > bottom - 3 * tenth]
    assert np.ptp(upper[:, 1]) < np.ptp(lower[:, 1])


def test_there_is_a_picture_without_lungs_too(volume):
    image = picture(volume, Lungs(np.zeros(volume.shape, np.uint8)))
    assert image.shape[1:] == (WIDTH, 3)
    assert colored(image, RIGHT).size == 0
    assert image.max() > 200
