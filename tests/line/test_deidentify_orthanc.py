# SPDX-License-Identifier: Apache-2.0
"""What a real Orthanc's /anonymize takes out of an instance, our Basic Profile takes out, too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
