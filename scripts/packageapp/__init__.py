# SPDX-License-Identifier: Apache-2.0
"""scripts/package-app: an app as a MAP, a container image, by the MONAI Deploy packager."""
