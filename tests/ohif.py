# SPDX-License-Identifier: Apache-2.0
"""A real OHIF viewer for the tests, beside a proxy of a real Orthanc, in a real Chromium.

The viewer and `/dicom-web/` have one origin; who opens it needs no password, which stands in the proxy alone, on
loopback.
"""

import http.client
import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from orthanc import Orthanc

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).parents[1]
DIST = ROOT / "build" / "ohif" / "dist"
SCREENS = ROOT / "build" / "ohif-screens"
CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAITS_MS = 30_000
PROXIED = "/dicom-web/"
SOURCE = {
    "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
    "sourceName": "orthanc",
    "configuration": {
        "friendlyName": "Orthanc",
        "name": "orthanc",
        "qidoRoot": "/dicom-web",
        "wadoRoot": "/dicom-web",
        "wadoUriRoot": "/dicom-web",
        "imageRendering": "wadors",
        "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True,
        "supportsWildcard": True,
        "omitQuotationForMultipartRequest": True,
        "bulkDataURI": {"enabled": True},  # else no PDF is shown
    },
}
CONFIGURATION = {
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "customizationService": {},
    "showStudyList": True,
    "maxNumberOfWebWorkers": 2,
    "showWarningMessageForCrossOrigin": False,
    "showCPUFallbackMessage": False,
    "strictZSpacingForVolumeViewport": True,
    "disableConfirmationPrompts": True,
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "orthanc",
    "dataSources": [SOURCE],
}


Color = tuple[int, ...]  # red, green, blue from 0 to 255
CANVAS = "document.querySelector('canvas.cornerstone-canvas')"
VIEWPORT = "cornerstone.getEnabledElements()[0].viewport"
ROWS = """rows => rows.map(row => [
  row.querySelector('span.text-base').innerText,
  getComputedStyle(row.querySelector('span.rounded-full')).backgroundColor.match(/\\d+/g).map(Number)])"""
COLORED = f"""(() => {{
  const canvas = {CANVAS};
  if (!canvas) return 0;
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0;
  for (let i = 0; i < data.length; i += 4)
    count += Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 40;
  return count;
}})()"""
GO_TO = f"""async uid => {{
  const viewport = {VIEWPORT};
  const index = viewport.getImageIds().findIndex(id => id.includes(uid));
  if (index < 0) throw new Error('no such slice is shown');
  await viewport.setImageIdIndex(index);
  const drawn = new Promise(done => viewport.element.addEventListener(
    cornerstone.Enums.Events.IMAGE_RENDERED, () => requestAnimationFrame(done), {{once: true}}));
  viewport.render();
  await drawn;
}}"""
BYTES_SHOWN = """async shown => {
  const answer = await fetch(shown.data);
  return Array.from(new Uint8Array(await answer.arrayBuffer()));
}"""
COLOR_AT = f"""point => {{
  const [x, y] = {VIEWPORT}.worldToCanvas(point);
  const scale = devicePixelRatio;
  return Array.from({CANVAS}.getContext('2d').getImageData(x * scale, y * scale, 1, 1).data.slice(0, 3));
}}"""


class Handler(SimpleHTTPRequestHandler):
    """The viewer's files, and Orthanc's DICOMweb under the same origin; only reading is proxied."""

    protocol_version = "HTTP/1.1"

    def __init__(self, archive: Orthanc, *arguments: Any) -> None:
        self.archive = archive
        super().__init__(*arguments, directory=str(DIST))

    def end_headers(self) -> None:
        """What OHIF's shared memory needs."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if ".bundle." in self.path:  # its name holds its hash
            self.send_header("Cache-Control", "max-age=3600, immutable")
        super().end_headers()

    def do_GET(self) -> None:
        """A file, an answer of the archive, or the viewer's page for its own addresses."""
        if self.path.startswith(PROXIED):
            self._ask_the_archive()
        elif self.path.partition("?")[0] == "/app-config.js":
            self._answer(200, "text/javascript", f"window.config = {json.dumps(CONFIGURATION)};".encode())
        else:
            if not Path(self.translate_path(self.path)).is_file():
                self.path = "/index.html"
            super().do_GET()

    def _ask_the_archive(self) -> None:
        archive = http.client.HTTPConnection(self.archive.host, self.archive.http_port, timeout=60)
        with closing(archive) as connection:
            self._pass_on(connection)

    def _pass_on(self, connection: http.client.HTTPConnection) -> None:
        request = self.archive.client.build_request("GET", self.path)
        authorization = next(self.archive.client.auth.sync_auth_flow(request)).headers["Authorization"]
        headers = {"Authorization": authorization, "Host": self.headers["Host"]}
        if "Accept" in self.headers:
            headers["Accept"] = self.headers["Accept"]
        connection.request("GET", self.path, headers=headers)
        response = connection.getresponse()
        self._answer(response.status, response.headers.get("Content-Type", ""), response.read())

    def _answer(self, status: int, content_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        with suppress(ConnectionError):  # the page has gone on to another one
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the page's console says what went wrong."""


class Shown:
    """What OHIF shows of a study.  Whatever asks the page waits for the page, never for the clock."""

    def __init__(self, page: "Page") -> None:
        self.page = page

    def series(self) -> list[str]:
        """The descriptions of the series in the study's list."""
        labels = self.page.locator("[data-cy='series-description-label']")
        labels.first.wait_for()
        return labels.all_inner_texts()

    def segments(self) -> dict[str, Color]:
        """The names in the panel of segments, in its order, with the colour beside each."""
        panel = self.page.locator("[data-cy='panelSegmentation-btn']")
        rows = self.page.locator("[data-cy='data-row']")
        panel.click()
        rows.first.wait_for()
        return {str(name): tuple(color) for name, color in rows.evaluate_all(ROWS)}

    def report(self, part: str) -> str:
        """The text of the structured report in the viewport, once this part of it is there."""
        viewport = self.page.locator("[data-cy='viewport-pane']")
        viewport.locator(part).first.wait_for()
        return viewport.inner_text()

    def pdf(self) -> bytes:
        """The document that the viewport shows."""
        document = self.page.locator("[data-cy='viewport-pane'] object[type='application/pdf']")
        document.wait_for(state="attached")
        return bytes(document.evaluate(BYTES_SHOWN))

    def wait_for_color(self, pixels: int) -> None:
        """Until so many pixels of the image are no grey."""
        self.page.wait_for_function(f"{COLORED} > {pixels}")

    def go_to(self, sop_instance_uid: str) -> None:
        """Show the slice that this instance is, and wait until it is drawn."""
        self.page.evaluate(GO_TO, sop_instance_uid)

    def color_at(self, point: Sequence[float]) -> Color:
        """Red, green and blue of the image at a place in the patient, LPS mm, on the slice that is shown."""
        return tuple(self.page.evaluate(COLOR_AT, list(map(float, point))))

    def shoot(self, name: str) -> None:
        """Write what is seen to build/ohif-screens/NAME.png, to be looked at."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png")


class Viewer:
    """One OHIF on loopback, and the profile of a Chromium that looks at it."""

    def __init__(self, url: str, context: "BrowserContext") -> None:
        self.url, self.context = url, context
        context.set_default_timeout(WAITS_MS)
        context.add_init_script("localStorage.setItem('shownTours', '[\"basicViewerTour\"]')")

    @contextmanager
    def show(self, study_instance_uid: str, series_instance_uid: str) -> Iterator[Shown]:
        """A study, with one of its series in the viewport."""
        page = self.context.new_page()
        page.goto(
            f"{self.url}/viewer?StudyInstanceUIDs={study_instance_uid}"
            f"&initialSeriesInstanceUID={series_instance_uid}"
        )
        try:
            yield Shown(page)
        finally:
            page.close()


@pytest.fixture(scope="session")
def ohif_files() -> Path:
    """OHIF's own build, fetched when it is not there."""
    subprocess.run([ROOT / "scripts" / "fetch-ohif"], check=True)
    if not (DIST / "index.html").is_file():
        pytest.skip("OHIF is not here: scripts/fetch-ohif needs npm")
    return DIST


@pytest.fixture(scope="module")
def viewer(ohif_files: Path, orthanc: Orthanc) -> Iterator[Viewer]:
    """An OHIF on this run's Orthanc, and a Chromium with an empty profile."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # a third of a second, of every run otherwise

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, orthanc))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
            context = browser.new_context(viewport={"width": 1500, "height": 900})
            yield Viewer(f"http://127.0.0.1:{server.server_port}", context)
            browser.close()
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
