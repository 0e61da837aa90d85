# SPDX-License-Identifier: Apache-2.0
"""`gantry serve`: the gateway, until it is told to stop."""

import logging
import signal
import threading
from queue import SimpleQueue

import uvicorn

from ..apps import without_models
from ..config import Config, load
from ..control import Control
from ..pipeline import Pipeline
from ..route import check_profiles
from ..store import Journal
from ..web import create_app
from .output import DEFAULT_CONFIG, ConfigOption

log = logging.getLogger("gantry")


def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the gateway: the DICOM receiver, the line and the status page."""
    _log_plainly()
    settings = load(config)
    check_profiles(settings, config)
    pipeline = Pipeline(settings)
    told_to_stop = stop_signals()
    pipeline.start()
    threading.Thread(target=_name_apps_without_models, args=(settings,), daemon=True).start()
    people = pipeline.queueing
    control = Control(
        settings.storage.path,
        {"retry": people.retry, "cancel": people.cancel, "release": pipeline.release},
    )
    page = _Page(settings, pipeline)
    dicom = settings.dicom
    log.info(
        "ready: %s on %s:%d, page http://%s:%d/", dicom.ae_title, dicom.host, dicom.port, page.host, page.port
    )
    told_to_stop.get()
    log.info("stopping")
    page.close()
    control.close()
    pipeline.stop()


def _name_apps_without_models(settings: Config) -> None:
    """Say which app's jobs will fail; the others run, so it keeps nobody waiting."""
    for name, reason in without_models(settings.apps):
        log.warning("app %s cannot run: %s", name, reason)


def stop_signals() -> SimpleQueue[int]:
    """The numbers of the SIGTERM and SIGINT that arrive from now on.

    A queue, because a handler runs within whatever the main thread does: setting an Event that the same thread
    is about to wait on takes a lock twice, and the gateway would never stop.
    """
    told: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda arrived, _: told.put(arrived))
    return told


class _Page:
    """The status page, served from a thread of its own."""

    def __init__(self, config: Config, pipeline: Pipeline) -> None:
        self.host, self.port = config.web.host, config.web.port
        self._journal = Journal(config.storage.path)
        app = create_app(config, self._journal, pipeline.health)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, self.host, self.port, log_level="warning", access_log=False, server_header=False
            )
        )
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._journal.close()


def _log_plainly() -> None:
    """One line a message on standard error; no message of ours carries a patient attribute."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    logging.getLogger("pynetdicom").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
