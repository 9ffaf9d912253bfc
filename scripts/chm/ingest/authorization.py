"""What a request over HTTP proves itself with, and where it may go."""

import os
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from chm.errors import ChmError
from chm.ingest.redact import redact_text


class Authorization(AuthBase):
    """Sends an Authorization header, or none; also keeps requests from looking into .netrc.

    requests takes the header off again where a redirect leads to another host.
    """

    def __init__(self, header: str | None) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """See AuthBase."""
        if self._header:
            request.headers["Authorization"] = self._header
        return request


def secret_from_environment(name: str, *, required: bool) -> str | None:
    """Return the secret in the environment variable `name`; None if it is not set or empty.

    Raises:
        ChmError: it is required and not set, or can't stand in a header. Its value is not told.
    """
    value = os.environ.get(name, "").strip()
    if not value and required:
        raise ChmError(f"the environment variable {name} is not set")
    if not value.isascii() or not value.isprintable():
        raise ChmError(f"the environment variable {name} holds characters that no header may hold")
    return value or None


def checked_url(url: str) -> str:
    """Return the URL without a slash at its end.

    Raises:
        ChmError: it is not one of http or https with a host, or holds credentials.
    """
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_url = is_url and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise ChmError(f"--url {redact_text(url)} is no http or https URL", 2)
    if parts.username or parts.password:
        raise ChmError("--url must not hold a user or password: set them in the environment", 2)
    return url.rstrip("/")
