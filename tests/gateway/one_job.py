# SPDX-License-Identifier: Apache-2.0
"""A small gateway in a process of its own, to be killed: `python one_job.py STORAGE RUNNER DO [IMAGE]`."""

import sys
import threading
from pathlib import Path

from app_jobs import REQUEST, configuration, make_job

from informatics_gateway.execute import Executor


def main(storage: Path, runner: str, do: str, *image: str) -> None:
    """Run the job in a thread that ends before the app does, as a gateway's pool may."""
    executor = Executor(configuration(storage, runner=runner, **dict(zip(["image"], image, strict=False))))
    if runner == "warm":
        first = make_job(storage, "done", 1)
        helper = threading.Thread(target=executor.execute, args=(first, REQUEST, threading.Event()))
        helper.start()
        helper.join()
    executor.execute(make_job(storage, do, 2, hang=True), REQUEST, threading.Event())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
