# SPDX-License-Identifier: Apache-2.0
"""What `gantry serve` runs: the receiver, the line and the status page, until it is told to stop."""

import logging
import os
import signal
import threading

import uvicorn

from ..apps import without_models
from ..config import Config
from ..control import Control
from ..pipeline import Pipeline
from ..store import Journal
from ..web.app import create_app

log = logging.getLogger("gantry")


def run(settings: Config) -> None:
    """Run the gateway."""
    pipeline = Pipeline(settings)
    told_to_stop = StopSignals()
    pipeline.start()
    threading.Thread(target=_name_apps_without_models, args=(settings,), daemon=True).start()
    people = pipeline.queueing
    control = Control(
        settings.storage.path,
        {
            "retry": people.retry,
            "cancel": people.cancel,
            "release": pipeline.release,
            "pause": people.pause,
            "unpause": people.unpause,
        },
    )
    page = _Page(settings, pipeline)
    dicom = settings.dicom
    log.info(
        "ready: %s on %s:%d, page http://%s:%d/", dicom.ae_title, dicom.host, dicom.port, page.host, page.port
    )
    told_to_stop.wait()
    log.info("stopping")
    page.close()
    control.close()
    pipeline.stop()


def _name_apps_without_models(settings: Config) -> None:
    """Say which app's jobs will fail; the others run, so it keeps nobody waiting."""
    for name, reason in without_models(settings.apps):
        log.warning("app %s cannot run: %s", name, reason)


class StopSignals:
    """Hears SIGTERM and SIGINT from now on, whatever the main thread does when one arrives.

    The interpreter writes a signal's number into a pipe at the moment of its arrival.  A handler in Python would
    run later, when the main thread gets to it: for a signal just before the thread begins to wait that is never.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self._arrived, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        for number in self.NUMBERS:
            signal.signal(number, lambda *_: None)

    def wait(self) -> int:
        """The number of the next that arrives, or has arrived."""
        while (number := os.read(self._arrived, 1)[0]) not in self.NUMBERS:
            pass  # one that somebody else in this process handles
        return number


class _Page:
    """The status page, served from a thread of its own."""

    def __init__(self, config: Config, pipeline: Pipeline) -> None:
        self.host, self.port = config.web.host, config.web.port
        self._journal = Journal(config.storage.path)
        app = create_app(config, self._journal, pipeline.health)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                self.host,
                self.port,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
            )
        )
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._journal.close()
