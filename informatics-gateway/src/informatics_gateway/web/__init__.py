# SPDX-License-Identifier: Apache-2.0
"""The status page, its JSON API and the two health answers, which change nothing; a data set; research pages."""

from .app import create_app
from .health import Health

__all__ = ["Health", "create_app"]
