# SPDX-License-Identifier: Apache-2.0
"""The status page, its JSON API and the two health answers, which change nothing; a data set; research pages."""
