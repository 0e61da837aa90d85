# SPDX-License-Identifier: Apache-2.0
"""What `validate` looks at, one module for each question; each raises InvalidResult with a sentence."""
