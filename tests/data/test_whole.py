# SPDX-License-Identifier: Apache-2.0
"""Whole files get their names, and no other file loses one, with and without hard links."""

import errno
import os

import pytest

from imaging_data.errors import TargetExists
from imaging_data.whole import give_name, partial_name, renewed


@pytest.fixture(params=[True, False], ids=["links", "no links"])
def links(request, monkeypatch):
    """A file system with hard links, or one without."""

    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not request.param:
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("links")
def test_a_whole_file_gets_its_name_and_takes_nobodys(tmp_path):
    target = tmp_path / ("ä" * 120 + ".nii.gz")
    for content in ("first", "second"):
        partial = partial_name(target)
        partial.write_text(content)
        if content == "first":
            give_name(partial, target)
            assert list(tmp_path.iterdir()) == [target]
        else:
            with pytest.raises(TargetExists, match=target.name):
                give_name(partial, target)
            assert partial.is_file()
    assert target.read_text() == "first"
    assert partial.name.endswith(".nii.gz")


def test_what_is_renewed_keeps_its_old_content_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "a.png"
    target.write_text("old")
    for content in ("broken", "new"):
        try:
            with renewed(target) as partial:
                partial.write_text(content)
                assert target.read_text() == "old"
                if content == "broken":
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]
