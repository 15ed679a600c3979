"""Who may talk to our servers: whoever has the token that the command line printed, from a page of ours.

A server of this kind can be reached by every program and every web page on the machine: pages of other sites can send it requests
(cross-site request forgery) or reach it under a name of their own (DNS rebinding). So a request needs the token, as part of the
first address or in the cookie that this sets; its Origin must be ours; and on loopback its Host must be a name of loopback.
"""

import hmac
import secrets
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from paco_core.errors import BadInput

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DENIED = "This page needs its token: open the whole address that paco printed, with ?token=… at its end."


@dataclass(frozen=True)
class Denied:
    """An answer for who may not: a status and a sentence."""

    status: int
    text: str


@dataclass(frozen=True)
class Welcome:
    """An answer for who came with the token in the address: a cookie, and the address without it."""

    cookie: str
    location: str = "/"


@dataclass(frozen=True)
class Guard:
    """One server's rules."""

    host: str
    """That it is bound to."""
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def address(self) -> str:
        """What the person opens."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self.token}"

    def check(self, target: str, headers: dict[str, str]) -> Denied | Welcome | None:
        """None lets the request pass. ``target`` is its path with the query, ``headers`` have lower-case names."""
        host = headers.get("host", "")
        if self.host in LOOPBACK and _hostname(host) not in LOOPBACK:
            return Denied(403, "This server answers to this machine's own names only.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return Denied(403, "This request comes from a page of another site.")
        given = parse_qs(urlsplit(target).query).get("token", [""])[0]
        if given and self._is_ours(given):
            return Welcome(f"{self._cookie_name}={self.token}; Path=/; HttpOnly; SameSite=Strict")
        return None if self._is_ours(self._in_cookie(headers.get("cookie", ""))) else Denied(403, _DENIED)

    @property
    def _cookie_name(self) -> str:
        return f"paco_{self.port}"  # cookies don't know ports: two servers have two names

    def _in_cookie(self, text: str) -> str:
        try:
            morsel = SimpleCookie(text).get(self._cookie_name)
        except CookieError:
            return ""
        return "" if morsel is None else morsel.value

    def _is_ours(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


def choose_port(host: str, wanted: int | None, usual: int) -> int:
    """``wanted``, or without it the first free one from ``usual`` on. Raises ``BadInput`` for one that can't be had."""
    for port in [wanted] if wanted is not None else range(usual, usual + 100):
        if not 1 <= port <= 65535:
            raise BadInput(f"--port {port}: ports are 1…65535.")
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            with socket.socket(infos[0][0], socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(infos[0][4])
                return port
        except socket.gaierror as error:
            raise BadInput(f"--host {host}: this machine has no such name or address ({error.strerror}).") from error
        except OSError as error:
            if wanted is not None:
                raise BadInput(
                    f"Port {port} of {host} can't be had ({error.strerror or error}): another program has it, or rights are "
                    "missing. Choose another --port, or leave it out."
                ) from error
    raise BadInput(f"No port from {usual} to {usual + 99} is free on {host}. Choose one with --port.")


def _hostname(host: str) -> str:
    """Of a Host header, without its port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
