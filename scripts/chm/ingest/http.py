"""Ask a flaky HTTP server for JSON: time limits, bounded retries, and no word of the secrets."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote

import requests
import urllib3

from chm.errors import ChmError
from chm.ingest.authorization import Authorization
from chm.ingest.redact import REPLACEMENT, redact_text

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 30.0
# A body that trickles in is given up after so many read timeouts.
_BODY_TIMEOUTS = 10
_MAX_BODY_BYTES = 256 << 20
_CHUNK_BYTES = 1 << 16
# A shorter secret would also stand in texts that have nothing to do with it.
_SHORTEST_SECRET = 6
_SHOWN_DETAIL = 200
_RETRIED_STATUSES = {408, 425, 429}
_SUCCESSES = range(200, 300)
_SERVER_ERROR = 500
_UNAUTHORISED, _FORBIDDEN = 401, 403

Query = Mapping[str, str | int | list[str]]


class HttpError(ChmError):
    """A request that failed for good."""


class UnauthorisedError(HttpError):
    """The server does not take the credentials: no other request will do better."""


class UnreachableError(HttpError):
    """No answer came at all, however often it was asked."""


class _TryAgainError(Exception):
    """An attempt that failed, and may do better: after `wait` seconds if the server said so."""

    def __init__(self, reason: str, wait: float | None = None, *, answered: bool = True) -> None:
        super().__init__(reason)
        self.wait = wait
        self.answered = answered


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, in seconds, and how often to ask again.

    `read` is the longest silence within an answer; `longest_wait` the longest Retry-After that
    is obeyed: a server that asks for more is given up.
    """

    connect: float = 10
    read: float = 60
    retries: int = 5
    longest_wait: float = 300


class JsonClient:
    """Asks one server for JSON.

    Args:
        patience: the time limits and the number of retries.
        authorization: what goes into the header Authorization, if anything.
        secrets: texts that must not get out of here, wherever the server may put them.
        tell: is told why and how long is waited.
    """

    def __init__(
        self,
        patience: Patience,
        authorization: str | None = None,
        secrets: tuple[str, ...] = (),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._patience = patience
        self._hidden = [text for secret in secrets for text in _spellings(secret)]
        self._tell = tell
        self._session = requests.Session()
        self._session.auth = Authorization(authorization)
        self._session.headers.update({"Accept": "application/json", "User-Agent": "chm"})

    def get(self, url: str, query: Query | None = None) -> Any:  # noqa: ANN401
        """Return the JSON value at `url`; redirects are followed.

        Raises:
            UnauthorisedError: the server answered 401.
            UnreachableError: no answer came, however often it was asked.
            HttpError: any other answer that is no JSON, or no success.
        """
        return self._persist(url, lambda: self._send("GET", url, params=query))

    def post(self, url: str, body: Mapping[str, str]) -> Any:  # noqa: ANN401
        """Return the JSON value that `url` answers to `body`; errors are those of `get`.

        Redirects are not followed: the body may hold a password.
        """
        return self._persist(url, lambda: self._send("POST", url, json=body, follow=False))

    def _persist(self, url: str, attempt: Callable[[], Any]) -> Any:  # noqa: ANN401
        shown = self._shown(url)
        for number in range(self._patience.retries + 1):
            try:
                return attempt()
            except _TryAgainError as error:
                reason, wait, answered = str(error), error.wait, error.answered
            if number == self._patience.retries:
                break
            if wait is not None and wait > self._patience.longest_wait:
                raise HttpError(
                    f"{shown} {reason} and asks to wait {wait:,.0f} s, longer than the "
                    f"{self._patience.longest_wait:,.0f} s of --longest-wait"
                )
            # Also where the server says 0: it may say so again and again.
            wait = wait or _backoff(number)
            self._tell(f"{shown} {reason}: next try in {wait:.1f} s")
            sleep(wait)
        message = f"{shown} {reason}, {self._patience.retries + 1} times"
        raise HttpError(message) if answered else UnreachableError(message)

    def _send(self, method: str, url: str, *, follow: bool = True, **options: Any) -> Any:  # noqa: ANN401
        limits = (self._patience.connect, self._patience.read)
        try:
            with self._session.request(
                method, url, timeout=limits, stream=True, allow_redirects=follow, **options
            ) as response:
                body = self._body(response)
                self._check_status(response, body)
                return _parsed(body, self._shown(response.url))
        except requests.Timeout:
            raise _TryAgainError("did not answer in time", answered=False) from None
        except requests.TooManyRedirects:
            raise HttpError(f"{self._shown(url)} redirects without end") from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            reason = _reason(error)
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise UnreachableError(f"{self._shown(url)} has no valid certificate") from None
            raise _TryAgainError(f"can't be reached: {reason}", answered=False) from None
        except requests.RequestException as error:
            name = type(error).__name__
            raise HttpError(f"{self._shown(url)} can't be asked: {name}") from None

    def _body(self, response: requests.Response) -> bytes:
        """The body, secrets replaced, within the time that it may take."""
        deadline = monotonic() + self._patience.read * _BODY_TIMEOUTS
        body = bytearray()
        try:
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += chunk
                if monotonic() > deadline:
                    raise _TryAgainError("sent its answer too slowly")
                if len(body) > _MAX_BODY_BYTES:
                    raise HttpError(
                        f"{self._shown(response.url)} answered more than {_MAX_BODY_BYTES:,} bytes"
                    )
        except urllib3.exceptions.ReadTimeoutError:
            raise _TryAgainError("stopped in the middle of its answer") from None
        except (urllib3.exceptions.HTTPError, OSError):
            raise _TryAgainError("broke off its answer") from None
        clean = bytes(body)
        for text in self._hidden:
            clean = clean.replace(text.encode(), REPLACEMENT.encode())
        return clean

    def _check_status(self, response: requests.Response, body: bytes) -> None:
        status = response.status_code
        if status in _RETRIED_STATUSES or status >= _SERVER_ERROR:
            wait = _retry_after(response.headers.get("Retry-After"))
            raise _TryAgainError(f"answered {status}", wait)
        if status in _SUCCESSES:
            return
        answer = f"{status} {self._clean(response.reason or '')}".rstrip()
        told = f"{self._shown(response.url)} answered {answer}{self._clean(_detail(body))}"
        if status == _UNAUTHORISED:
            raise UnauthorisedError(f"{told}: the credentials are missing or not taken")
        if status == _FORBIDDEN:
            raise HttpError(f"{told}: the credentials are missing or not enough")
        raise HttpError(told)

    def _shown(self, url: str) -> str:
        """The URL for a message, without its query."""
        return self._clean(url.partition("?")[0])

    def _clean(self, text: str) -> str:
        for hidden in self._hidden:
            text = text.replace(hidden, REPLACEMENT)
        return redact_text(text)


def _spellings(secret: str) -> list[str]:
    """A secret as it may stand in a JSON text or a URL."""
    if len(secret) < _SHORTEST_SECRET:
        return []
    escaped = json.dumps(secret)[1:-1]
    quoted = quote(secret, safe="")
    return list(dict.fromkeys((secret, escaped, escaped.replace("/", r"\/"), quoted)))


def _backoff(number: int) -> float:
    """Seconds to wait after failure `number`, counted from 0: doubled, and spread by chance."""
    longest = min(_LONGEST_BACKOFF_SECONDS, _FIRST_WAIT_SECONDS * 2**number)
    return random.uniform(longest / 2, longest)


def _retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After asks for, 0 if they are over; None if it asks for nothing."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _parsed(body: bytes, shown: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise HttpError(f"{shown} answered JSON that is nested too deep") from None
    except ValueError:
        # A server that closes the connection too early may leave no other trace.
        if body.lstrip()[:1] in (b"", b"{", b"["):
            raise _TryAgainError("answered broken JSON") from None
        raise HttpError(f"{shown} answered something that is no JSON") from None


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _detail(body: bytes) -> str:
    """What an error says about itself, in one short line."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    told = [answer.get(name) for name in ("detail", "message", "error", "title")]
    text = next((text for text in told if isinstance(text, str) and text), "")
    return f" ({' '.join(text.split())[:_SHOWN_DETAIL]})" if text else ""


def _reason(error: BaseException) -> str:
    """The system's word for what went wrong; the exception's own text may tell a URL."""
    seen: BaseException | None = error
    while seen:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return "the connection broke off"
