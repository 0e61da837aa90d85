# SPDX-License-Identifier: Apache-2.0
"""A data set served by itself: `gantry dataset serve`."""

import re
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from imaging_data.dataset import Database

from ...config import LOOPBACK
from ...errors import BadConfiguration
from .. import errors
from .. import pages as status
from ..answers import VERSION
from ..guard import Guard, host_names
from . import api, pages
from .segments import Segments
from .shelf import Shelf
from .token import Token

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")  # RFC 6750 section 2.1: what may stand in the header


class NeedsToken(BadConfiguration):
    """A data set is served to other machines with a token only."""

    hint = "Give --token-env NAME, the name of a variable that holds at least 16 random characters."


def create_app(folder: Path, host: str, token: str | None = None) -> FastAPI:
    """The data set in `folder`: its REST under /api/dataset/ and, without a token, pages to browse it at /.

    Without a token it answers on loopback only.  Raises NeedsToken, NotADataset and IncompleteDataset.
    """
    if host not in LOOPBACK and token is None:
        raise NeedsToken(f"{host} is not a loopback address.")
    if token is not None and not TOKEN.fullmatch(token):
        raise NeedsToken(f"The token has {len(token)} characters, or others than A-Z a-z 0-9 - . _ ~ + / =.")
    Database(folder).close()
    app = FastAPI(
        title="Gantry data set",
        version=VERSION,
        openapi_url=f"{api.PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    shelf = Shelf(folder)
    app.include_router(api.routes(shelf))
    if token is None:
        app.include_router(pages.routes(shelf, alone=True))
        app.include_router(status.files())
    else:
        app.add_middleware(Token, token=token)
    errors.install(app)
    app.add_middleware(Segments)
    app.add_middleware(Guard, hosts=None if token else host_names(host))
    return app


def serve(folder: Path, host: str, port: int, token: str | None, on_ready: Callable[[str], None]) -> None:
    """Serve the data set in `folder` until SIGTERM or SIGINT; port 0 is a free one.

    on_ready: told the address once it listens.  Raises as `create_app`, and BadConfiguration when the port
    cannot be had.
    """
    app = create_app(folder, host, token)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise BadConfiguration(f"{host}:{port}: {error.strerror}.", hint="Give another --port.") from error
    # asyncio does this only for a socket that names its protocol; an answer would wait 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name = f"[{host}]" if ":" in host else host
    on_ready(f"http://{name}:{listening.getsockname()[1]}")
    options = uvicorn.Config(app, log_config=None, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(options).run(sockets=[listening])
