# SPDX-License-Identifier: Apache-2.0
"""`gantry dataset serve`: a data set's REST and pages, until it is told to stop."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadConfiguration
from ..logs import log_plainly
from .output import say


def serve_dataset(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The data set's folder.")],
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = 8090,
    token_env: Annotated[
        str | None, typer.Option("--token-env", metavar="NAME", help="The variable with a bearer token.")
    ] = None,
) -> None:
    """Serve a data set: REST under /api/dataset/, and pages to browse it.

    Without a token it answers on loopback only; with one, to whoever has it, and without the pages.
    """
    from ..web.dataset import server

    token = None
    if token_env is not None and not (token := os.environ.get(token_env)):
        raise BadConfiguration(f"The environment variable {token_env} is not set.")
    log_plainly()
    server.serve(target, host, port, token, lambda url: say(f"ready: {url}/api/dataset/"))
