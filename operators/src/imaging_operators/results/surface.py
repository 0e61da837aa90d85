# SPDX-License-Identifier: Apache-2.0
"""A closed surface as STL or OBJ bytes (millimetres, LPS), and read back from them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .base import RESEARCH_ONLY

MeshFormat = Literal["stl", "obj"]
STL_HEADER, STL_FACE = 80, np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles: points (points, 3) in mm, and for each face (faces, 3) its points, seen from outside
    counter-clockwise."""

    points: NDArray[np.float64]
    faces: NDArray[np.int64]

    @property
    def is_closed(self) -> bool:
        """Watertight: each edge is walked once in either direction."""
        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        forth = np.sort(edges[:, 0] * len(self.points) + edges[:, 1])
        back = np.sort(edges[:, 1] * len(self.points) + edges[:, 0])
        return bool(np.array_equal(forth, back))

    @property
    def moments(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Enclosed volume (mm3), centroid (3,) and covariance (3, 3) of what is enclosed.

        A sum over tetrahedra from a point inside to each face.
        """
        middle = self.points.mean(axis=0)
        corners = (self.points - middle)[self.faces]
        volumes = np.linalg.det(corners) / 6
        volume = float(volumes.sum())
        sums = corners.sum(axis=1)
        centroid = volumes @ sums / (4 * volume)
        second = np.einsum("f,fi,fj->ij", volumes, sums, sums)
        second += np.einsum("f,fki,fkj->ij", volumes, corners, corners)
        return volume, middle + centroid, second / (20 * volume) - np.outer(centroid, centroid)

    def encoded(self, form: MeshFormat) -> bytes:
        """The file: binary STL or OBJ, each with the research-only line in its head."""
        return self._stl() if form == "stl" else self._obj()

    def _stl(self) -> bytes:
        faces = np.zeros(len(self.faces), STL_FACE)
        corners = self.points[self.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        faces["normal"] = normals / np.where(lengths > 0, lengths, 1)
        faces["corners"] = corners
        head = RESEARCH_ONLY.encode().ljust(STL_HEADER, b" ")
        return head + len(faces).to_bytes(4, "little") + bytes(faces.tobytes())

    def _obj(self) -> bytes:
        points = "v %.4f %.4f %.4f\n" * len(self.points) % tuple(self.points.reshape(-1).tolist())
        faces = "f %d %d %d\n" * len(self.faces) % tuple((self.faces + 1).reshape(-1).tolist())
        return f"# {RESEARCH_ONLY}\n# millimetres, LPS\n{points}{faces}".encode()


def read_surface(content: bytes, form: MeshFormat) -> Surface:
    """The surface in a file's bytes; padding behind it is left aside."""
    return _from_stl(content) if form == "stl" else _from_obj(content)


def _from_stl(content: bytes) -> Surface:
    count = int(np.frombuffer(content, "<u4", 1, STL_HEADER)[0])
    corners = np.frombuffer(content, STL_FACE, count, STL_HEADER + 4)["corners"].reshape(-1, 3)
    same = np.ascontiguousarray(corners + np.float32(0)).view("V12").reshape(-1)  # -0 is 0
    _, first, faces = np.unique(same, return_index=True, return_inverse=True)
    return Surface(corners[first].astype(np.float64), faces.reshape(-1, 3).astype(np.int64))


def _from_obj(content: bytes) -> Surface:
    lines = [line.split() for line in content.decode("ascii").rstrip("\0 ").splitlines()]
    points = [line[1:] for line in lines if line[:1] == ["v"]]
    faces = [line[1:] for line in lines if line[:1] == ["f"]]
    return Surface(np.array(points, np.float64), np.array(faces, np.int64) - 1)
