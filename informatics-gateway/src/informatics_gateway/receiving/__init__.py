# SPDX-License-Identifier: Apache-2.0
"""How receive takes what is sent: who may send, whether a data set is whole, how it becomes durable."""
