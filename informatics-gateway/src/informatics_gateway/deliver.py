# SPDX-License-Identifier: Apache-2.0
"""Step 6.  Send accepted results to one destination, and prove that it has them.

It asks before it sends and asks again after: a response proves nothing.  It keeps no state, so it may be
ended at any moment and called again: what the destination has by then is not sent twice.
"""

import time
from collections.abc import Callable, Sequence

from imaging_data import file_sha256

from .destinations import DestinationClient, Holding
from .errors import DestinationHoldsOther, DestinationUnavailable, InvalidResult
from .model import Proof, Result


def deliver(
    results: Sequence[Result],
    destination: DestinationClient,
    *,
    on_event: Callable[[str], None],
    before_sending: Callable[[], None] = lambda: None,
) -> tuple[Proof, ...]:
    """Bring `results` to `destination` as they are; returns one proof for each of them.

    `on_event` is told what happened, in words.  `before_sending` is called once, and only if something is to
    be sent; what it raises stops the delivery before the first byte.

    Raises DestinationHoldsOther when another content is there under one of the UIDs (nothing is sent),
    DestinationUnavailable when the destination does not answer or does not have a result after it was sent,
    DestinationRefused when it will not take one, InvalidResult when a file is no longer what was accepted.
    """
    _check_unchanged(results)
    holdings = _ask(results, destination)
    missing = [result for result in results if holdings[result.sop_instance_uid].state == "missing"]
    if missing:
        on_event(f"{destination.name}: {_count(len(missing), len(results))} to send")
        before_sending()
        destination.send(missing, lambda result: on_event(f"{destination.name}: sent {_name(result)}"))
        holdings |= _ask(missing, destination)
    return _proofs(results, destination, holdings, on_event)


def _check_unchanged(results: Sequence[Result]) -> None:
    for result in results:
        if not result.path.is_file() or file_sha256(result.path) != result.sha256:
            raise InvalidResult(
                f"{_name(result)}: the file is not the one that was accepted.",
                hint="Something changed the job's folder; `gantry jobs retry --rerun` makes new results.",
            )


def _ask(results: Sequence[Result], destination: DestinationClient) -> dict[str, Holding]:
    holdings = destination.ask(results)
    for result in results:
        if holdings[result.sop_instance_uid].state == "other":
            raise DestinationHoldsOther(f"{destination.name}: {_name(result)}.")
    return holdings


def _proofs(
    results: Sequence[Result],
    destination: DestinationClient,
    holdings: dict[str, Holding],
    on_event: Callable[[str], None],
) -> tuple[Proof, ...]:
    lost = [result for result in results if holdings[result.sop_instance_uid].state != "same"]
    if lost:
        raise DestinationUnavailable(
            f"{destination.name}: it took {', '.join(map(_name, lost))}, and does not have it when asked."
        )
    now = time.time()
    ways = sorted({holdings[result.sop_instance_uid].how for result in results})
    on_event(f"{destination.name}: proved {_count(len(results), len(results))} ({'; '.join(ways)})")
    return tuple(
        Proof(result.sop_instance_uid, destination.name, holdings[result.sop_instance_uid].how, now)
        for result in results
    )


def _count(some: int, of: int) -> str:
    return f"{some} of {of} results"


def _name(result: Result) -> str:
    return f"{result.kind} {result.sop_instance_uid}"
