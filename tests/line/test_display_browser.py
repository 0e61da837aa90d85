# SPDX-License-Identifier: Apache-2.0
"""Our grey levels beside those that OHIF shows: `like="ohif"` is its picture, pixel by pixel.

OHIF's own Cornerstone draws each image at one pixel for one: on the processor (`setUseCPURendering`), whose picture
is the same on every machine, and by WebGL, where the graphics card's table of colours decides.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ohif import Viewer
from orthanc import Orthanc
from playwright.sync_api import Page
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from imaging_data.display import Options, picture

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]

OHIF = Options(like="ohif")
SAMPLES = {  # file: frame
    "ct_chest_lidc_0001/-100.000000.dcm": 0,
    "cr_chest_mono1_10bit/CR-MONO1-10-chest": 0,
    "mr_brain_t1_7t/N2D_0180.dcm": 0,
    "cxr_nih_labelled/1.3.6.1.4.1.11129.5.5.110503645592756492463169821050252582267888.dcm": 0,
    "deid_burned_in_text/RGB_ORIGINAL.dcm": 0,
    "us_multiframe_palette/US-PAL-8-10x-echo": 1,
    "multiframe_enhanced/IM-0001-0170-0001.dcm": 1,
}
RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
NOISE = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
YBR = {"PhotometricInterpretation": "YBR_FULL", "SamplesPerPixel": 3, "PlanarConfiguration": 0}
MADE: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "window of odd decimals": (RAMP, {"WindowCenter": 1033.3, "WindowWidth": 777.7}),
    "window one wide": (RAMP, {"WindowCenter": 2000, "WindowWidth": 1}),
    "several windows, inverted": (
        RAMP,
        {"WindowCenter": [900, 4], "WindowWidth": [1800, 9], "PhotometricInterpretation": "MONOCHROME1"},
    ),
    "half a unit": (
        RAMP,
        {"RescaleSlope": 0.5, "RescaleIntercept": -1000, "WindowCenter": 50, "WindowWidth": 401},
    ),
    "no window, odd fractions": (RAMP, {"RescaleSlope": 0.7183, "RescaleIntercept": -12.25}),
    "padding and inverse": (
        RAMP,
        {
            "PixelPaddingValue": 2000,
            "PresentationLUTShape": "INVERSE",
            "WindowCenter": 2000,
            "WindowWidth": 3000,
        },
    ),
    "no window, padding": (
        RAMP + 100,
        {"PixelPaddingValue": 100, "RescaleSlope": 1, "RescaleIntercept": -5000},
    ),
    "YBR": (NOISE, YBR),
}
BY_WEBGL_ALONE = {
    "exact window": (RAMP, {"WindowCenter": 700.5, "WindowWidth": 90.25, "VOILUTFunction": "LINEAR_EXACT"}),
    "sigmoid": (RAMP, {"WindowCenter": 2000, "WindowWidth": 1900, "VOILUTFunction": "SIGMOID"}),
}
COLOUR, PALETTE = "deid_burned_in_text/RGB_ORIGINAL.dcm", "us_multiframe_palette/US-PAL-8-10x-echo"
KNOW = """async studies => {
  const [source] = extensionManager.getActiveDataSource();
  await source.initialize({params: {}, query: new URLSearchParams()});
  for (const StudyInstanceUID of studies) await source.retrieve.series.metadata({StudyInstanceUID});
}"""
DRAW = """async ([id, onProcessor]) => {
  cornerstone.setUseCPURendering(onProcessor, false);
  cornerstone.cache.purgeCache();
  const {rows, columns} = cornerstone.metaData.get('imagePixelModule', id);
  const element = document.createElement('div');
  const [width, height] = [columns / devicePixelRatio, rows / devicePixelRatio];
  element.style.cssText = `position: fixed; left: 0; top: 0; width: ${width}px; height: ${height}px`;
  document.body.appendChild(element);
  const engine = new cornerstone.RenderingEngine('one-to-one');
  engine.enableElement({viewportId: 'it', element, type: cornerstone.Enums.ViewportType.STACK});
  const viewport = engine.getViewport('it');
  const draw = async () => {
    const drawn = new Promise(done => element.addEventListener(
      cornerstone.Enums.Events.IMAGE_RENDERED, () => requestAnimationFrame(done), {once: true}));
    viewport.render();
    await drawn;
  };
  await viewport.setStack([id], 0);
  const image = viewport.csImage;
  if (!onProcessor) {
    viewport.setProperties({interpolationType: cornerstone.Enums.InterpolationType.NEAREST});
    viewport.setCamera({parallelScale: rows * (image.rowPixelSpacing || 1) / 2});
  }
  await draw();
  const before = onProcessor && !image.color;  // the grey picture before it is stretched for pixels that are no squares
  const source = before ? viewport._cpuFallbackEnabledElement.renderingTools.renderCanvas : viewport.getCanvas();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext('2d');
  context.fillRect(0, 0, columns, rows);  // black, behind what is transparent
  context.drawImage(source, 0, 0);
  const data = context.getImageData(0, 0, columns, rows).data;
  engine.destroy();
  element.remove();
  let binary = '';
  for (let i = 0; i < data.length; i += 32768) binary += String.fromCharCode(...data.subarray(i, i + 32768));
  return {rows, columns, data: btoa(binary)};
}"""


@dataclass(frozen=True)
class Drawn:
    """One page of OHIF that knows every image."""

    page: Page
    files: dict[str, Path]

    def by_ohif(self, name: str, frame: int = 0, on_processor: bool = True) -> NDArray[np.int16]:
        """Red, green and blue (rows, columns, 3) of a frame, counted from 0."""
        drawn = self._draw(name, frame, on_processor)
        if on_processor and not np.ptp(
            drawn
        ):  # of a colour image that it draws a second time it shows nothing
            self._draw(COLOUR if name != COLOUR else PALETTE, 0, on_processor)
            drawn = self._draw(name, frame, on_processor)
        return drawn

    def _draw(self, name: str, frame: int, on_processor: bool) -> NDArray[np.int16]:
        head = dcmread(self.files[name], stop_before_pixels=True, force=True)
        place = (
            f"studies/{head.StudyInstanceUID}/series/{head.SeriesInstanceUID}/instances/{head.SOPInstanceUID}"
        )
        answer = self.page.evaluate(DRAW, [f"wadors:/dicom-web/{place}/frames/{frame + 1}", on_processor])
        data = np.frombuffer(base64.b64decode(answer["data"]), np.uint8)
        return data.reshape(answer["rows"], answer["columns"], 4)[..., :3].astype(np.int16)

    def by_us(self, name: str, frame: int = 0, options: Options = OHIF) -> NDArray[np.int16]:
        """The same of ours."""
        array = picture(self.files[name], frame, options).array.astype(np.int16)
        return array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)


def make(base: Dataset, stored: NDArray[Any], attributes: dict[str, Any], path: Path) -> Path:
    """An instance with these pixels in the series of `base`."""
    base.SOPInstanceUID = base.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    base.PixelSpacing = [1, 1]
    base.Rows, base.Columns = stored.shape[:2]
    base.BitsAllocated = base.BitsStored = 8 * stored.itemsize
    base.HighBit, base.PixelRepresentation = base.BitsStored - 1, 0
    for keyword, value in attributes.items():
        setattr(base, keyword, value)
    if "PixelPaddingValue" in base:
        base["PixelPaddingValue"].VR = "US"
    base.PixelData = stored.tobytes()
    base["PixelData"].VR = "OW"
    base.save_as(path)
    return path


@pytest.fixture(scope="module")
def drawn(viewer: Viewer, orthanc: Orthanc, samples: Path, tmp_path_factory) -> Iterator[Drawn]:
    """Every image in Orthanc, and all their studies in one page."""
    folder = tmp_path_factory.mktemp("made")
    files = {name: samples / name for name in SAMPLES}
    base = files["mr_brain_t1_7t/N2D_0180.dcm"]
    for number, (name, made) in enumerate((MADE | BY_WEBGL_ALONE).items()):
        files[name] = make(dcmread(base), *made, folder / f"{number}.dcm")
    for path in files.values():
        orthanc.upload(path)
    studies = {
        str(dcmread(path, stop_before_pixels=True, force=True).StudyInstanceUID) for path in files.values()
    }
    page = viewer.context.new_page()
    page.goto(viewer.url)  # the list of studies: no viewport, no thumbnails
    page.wait_for_function("window.extensionManager?.getActiveDataSource?.()[0]?.retrieve")
    page.evaluate(KNOW, list(studies))
    yield Drawn(page, files)
    page.close()
    orthanc.clear()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_shown_as_ohif_shows_it_and_as_the_standard_says(drawn: Drawn, name):
    theirs = drawn.by_ohif(name, SAMPLES[name])
    assert np.array_equal(drawn.by_us(name, SAMPLES[name]), theirs)
    standard = drawn.by_us(name, SAMPLES[name], Options())
    assert np.abs(standard - theirs).max() <= 1
    assert np.ptp(theirs) > 100


@pytest.mark.parametrize("name", MADE)
def test_what_ohif_does_in_its_own_way_is_followed(drawn: Drawn, name):
    theirs = drawn.by_ohif(name)
    assert np.array_equal(drawn.by_us(name), theirs)
    assert np.ptp(theirs) > 100


@pytest.mark.parametrize("name", ["ct_chest_lidc_0001/-100.000000.dcm", *BY_WEBGL_ALONE])
def test_by_webgl_ohif_is_at_most_one_level_away(drawn: Drawn, name):
    theirs, ours = drawn.by_ohif(name, on_processor=False), drawn.by_us(name)
    away = np.abs(ours[1:, 1:] - theirs[:-1, :-1])  # its camera looks at the centre of the first pixel
    assert away.max() <= 1
    assert np.ptp(theirs) > 100
