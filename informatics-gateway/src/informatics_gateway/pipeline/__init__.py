# SPDX-License-Identifier: Apache-2.0
"""The line every series walks, once, one way: receive -> assemble -> route -> execute -> validate -> deliver.

Read this package first.  The receiver tells of arrivals.  `intake` takes them in and sees when a series is
closed; `queueing` seals and routes it and queues its jobs; `lanes` has, for each app, a thread that executes and
one that validates and delivers, by the `steps`.  Only this package changes a job's status, and only after a
step's work is durable: a crash at any moment repeats at most the step that was under way.
"""

import logging
import threading

from imaging_data import ExplainedError

from .. import quarantine
from ..config import Config
from ..execute import Executor
from ..receive import Receiver
from ..store import Store
from .faults import faults_named
from .intake import Intake
from .lanes import Lanes
from .queueing import Queueing

log = logging.getLogger("gantry.pipeline")


class Pipeline:
    """The running gateway, without its pages: the journal, the receiver, the lanes and the app processes."""

    def __init__(self, config: Config) -> None:
        self.store = Store(config.storage.path)
        self.executor = Executor(config)
        self.lanes = Lanes(self.store, config, self.executor)
        self.queueing = Queueing(self.store, config, self.lanes.ring, self.lanes.end_attempt)
        self.intake = Intake(self.store, config, self.queueing.close_series, self.queueing.assembling)
        self.receiver = Receiver(config, self.intake)
        self._stopping = threading.Event()
        self._intake = threading.Thread(target=self._take_in, name="intake", daemon=True)

    def start(self) -> None:
        """Take up what a crash left, then open the doors."""
        self.executor.end_leftovers()
        self.queueing.recover()
        self.intake.recover()
        self.lanes.start()
        self._intake.start()
        self.receiver.start()

    def stop(self) -> None:
        """Close the doors, end the apps and wait for the threads."""
        self.receiver.stop()
        self._stopping.set()
        self.intake.wake()
        self._intake.join()
        self.lanes.stop()
        self.executor.close()
        self.store.close()

    def _take_in(self) -> None:
        while not self._stopping.is_set():
            try:
                with faults_named("taking instances in"):
                    self.intake.turn()
            except ExplainedError as error:  # a full disk, say, passes; arrivals are kept
                log.error("taking instances in is tried again: %s", error)
                self._stopping.wait(1.0)

    def health(self) -> list[str]:
        """What is wrong with the running gateway, in sentences."""
        threads = [self._intake, *self.lanes.threads]
        return [f"The thread '{thread.name}' has ended." for thread in threads if not thread.is_alive()]

    def release(self, entry: str) -> str:
        """Take a quarantined instance or series up again; raises the reason when it still holds."""
        found = quarantine.show(self.store.storage, entry)
        if found.kind == "series":
            return self.queueing.release(found)
        self.intake.release(entry)
        return f"{entry} is taken in again"
