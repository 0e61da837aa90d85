# SPDX-License-Identifier: Apache-2.0
"""Hand a data set over to trainers, in the formats that they take as they are."""

import shutil
from collections.abc import Callable
from pathlib import Path

from ..errors import TargetExists
from ..whole import partial_name
from .bids import write_bids
from .cases import Exported
from .coco import write_coco
from .database import Database
from .errors import NoRoom, NothingToExport
from .monai import write_monai
from .nnunet import write_nnunet
from .parquet import write_parquet

FORMATS: dict[str, Callable[[Database, Path], Exported]] = {
    "monai": write_monai,
    "nnunet": write_nnunet,
    "coco": write_coco,
    "bids": write_bids,
    "parquet": write_parquet,
}
FILES = ("parquet",)  # formats that are one file


def export(folder: Path, output: Path, form: str) -> Exported:
    """Write the data set in `folder` as `output`, in the format `form` of FORMATS, whole or not at all.

    Files are linked, not copied, where the disk can.  Raises NotADataset, IncompleteDataset, TargetExists,
    NothingToExport, NoRoom, MissingPackage.
    """
    if output.exists() or output.is_symlink():
        raise TargetExists(f"{output}")
    written = partial_name(output)
    with Database(folder) as database:
        try:
            if form not in FILES:
                written.mkdir()
            exported = FORMATS[form](database, written)
            if not exported.cases:
                said = " ".join(f"{count} series: {reason}" for reason, count in exported.left_out.items())
                raise NothingToExport(said)
            written.rename(output)
        except OSError as error:
            raise NoRoom(f"{output}: {error.strerror}.", hint="Make room, or name another place.") from error
        finally:
            _take_away(written)
    return exported


def _take_away(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
