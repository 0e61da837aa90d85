# SPDX-License-Identifier: Apache-2.0
"""The gateway: receive -> assemble -> route -> execute -> validate -> deliver.  Read pipeline/ first."""
