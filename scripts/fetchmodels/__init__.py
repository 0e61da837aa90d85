# SPDX-License-Identifier: Apache-2.0
"""scripts/fetch-models: an app's model files, as its model.lock says."""
