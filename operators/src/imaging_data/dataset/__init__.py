# SPDX-License-Identifier: Apache-2.0
"""Data sets: pictures, volumes and a database of the patients, studies, series and images they came from."""
