# SPDX-License-Identifier: Apache-2.0
"""What the app is made of: the view, the preparation of the image, the table, the picture and the page."""

from io import BytesIO

import numpy as np
import pytest
from chest import check_frontal
from chest.classifier import Scored
from chest.findings import CODES, words_of
from chest.page import page
from chest.picture import PANEL, WIDTH, draw, heat
from chest.preparation import centre_square, model_input, resized
from chest.report import report
from chest.table import text_of
from chest.view import NotAFrontalChest, remarks, upright
from code_tables import wrong_with
from PIL import Image
from pydicom import Dataset
from pypdf import PdfReader

from imaging_data import find_instances, read_radiograph
from imaging_data.phantom.radiograph import chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph
from imaging_operators.errors import InvalidResult

SILENT = {
    "ViewPosition": None,
    "ViewCodeSequence": None,
    "PatientOrientation": None,
    "BodyPartExamined": None,
    "AnatomicRegionSequence": None,
}


def code(value, scheme="SCT", meaning="something"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


@pytest.fixture
def radiograph(tmp_path):
    """radiograph(keyword=value): that of a phantom that says so."""

    def made(**attributes):
        phantom = chest_radiograph(1, side=64)
        write_radiograph(phantom, tmp_path / "image.dcm", **attributes)
        [series] = find_instances(tmp_path).series
        return read_radiograph(series)

    return made


# the view


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"view": "AP"},
        {"ViewPosition": "PA"} | {key: None for key in SILENT if key != "ViewPosition"},
        SILENT | {"PatientOrientation": ["R", "F"]},
        SILENT | {"BodyPartExamined": "Thorax"},
        SILENT | {"ViewCodeSequence": code("R-10214", "SRT", "postero-anterior")},
        SILENT | {"ViewCodeSequence": code("XYZ", "99VENDOR", "our chest view")},
        SILENT,
    ],
)
def test_a_frontal_chest_and_one_that_says_nothing_are_taken(radiograph, attributes):
    check_frontal(radiograph(**attributes))


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"ViewPosition": "LL"}, "ViewPosition is LL"),
        ({"ViewPosition": "LATERAL"}, "ViewPosition is LATERAL"),
        ({"ViewPosition": "RLO"}, "ViewPosition is RLO"),
        ({"ViewCodeSequence": code("399067008", meaning="lateral")}, "ViewCodeSequence is lateral"),
        ({"ViewCodeSequence": code("R-10236", "SRT", "left lateral")}, "ViewCodeSequence is left lateral"),
        ({"BodyPartExamined": "HAND"}, "BodyPartExamined is HAND"),
        ({"BodyPartExamined": "ABDOMEN"}, "BodyPartExamined is ABDOMEN"),
        ({"AnatomicRegionSequence": code("85562004", meaning="Hand")}, "AnatomicRegionSequence is Hand"),
        ({"PatientOrientation": ["P", "F"]}, r"PatientOrientation is P\\F"),
        ({"PatientOrientation": ["A", "H"]}, "PatientOrientation"),
        ({"PatientOrientation": ["L", "P"]}, "PatientOrientation"),
    ],
)
def test_whatever_is_stated_to_be_something_else_is_refused(radiograph, attributes, said):
    with pytest.raises(NotAFrontalChest, match=said) as refused:
        check_frontal(radiograph(**attributes))
    assert "PA or AP" in refused.value.hint


def test_what_is_not_stated_is_said(radiograph):
    view = "view not stated: it was taken for a frontal view"
    body = "body part not stated: it was taken for a chest"
    assert remarks(radiograph()) == []
    assert remarks(radiograph(**SILENT)) == [view, body]
    assert remarks(radiograph(**SILENT | {"PatientOrientation": ["L", "F"]})) == [body]
    assert remarks(radiograph(**SILENT | {"BodyPartExamined": "CHEST"})) == [view]


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (["L", "F"], lambda array: array),
        (["R", "F"], lambda array: array[:, ::-1]),
        (["R", "H"], lambda array: array[::-1, ::-1]),
        (["F", "L"], lambda array: array.T),
        (["H", "R"], lambda array: array.T[::-1, ::-1]),
        (["H", "L"], lambda array: array.T[::-1]),
        (None, lambda array: array),
    ],
)
def test_the_model_sees_the_head_up_and_the_patient_s_right_on_the_left(radiograph, orientation, turn):
    found = radiograph(PatientOrientation=orientation)
    assert np.array_equal(upright(found), turn(found.array))


# the image


@pytest.mark.parametrize("shape", [(10, 10), (10, 7), (7, 10), (11, 8)])
def test_the_middle_square_is_what_torchxrayvision_crops(shape):
    array = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    side = min(shape)
    top, left = shape[0] // 2 - side // 2, shape[1] // 2 - side // 2
    assert np.array_equal(centre_square(array), array[top : top + side, left : left + side])


def test_the_model_gets_224_pixels_from_minus_1024_to_1024():
    square = np.zeros((700, 700), np.float32)
    square[:, 350:] = 1
    image = model_input(square)
    assert image.shape == (224, 224)
    assert image.dtype == np.float32
    assert (image[:, :110] == -1024).all()
    assert image[:, 114:] == pytest.approx(np.full((224, 110), 1024), abs=1e-3)
    assert image.max() <= 1024


@pytest.mark.parametrize(
    ("pixels", "side"), [(2500, 224), (1777, 500), (300, 224), (224, 224), (7, 500), (1, 5)]
)
def test_an_image_is_resized_as_pillow_does(pixels, side):
    image = np.random.default_rng(pixels).random((pixels, pixels), np.float32)
    pillow = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    assert np.abs(resized(image, side) - np.asarray(pillow)).max() < 1e-6


# the reports


def scored(*values):
    """The first findings of the model with these scores."""
    map_ = np.zeros((7, 7), np.float32)
    map_[1, 2] = 1
    return [Scored(name, value, map_) for name, value in zip(CODES, values, strict=False)]


class Model:
    """A classifier that always says the same."""

    model, training, limits = "a model", "some data", "Many."

    def __init__(self, *values):
        self.values = values

    def __call__(self, image):
        return scored(*self.values)


def test_the_codes_are_public_or_our_own_and_each_another():
    assert len({(code.value, code.scheme_designator) for code in CODES.values()}) == len(CODES) == 18
    assert [wrong for code in CODES.values() if (wrong := wrong_with(code, wording=False))] == []


def test_no_line_of_the_table_is_longer_than_a_viewer_shows():
    lines = text_of(Model(), scored(0.1, 0.5, 0.51), ["view not stated: " + 9 * "it was taken for frontal "])
    assert max(map(len, lines.splitlines())) <= 76
    assert "Not judged by this model: " in lines


def test_the_table_has_the_highest_first_and_marks_what_is_above():
    lines = text_of(Model(), scored(0.1, 0.5, 0.51), ["view not stated"]).splitlines()
    assert lines[0] == "VIEW NOT STATED"
    table = [line.split() for line in lines[3:6]]
    assert table == [["Infiltration", "0.51", "above"], ["Consolidation", "0.50"], ["Atelectasis", "0.10"]]
    assert "Model: a model." in lines
    assert "Trained on: some data." in lines
    assert "Limits: Many." in lines


def test_a_model_that_says_nan_is_refused(radiograph):
    with pytest.raises(InvalidResult, match="'Atelectasis' is nan"):
        report(radiograph(), Model(float("nan"), 0.2))


def test_nothing_of_a_flat_map_is_shown_and_only_what_speaks_for_a_finding():
    assert not heat(np.zeros((7, 7), np.float32), 20).any()
    assert not heat(np.full((7, 7), -3.0, np.float32), 20).any()
    mixed = np.array([[-5, 0], [0, 2]], np.float32)
    assert heat(mixed, 20)[0, 0] == 0
    assert heat(mixed, 20).max() == pytest.approx(1)


def test_the_picture_has_a_panel_for_the_image_and_for_at_most_three_findings():
    square = np.full((300, 300), 0.5, np.float32)
    pictures = {count: draw(square, scored(*[0.9] * count, 0.1), "a model", []) for count in (0, 1, 2, 3, 9)}
    assert {picture.shape[1] for picture in pictures.values()} == {WIDTH}
    assert [picture.shape[0] // PANEL for picture in pictures.values()] == [1, 1, 2, 2, 2]


def test_the_page_is_one_page_with_18_findings_and_the_same_bytes_each_time():
    values = np.linspace(0, 1, 18)
    picture = np.zeros((1100, 1024, 3), np.uint8)
    made = [page("Title", scored(*values), ["view not stated"], ["Model: a model."], picture) for _ in "ab"]
    assert made[0] == made[1]
    reader = PdfReader(BytesIO(made[0]))
    text = reader.pages[0].extract_text()
    assert len(reader.pages) == 1
    assert all(words_of(name) in text for name in CODES)
    assert "View not stated." in text
