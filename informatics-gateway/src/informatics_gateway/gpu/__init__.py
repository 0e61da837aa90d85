# SPDX-License-Identifier: Apache-2.0
"""Which job runs on which GPU, and when.

`nvml` reads the cards and MIG slices, `schedule` decides (a pure function, to be read in one sitting), `cards`
keeps what is held, what is wished for and what apps were seen to take.
"""
