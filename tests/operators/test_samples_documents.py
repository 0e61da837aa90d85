# SPDX-License-Identifier: Apache-2.0
"""Reports, documents and marks of real studies and radiographs: all valid, whatever the source got wrong."""

import shutil

import pytest
from dicom_tools import dciodvfy_errors
from documents import KINDS, documents
from result_files import write

from imaging_data import find_instances, read_radiograph, read_volume

# A pattern for the files of one series, how it is read, and what of it is not copied.
SOURCES = {
    "ct_chest_lidc_0001/*.dcm": (read_volume, []),
    "ct_abdomen_completed/*.dcm": (read_volume, []),
    "mr_brain_t1_7t/*": (read_volume, ["PatientAge"]),
    "multiframe_enhanced/5.dcm": (read_volume, []),
    "multiframe_enhanced/IM-0001-0170-0001.dcm": (read_volume, ["PatientAge"]),
    "seg_ct3slice_liver/0?.dcm": (read_volume, []),
    "transfer_syntaxes_ct_chest/*_JPEG2000TransferSyntax_*": (read_volume, []),
    "cxr_nih_labelled/*.dcm": (read_radiograph, ["PatientAge"]),
    "cr_chest_mono1_10bit/cxr.dcm": (read_radiograph, []),
    "cr_chest_mono1_10bit/CR-MONO1-10-chest": (read_radiograph, []),
}


@pytest.mark.parametrize("pattern", SOURCES)
def test_documents_of_a_real_source_are_valid(samples, tmp_path, pattern):
    read, left_out = SOURCES[pattern]
    (tmp_path / "source").mkdir()
    for path in samples.glob(pattern):
        shutil.copy(path, tmp_path / "source")
    [series] = find_instances(tmp_path / "source").series
    image = read(series)
    last_slice = len(image.sources) - 1
    written = write(tmp_path / "out", image, documents(last_slice))
    assert [dciodvfy_errors(written.folder / f"{kind}-0.dcm") for kind in KINDS] == [[]] * len(KINDS)
    assert [note.split()[0] for note in written.document["notes"]] == left_out
    named = written["key-object-0"].CurrentRequestedProcedureEvidenceSequence[0]
    assert named.StudyInstanceUID == series.study_instance_uid
    state = written["presentation-state-0"]
    inverted = image.sources[0][0].dataset.PhotometricInterpretation == "MONOCHROME1"
    assert state.PresentationLUTShape == ("INVERSE" if inverted else "IDENTITY")
