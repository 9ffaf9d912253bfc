"""Reach an Airflow server: the version of its stable REST API, its login, its listings."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from chm.ingest.http import HttpError, JsonClient, Patience, UnauthorisedError, UnreachableError

Object = dict[str, Any]
Version = Literal["v1", "v2"]

_VERSIONS: tuple[Version, ...] = ("v2", "v1")
# The server may give fewer: its maximum_page_limit is 100 where nobody changed it.
_PAGE_ENTRIES = 100


@dataclass(frozen=True)
class Login:
    """What an Airflow server may be shown: a bearer token, else a user's name and password."""

    token: str | None = None
    user: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class Airflow:
    """An Airflow server; `root` is the URL of its API, with the version at the end."""

    client: JsonClient
    root: str

    def pages(
        self, kind: str, *path: str, **query: str | int
    ) -> Iterator[tuple[list[Object], int]]:
        """Yield the entries of each page of a listing, and how many there are in all.

        Raises:
            HttpError: see JsonClient, or the answer is no such listing.
        """
        url = "/".join([self.root, *(quote(part, safe="") for part in path)])
        offset = 0
        while True:
            answer = self.client.get(url, query | {"limit": _PAGE_ENTRIES, "offset": offset})
            listing = answer if isinstance(answer, dict) else {}
            found, total = listing.get(kind), listing.get("total_entries")
            if (
                not isinstance(found, list)
                or not isinstance(total, int)
                or not all(isinstance(one, dict) for one in found)
            ):
                raise HttpError(f"{url} answered no list of {kind} with its total_entries")
            yield found, total
            offset += len(found)
            if not found or offset >= total:
                return


def open_airflow(
    url: str, login: Login, patience: Patience, tell: Callable[[str], None] = lambda _: None
) -> Airflow:
    """Find the version of the server's API, where `url` does not tell it, and log in.

    Raises:
        HttpError: there is no such API, it does not answer, or it does not take the login.
    """
    token = login.token or ""
    header = f"Bearer {token}" if token else None
    client = JsonClient(patience, header, (token, login.password or ""), tell)
    told = next((version for version in _VERSIONS if url.endswith(f"/api/{version}")), None)
    server = url.removesuffix(f"/api/{told}")
    version = told or _find_version(client, server)
    root = f"{server}/api/{version}"
    if token or not login.user or not login.password:
        return Airflow(client, root)
    if version == "v1":
        basic = b64encode(f"{login.user}:{login.password}".encode()).decode()
        secrets = (basic, login.password)
        return Airflow(JsonClient(patience, f"Basic {basic}", secrets, tell), root)
    token = _log_in(client, server, login.user, login.password)
    return Airflow(JsonClient(patience, f"Bearer {token}", (token, login.password), tell), root)


def dag_ids(airflow: Airflow) -> list[str]:
    """Return the ids of the DAGs that the server finds in its files.

    Raises:
        HttpError: see JsonClient.
    """
    pages = airflow.pages("dags", "dags", order_by="dag_id")
    return [str(dag["dag_id"]) for dags, _ in pages for dag in dags if dag.get("dag_id")]


def _find_version(client: JsonClient, url: str) -> Version:
    """Return the version of the stable API that the server has.

    Raises:
        HttpError: it has none, or does not answer.
    """
    errors = []
    for version in _VERSIONS:
        try:
            client.get(f"{url}/api/{version}/version")
        except (UnauthorisedError, UnreachableError):
            raise
        except HttpError as error:
            errors.append(str(error))
        else:
            return version
    raise HttpError("found no stable REST API of Airflow: " + "; ".join(errors))


def _log_in(client: JsonClient, url: str, user: str, password: str) -> str:
    """Return the token that Airflow 3 gives a user.

    Raises:
        HttpError: it gives none.
    """
    answer = client.post(f"{url}/auth/token", {"username": user, "password": password})
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise HttpError(f"{url}/auth/token answered no access_token")
    return token
