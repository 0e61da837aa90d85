# SPDX-License-Identifier: Apache-2.0
"""A small CT that tests of results share."""

import pytest
from documents import documents
from result_files import Written, all_kinds, ct, write

from imaging_data import Volume


@pytest.fixture(scope="session")
def volume(tmp_path_factory) -> Volume:
    """8 slices of 16 x 16, every voxel different from its neighbours."""
    return ct(tmp_path_factory.mktemp("ct"), spacing=(2.5, 0.5, 0.75))


@pytest.fixture(scope="session")
def written(tmp_path_factory, volume) -> Written:
    """One result of each kind."""
    return write(tmp_path_factory.mktemp("out") / "output", volume, all_kinds(volume))


@pytest.fixture(scope="session")
def documented(tmp_path_factory, volume) -> Written:
    """One result of each kind that `documents` makes."""
    return write(tmp_path_factory.mktemp("out") / "output", volume, documents(volume.shape[0] - 1))


@pytest.fixture(scope="session")
def as_labelmap(tmp_path_factory, volume) -> Written:
    """The same for a destination that takes labelmaps."""
    folder = tmp_path_factory.mktemp("out") / "output"
    return write(folder, volume, all_kinds(volume), segmentation="labelmap")
