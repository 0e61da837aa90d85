# SPDX-License-Identifier: Apache-2.0
"""The package's command as it is, in a process of its own, on a torch for CPUs only too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "apps" / "totalsegmentator"))

from totalseg.package import declare_torchvision_operators

declare_torchvision_operators()  # in the processes that it starts, too

if __name__ == "__main__":
    from totalsegmentator.bin.TotalSegmentator import main

    main()
