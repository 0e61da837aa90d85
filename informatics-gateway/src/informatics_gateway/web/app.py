# SPDX-License-Identifier: Apache-2.0
"""Puts the web application together."""

from fastapi import Depends, FastAPI

from ..config import Config
from ..store import Journal
from . import api, errors, pages
from .answers import MISTAKES, VERSION
from .dataset import api as dataset_api
from .dataset import pages as dataset_pages
from .dataset.segments import Segments
from .dataset.shelf import Shelf
from .desk import Desk
from .guard import Guard, host_names
from .health import Health, Readiness
from .research import pages as research
from .research.forms import local_only

ABOUT = "What Gantry received, ran, proved and refused, without names of patients; and a data set. Read only."


def create_app(config: Config, journal: Journal, health: Health) -> FastAPI:
    """The status page at /, its API under /api, /healthz and /readyz, the configured data set, the research pages.

    journal: a read-only view, so that a page never waits for a write.  health: what the running gateway finds
    wrong with itself.  Pages need no JavaScript; with it they renew themselves.
    """
    readiness = Readiness(config, journal, health)
    desk = Desk(config, journal, readiness)
    app = FastAPI(
        title="Gantry",
        summary=ABOUT,
        version=VERSION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(api.routes(desk), prefix="/api", responses=MISTAKES)
    app.include_router(api.probes(config, readiness))
    app.include_router(pages.routes(desk))
    app.include_router(pages.files())
    shelf = Shelf(config.dataset.path)
    here = [Depends(local_only)]  # unlike the status page, they name patients
    app.include_router(dataset_api.routes(shelf), dependencies=here)
    app.include_router(dataset_pages.routes(shelf), dependencies=here)
    app.include_router(research.routes(config))
    errors.install(app)
    app.add_middleware(Segments)
    app.add_middleware(Guard, hosts=host_names(config.web.host))
    return app
