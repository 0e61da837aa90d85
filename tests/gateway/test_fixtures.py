# SPDX-License-Identifier: Apache-2.0
"""The servers of the tests are real, configured as the product configures them, and keep what they have."""

from pathlib import Path

import httpx
import pytest
from dcmtk import Storescp
from orthanc import Orthanc
from pydicom.data import get_testdata_file
from pydicom.uid import MRImageStorage
from pynetdicom import AE

CT = Path(get_testdata_file("CT_small.dcm"))  # in the pydicom package


@pytest.mark.orthanc
def test_orthanc_keeps_instances_and_sends_a_series(orthanc: Orthanc, storescp: Storescp) -> None:
    orthanc.clear()
    orthanc.upload(CT)
    orthanc.kill()
    orthanc.start()
    [instance] = orthanc.instances(Modality="CT")
    orthanc.add_modality(storescp.aet, storescp.port)
    orthanc.send_series("1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322", storescp.aet)
    [received] = storescp.received()
    assert instance["SOPInstanceUID"] in received.name
    orthanc.clear()
    assert orthanc.instances() == []


@pytest.mark.orthanc
def test_orthanc_asks_for_a_password(orthanc: Orthanc) -> None:
    assert httpx.get(f"{orthanc.dicomweb_url}/studies").status_code == 401
    assert orthanc.client.get("/dicom-web/studies").status_code == 200


def test_storescp_takes_an_association(storescp: Storescp) -> None:
    ae = AE()
    ae.add_requested_context(MRImageStorage)
    association = ae.associate(storescp.host, storescp.port, ae_title=storescp.aet)
    assert association.is_established
    association.release()
