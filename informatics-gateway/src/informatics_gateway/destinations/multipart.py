# SPDX-License-Identifier: Apache-2.0
"""Reading the one instance out of a WADO-RS response (PS3.18 section 8.6.1.2, RFC 2046 section 5.1)."""

from email.message import Message


def first_part(content_type: str, body: bytes) -> bytes | None:
    """The content of the first part of a multipart body; the body itself when it is not multipart.

    None when the body does not keep its boundary: it is cut off, or not what the header says.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_maintype() != "multipart" or boundary is None:
        return body
    delimiter = b"--" + boundary.encode("latin-1", "replace")
    begin = body.find(b"\r\n\r\n", max(0, body.find(delimiter)))
    end = body.find(b"\r\n" + delimiter, begin + 2)
    return body[begin + 4 : end] if delimiter in body and begin >= 0 and end >= 0 else None
