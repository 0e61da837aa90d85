# SPDX-License-Identifier: Apache-2.0
"""The 18 findings: a public code where PS3.16's tables have one that means the same, else a declared one.

SNOMED CT 287272002 is 'Cardiomegaly' in one table and 'Enlarged septal foramen of heart' in another; it is not
used.  Chest radiographs are of the lungs, so 'Edema' is pulmonary and 'Effusion' pleural.
"""

from imaging_operators import Code, codes, private_code

CODES: dict[str, Code] = {
    "Atelectasis": private_code("ATELECTASIS", "Atelectasis"),
    "Consolidation": private_code("CONSOLIDATION", "Consolidation"),
    "Infiltration": codes.DCM.Infiltrate,
    "Pneumothorax": codes.SCT.Pneumothorax,
    "Edema": codes.SCT.PulmonaryEdema,
    "Emphysema": private_code("EMPHYSEMA", "Emphysema"),
    "Fibrosis": codes.SCT.Fibrosis,
    "Effusion": codes.SCT.PleuralEffusion,
    "Pneumonia": private_code("PNEUMONIA", "Pneumonia"),
    "Pleural_Thickening": private_code("PLEURALTHICK", "Pleural thickening"),
    "Cardiomegaly": private_code("CARDIOMEGALY", "Cardiomegaly"),
    "Nodule": codes.SCT.Nodule,
    "Mass": codes.SCT.Mass,
    "Hernia": private_code("HERNIA", "Hernia"),
    "Lung Lesion": private_code("LUNGLESION", "Lung lesion"),
    "Fracture": private_code("FRACTURE", "Fracture"),
    "Lung Opacity": codes.DCM.Opacity,
    "Enlarged Cardiomediastinum": private_code("WIDEMEDIASTINUM", "Enlarged cardiomediastinum"),
}


def code_of(name: str) -> Code:
    """The code of a finding under the model's name for it."""
    return CODES[name]


def words_of(name: str) -> str:
    """The finding as reports write it."""
    return name.replace("_", " ").capitalize()
