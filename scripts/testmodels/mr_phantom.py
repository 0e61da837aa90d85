# SPDX-License-Identifier: Apache-2.0
"""The torso phantom as magnetic resonance might show it: the same shapes, a signal in place of HU."""

from dataclasses import replace

import numpy as np

from imaging_data.phantom import Grid, Rendered, torso, torso_grid

NOISE = 20.0
# By the beginning of a material's name, the longest that fits; as a T1-weighted gradient echo, fat bright.
SIGNALS = {
    "air": 0,
    "table": 0,
    "skin": 300,
    "fat": 620,
    "muscle": 210,
    "back muscle": 210,
    "bowel wall": 230,
    "bowel content": 120,
    "stomach": 110,
    "stomach gas": 0,
    "spleen": 190,
    "liver": 340,
    "liver lesion": 150,
    "mediastinum": 420,
    "left": 25,
    "right": 25,
    "left vessel": 60,
    "right vessel": 60,
    "heart": 180,
    "kidney": 270,
    "pelvis": 120,
    "disc": 160,
    "spinal canal": 90,
    "cortical bone": 40,
    "marrow": 430,
    "aorta": 80,
    "rib": 40,
    "rib marrow": 430,
}


def mr_torso(seed: int, grid: Grid | None = None) -> Rendered:
    """A torso whose `array` is a signal of 0 or more, without unit; how strong varies with the seed.

    Noise is that of a magnitude: its absolute value.
    """
    scene, draw = torso(seed), np.random.default_rng([seed, 4])
    gain = draw.uniform(0.7, 1.4)
    scene.materials = [
        replace(each, hu=gain * _signal(each.name) * draw.uniform(0.9, 1.1)) for each in scene.materials
    ]
    rendered = scene.render(grid or torso_grid(), NOISE, seed, factor=1)
    return replace(rendered, array=np.abs(rendered.array))


def _signal(material: str) -> float:
    return SIGNALS[max((name for name in SIGNALS if material.startswith(name)), key=len)]
