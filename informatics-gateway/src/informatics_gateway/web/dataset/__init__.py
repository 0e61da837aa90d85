# SPDX-License-Identifier: Apache-2.0
"""A data set by REST and on plain pages: in the gateway's web application, and served by itself."""
