# SPDX-License-Identifier: Apache-2.0
"""The Ray cluster: that it answers, with the same version of Ray, takes our token, and takes nobody without one."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from ..config import Config
from ..errors import GantryError
from ..runners.ray_runner import reach
from .check import Check, fail, failed, ok

NAME = "Ray cluster"


def cluster(config: Config) -> Iterator[Check]:
    """The check of [ray], where an app runs there."""
    if any(app.runner == "ray" for app in config.apps):
        yield _cluster(config)


def _cluster(config: Config) -> Check:
    try:
        installed = version("ray")
    except PackageNotFoundError:
        return fail(
            NAME, "Ray is not installed here.", "Run `pip install '.[ray]'` in the gateway's environment."
        )
    try:
        reach(config.ray.address, config.ray.token_file)
    except GantryError as error:
        return failed(NAME, error)
    return ok(
        NAME, f"{config.ray.address} answers, asks for the token, and has Ray {installed} as this host does."
    )
