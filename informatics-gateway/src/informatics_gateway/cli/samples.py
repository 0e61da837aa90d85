# SPDX-License-Identifier: Apache-2.0
"""On which two cases an app is checked: those that are given, its own, else phantoms that its series rule takes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from imaging_data import SeriesRule, find_instances
from imaging_data.phantom import thorax, thorax_grid, write_series
from imaging_data.phantom.radiograph import chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph

from ..apps import AppFolder, AppImage
from ..errors import AppFailed

OWN = "sample"  # in an app's folder: a folder of DICOM files for each of two cases
SLICES, ROWS, NOISE_HU = 22, 128, 20.0
SIDE = 512  # pixels of the radiograph


def find_cases(
    app: AppFolder | AppImage, rule: SeriesRule, given: Sequence[Path], made: Path
) -> Sequence[Path]:
    """Two folders of DICOM files of different patients; phantoms are written to the folder `made`.

    Raises AppFailed when there is none that the rule takes.
    """
    own = _own(app)
    if given or len(own) >= 2:
        return given or own[:2]
    for kind, make in PHANTOMS.items():
        folders = [made / f"{kind}-{number}" for number in (1, 2)]
        for number, folder in enumerate(folders, 1):
            make(folder, number)
        if all(_takes(rule, folder) for folder in folders):
            return folders
    raise AppFailed(
        f"Its series rule takes none of the phantoms ({', '.join(PHANTOMS)}).",
        f"Give two cases with --case, or put two folders of DICOM files into {OWN}/ of the app.",
    )


def _own(app: AppFolder | AppImage) -> list[Path]:
    folder = app.source / OWN if isinstance(app, AppFolder) else None
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _takes(rule: SeriesRule, folder: Path) -> bool:
    return any(rule.matches_series(series.datasets) for series in find_instances(folder).series)


def _ct(folder: Path, number: int) -> None:
    grid = thorax_grid(SLICES + 2 * number, ROWS)
    write_series(thorax(number).render(grid, NOISE_HU, number), folder, patient_id=f"CHECK-{number}")


def _radiograph(folder: Path, number: int) -> None:
    write_radiograph(chest_radiograph(number, side=SIDE), folder / "1.dcm", patient_id=f"CHECK-{number}")


PHANTOMS: dict[str, Callable[[Path, int], None]] = {"ct": _ct, "radiograph": _radiograph}
