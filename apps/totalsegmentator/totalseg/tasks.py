# SPDX-License-Identifier: Apache-2.0
"""Which of TotalSegmentator's tasks may run, as profiles, and the files that each needs.

The tables are those of TotalSegmentator 2.18.0 written out, so that the manifest needs neither torch nor the
package; a test compares them with the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import UnknownTask

SPEED = ("crop", "in_memory", "warm", "bf16")
TRAINER = "nnUNetTrainer"
QUIET = "nnUNetTrainerNoMirroring"
ORDER_0 = "nnUNetTrainer_DASegOrd0"
ORDER_0_QUIET = "nnUNetTrainer_DASegOrd0_NoMirroring"
LONG = "nnUNetTrainer_2000epochs_NoMirroring"
LONGER = "nnUNetTrainer_4000epochs_NoMirroring"


@dataclass(frozen=True)
class Network:
    """One trained network: the folder of its data set, its trainer, configuration and folds."""

    dataset: str
    trainer: str
    configuration: str = "3d_fullres"
    folds: tuple[int, ...] = (0,)

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Its pickled files, as paths in the models folder."""
        folder = f"{self.dataset}/{self.trainer}__nnUNetPlans__{self.configuration}"
        return tuple(f"{folder}/fold_{fold}/checkpoint_final.pth" for fold in self.folds)


TOTAL_6MM = Network("Dataset298_TotalSegmentator_total_6mm_1559subj", LONGER)
TOTAL_3MM = Network("Dataset297_TotalSegmentator_total_3mm_1559subj", LONGER)
MR_3MM = Network("Dataset852_TotalSegMRI_total_3mm_1088subj", LONG)
BODY_6MM = Network("Dataset300_body_6mm_1559subj", TRAINER)
TOTAL = tuple(
    Network(f"Dataset{number}_TotalSegmentator_part{part}_{what}subj", QUIET)
    for part, (number, what) in enumerate(
        {
            291: "organs_1559",
            292: "vertebrae_1532",
            293: "cardiac_1559",
            294: "muscles_1559",
            295: "ribs_1559",
        }.items(),
        start=1,
    )
)


@dataclass(frozen=True)
class Task:
    """One openly licensed task: its modality and its networks, those that find its place in the body among them."""

    modality: str
    networks: tuple[Network, ...]
    fast: tuple[Network, ...] = ()


def _near(dataset: str, trainer: str, configuration: str = "3d_fullres", place: Network = TOTAL_6MM) -> Task:
    return Task("CT", (Network(dataset, trainer, configuration), place))


OPEN: Mapping[str, Task] = {
    "total": Task("CT", TOTAL, (TOTAL_3MM,)),
    "total_mr": Task(
        "MR",
        (Network("Dataset850_TotalSegMRI_part1_organs_1088subj", LONG),
         Network("Dataset851_TotalSegMRI_part2_muscles_1088subj", LONG)),
        (MR_3MM,),
    ),
    "body": Task("CT", (Network("Dataset299_body_1559subj", TRAINER),), (BODY_6MM,)),
    "body_mr": Task(
        "MR", (Network("Dataset597_mri_body_139subj", ORDER_0),), (Network("Dataset598_mri_body_6mm_139subj", ORDER_0),)
    ),
    "vertebrae_mr": Task("MR", (Network("Dataset756_mri_vertebrae_1076subj", ORDER_0_QUIET),)),
    "vertebrae_body": Task("CT", (Network("Dataset305_vertebrae_discs_1559subj", ORDER_0),)),
    "trunk_cavities": Task("CT", (Network("Dataset343_mediastinum_1786subj", TRAINER),)),
    "breasts": Task("CT", (Network("Dataset527_breasts_1559subj", ORDER_0_QUIET),)),
    "lung_vessels": _near(
        "Dataset117_lung_airways_arteries_veins_282subj", "nnUNetTrainerSkeletonRecall", place=TOTAL_3MM
    ),
    "lung_nodules": _near("Dataset913_lung_nodules", "nnUNetTrainer_MOSAIC_1k_QuarterLR_NoMirroring"),
    "liver_vessels": _near("Dataset008_HepaticVessel", TRAINER),
    "liver_segments": _near("Dataset570_ct_liver_segments", QUIET),
    "liver_lesions": _near("Dataset591_ct_liver_lesions_842subj", TRAINER, "3d_fullres_high", TOTAL_3MM),
    "kidney_cysts": _near("Dataset789_kidney_cyst_501subj", ORDER_0_QUIET),
    "cerebral_bleed": _near("Dataset150_icb_v0", TRAINER),
    "hip_implant": _near("Dataset260_hip_implant_71subj", TRAINER),
    "ventricle_parts": _near("Dataset552_ventricle_parts_38subj", QUIET),
    "head_glands_cavities": _near("Dataset775_head_glands_cavities_492subj", ORDER_0_QUIET, "3d_fullres_high"),
    "head_muscles": _near("Dataset777_head_muscles_492subj", ORDER_0_QUIET, "3d_fullres_high"),
    "headneck_bones_vessels": _near("Dataset776_headneck_bones_vessels_492subj", ORDER_0_QUIET, "3d_fullres_high"),
    "abdominal_muscles": _near(
        "Dataset952_abdominal_muscles_167subj", ORDER_0_QUIET, "3d_fullres_high", BODY_6MM
    ),
}  # fmt: skip
# Only with the site's licence number; where it is, GANTRY_TOTALSEGMENTATOR_LICENCE_FILE says.
LICENSED: Mapping[str, Task] = {
    "heartchambers_highres": _near("Dataset301_heart_highres_1559subj", TRAINER, place=TOTAL_3MM),
    "appendicular_bones": Task("CT", (Network("Dataset304_appendicular_bones_ext_1559subj", QUIET),)),
    "tissue_types": Task("CT", (Network("Dataset481_tissue_1559subj", TRAINER),)),
    "coronary_arteries": _near(
        "Dataset509_coronary_arteries_cm_nativ_400subj_SKELETON",
        "nnUNetTrainerSkeletonRecall",
        "3d_fullres_high",
    ),
}
TASKS = {**OPEN, **LICENSED}
ABDOMEN = ("liver", "spleen", "kidney_left", "kidney_right", "pancreas", "stomach", "gallbladder", "aorta")


def networks(task: str, fast: bool) -> tuple[Network, ...]:
    """What `task` runs.  Raises UnknownTask for one that is not on the list, or that has no fast variant."""
    known = TASKS.get(task)
    if known is None:
        raise UnknownTask(f"{task!r} is not one of {', '.join(TASKS)}.")
    if fast and not known.fast:
        raise UnknownTask(f"{task!r} has no fast variant.")
    return known.fast if fast else known.networks


def checkpoints(task: str, fast: bool) -> tuple[str, ...]:
    """The pickled files that `task` loads, as paths in the models folder."""
    return tuple(dict.fromkeys(name for network in networks(task, fast) for name in network.checkpoints))


def _profiles() -> dict[str, dict[str, Any]]:
    """Every task under its name with hyphens, fast variants with -fast; the first is the default."""
    profiles: dict[str, dict[str, Any]] = {"total-fast": {"task": "total", "fast": True}}
    for name, task in TASKS.items():
        profile = name.replace("_", "-")
        profiles[profile] = {"task": name}
        if task.fast:
            profiles[f"{profile}-fast"] = {"task": name, "fast": True}
    profiles["abdomen-fast"] = {"task": "total", "fast": True, "classes": list(ABDOMEN)}
    profiles["total-fast-rtstruct"] = {"task": "total", "fast": True, "rtstruct": True}
    return profiles


PROFILES = _profiles()
# What to run instead when a task needs more GPU memory than there is.
CHEAPER = {name: f"{name}-fast" for name in PROFILES if f"{name}-fast" in PROFILES}


@dataclass(frozen=True)
class Job:
    """What one run is asked for.

    classes: names of the task's classes; empty for all.  speed: the switches of SPEED that are on.
    Raises UnknownTask for what is not known.
    """

    task: str
    fast: bool = False
    classes: tuple[str, ...] = ()
    speed: frozenset[str] = frozenset(SPEED)

    def __post_init__(self) -> None:
        networks(self.task, self.fast)
        if unknown := self.speed - set(SPEED):
            raise UnknownTask(
                f"There is no switch {', '.join(sorted(unknown))}; there is {', '.join(SPEED)}."
            )

    @property
    def modality(self) -> str:
        """The Modality that the task was trained on."""
        return TASKS[self.task].modality

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The pickled files that it loads."""
        return checkpoints(self.task, self.fast)
