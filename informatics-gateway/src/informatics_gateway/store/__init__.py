# SPDX-License-Identifier: Apache-2.0
"""The journal: what came in, what was sealed, what was done and proved.  Nothing else speaks SQL.

`Journal` reads and may be opened by any process; `Store` writes and belongs to `gantry serve` alone.  A job's
status and the event that tells of it are written in one transaction.
"""

from .journal import Journal
from .writer import Store

__all__ = ["Journal", "Store"]
