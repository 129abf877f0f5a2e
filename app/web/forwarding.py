"""The client of a request: the peer, or the one that trusted proxies name in X-Forwarded-For or Forwarded."""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Lock
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ipaddress import IPv4Network, IPv6Network

    from _typeshed.wsgi import WSGIEnvironment

_CLIENTS_OF_A_PROXY = 5
"""So many clients named by one peer make it look like a proxy."""
_PEERS_WATCHED = 64
_PEERS_NOTICED = 8
"""Of private and of public addresses each: behind no proxy, strangers come from public ones and use up only those."""
_LONGEST_NODE = 256
"""Characters, so that the cache of hostile headers stays small."""
_NODE = re.compile(
    r"""(?P<quote>"?)
        (?: \[(?P<bracketed>[0-9A-Fa-f:.]+(%[^\]"]*)?)\] (:(?P<a>[0-9]{1,5}|_[A-Za-z0-9._-]+))?
          | (?P<ipv4>[0-9]{1,3}(\.[0-9]{1,3}){3}) :(?P<b>[0-9]{1,5}|_[A-Za-z0-9._-]+)
          | (?P<bare>[0-9A-Fa-f:.]+(%[^\]"]*)?)
        )
        (?P=quote)""",
    re.VERBOSE,
)
"""A node of RFC 7239 section 6, or of X-Forwarded-For: an address, with or without port and brackets."""
_PAIR = re.compile(r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([!#$%&'*+.^_`|~0-9A-Za-z:\[\]-]+|"(?:[^"\\]|\\.)*")\s*""")
"""A parameter of Forwarded (RFC 7239 section 4), also without the quotes that it requires and some proxies omit."""
_UNREAD = {
    "HTTP_X_REAL_IP": "X-Real-IP",
    "HTTP_X_CLIENT_IP": "X-Client-IP",
    "HTTP_TRUE_CLIENT_IP": "True-Client-IP",
    "HTTP_CF_CONNECTING_IP": "CF-Connecting-IP",
    "HTTP_X_AZURE_CLIENTIP": "X-Azure-ClientIP",
}
"""Headers that name a client, and are never trusted: they show no chain, so nobody can tell who wrote them."""
_REMEDY = (
    "Make the proxy write its client's address into X-Forwarded-For, and remove every other header of this kind from"
    " requests (docs/deployment.md). Until then, the address may be the proxy's own, or one that the client made up."
)
_log = structlog.get_logger("latchkey.request")


def client_finder(proxies: tuple[IPv4Network | IPv6Network, ...]) -> Callable[[WSGIEnvironment], tuple[bool, str]]:
    """Returns a function: for a request, whether its peer is a trusted proxy, and the client's address, normalised.

    The client is the last address in the chain that is not a trusted proxy; anyone could have written those before it.
    The chain is X-Forwarded-For, or else Forwarded (RFC 7239). It ends at the first part that cannot be parsed; the
    address of a proxy then stands for its clients, which is logged once for each reason.
    """
    look_up = _address_reader(proxies)
    notice_proxy = _proxy_noticer()
    look_up_node = lru_cache(maxsize=4096)(lambda node: look_up(_address_in(node)))
    warn = _warner()

    def client_of(environ: WSGIEnvironment) -> tuple[bool, str]:
        peer = environ.get("REMOTE_ADDR", "")
        known, trusted = look_up(peer)
        client = known or peer
        if not trusted:
            notice_proxy(client, environ)
        return trusted, behind(client, environ) if trusted else client

    def behind(client: str, environ: WSGIEnvironment) -> str:
        header, hops = _chain(environ)
        for hop, node in hops:
            address, trusted = look_up_node(node) if len(node) <= _LONGEST_NODE else (None, False)
            if address is None:
                warn("not an address", header=header, proxy=client, form=_form(hop))
                break
            client = address
            if not trusted:
                break
        if unread := [name for key, name in _UNREAD.items() if key in environ and not header]:
            warn("not read", header=unread[0], proxy=client)
        elif not header and environ.get("REQUEST_METHOD") == "POST":  # checks of its health are not forwarded
            warn("missing", proxy=client)
        if _differ(environ):
            warn("two headers that differ", header="X-Forwarded-For and Forwarded", proxy=client)
        return client

    return client_of


class _Proxies:
    """Notices peers that look like proxies and are not trusted: they send requests for several clients.

    All of these count as one. Anyone can look like a proxy, so it is logged, once for each peer, and changes nothing.
    """

    def __init__(self) -> None:
        self._clients_of: OrderedDict[str, set[str]] = OrderedDict()
        self._noticed: set[str] = set()
        self._lock = Lock()

    def note(self, peer: str, forwarded: str) -> None:
        """A request came from this peer with this forwarding header."""
        if peer in self._noticed or len(self._noticed) >= _PEERS_NOTICED:
            return
        with self._lock:
            clients = self._clients_of.setdefault(peer, set())
            self._clients_of.move_to_end(peer)
            if len(self._clients_of) > _PEERS_WATCHED:
                self._clients_of.popitem(last=False)
            clients.add(forwarded.rpartition(",")[2].strip()[:_LONGEST_NODE])
            if len(clients) < _CLIENTS_OF_A_PROXY or peer in self._noticed:
                return
            self._noticed.add(peer)
            del self._clients_of[peer]
        _log.warning(
            "unknown proxy",
            peer=peer,
            problem="it forwards requests of several clients, who count as one for rate limits and in the log",
            remedy=f"if it is your proxy, set TRUSTED_PROXIES={peer}",
        )


def _proxy_noticer() -> Callable[[str, WSGIEnvironment], None]:
    """Returns a function that is told the peer of each request that no trusted proxy sent."""
    private, public = _Proxies(), _Proxies()

    @lru_cache(maxsize=4096)
    def is_private(peer: str) -> bool:
        try:
            return not ip_address(peer).is_global
        except ValueError:
            return False

    def notice(peer: str, environ: WSGIEnvironment) -> None:
        forwarded = environ.get("HTTP_X_FORWARDED_FOR") or environ.get("HTTP_FORWARDED")
        if forwarded:
            (private if is_private(peer) else public).note(peer, forwarded)

    return notice


def _address_reader(proxies: tuple[IPv4Network | IPv6Network, ...]) -> Callable[[str], tuple[str | None, bool]]:
    """Returns a function: the normalised address of a text, None if it has none; and whether it is a trusted proxy."""

    @lru_cache(maxsize=4096)
    def look_up(text: str) -> tuple[str | None, bool]:
        try:
            address = ip_address(text)
        except ValueError:
            return None, False
        plain = _plain(address)
        return str(plain), any(address in network or plain in network for network in proxies)

    return look_up


def _warner() -> Callable[..., None]:
    """Returns a function that logs each problem once per process: anyone behind a proxy might repeat it."""
    warned: set[str] = set()

    def warn(problem: str, **facts: str) -> None:
        if problem not in warned:
            warned.add(problem)
            _log.warning("forwarding header", problem=problem, remedy=_REMEDY, **facts)

    return warn


def _chain(environ: WSGIEnvironment) -> tuple[str, Iterator[tuple[str, str]]]:
    """The name of the header that is used, "" if there is none, and its hops with their nodes, the last first.

    The value is split from the end and without regard to quotes, so that a quote opened by the client cannot hide what
    the proxy added after it.
    """
    if (value := environ.get("HTTP_X_FORWARDED_FOR", "")).strip(" \t,"):
        return "X-Forwarded-For", ((hop, hop.strip()) for hop in reversed(value.split(",")) if hop.strip())
    if (value := environ.get("HTTP_FORWARDED", "")).strip(" \t,"):
        return "Forwarded", ((hop, _for_in(hop)) for hop in reversed(value.split(",")) if hop.strip())
    return "", iter(())


def _differ(environ: WSGIEnvironment) -> bool:
    """Whether both headers are sent and name different clients: the proxy writes one and passes the other on."""
    if "HTTP_FORWARDED" not in environ or "HTTP_X_FORWARDED_FOR" not in environ:
        return False
    (_, first), (_, second) = _chain(environ), _chain({**environ, "HTTP_X_FORWARDED_FOR": ""})
    return [_address_in(node) for _, node in first][:1] != [_address_in(node) for _, node in second][:1]


def _for_in(element: str) -> str:
    """The node that an element of Forwarded names with `for`; "" if the element is malformed."""
    position, nodes = 0, []
    while pair := _PAIR.match(element, position):
        if pair[1].lower() == "for":
            nodes.append(pair[2])
        position = pair.end()
        if position == len(element):
            return nodes[0] if len(nodes) == 1 else ""
        if element[position] != ";":
            break
        position += 1
    return ""


def _address_in(node: str) -> str:
    """The address of a node, without quotes, brackets and port; "" if it has none."""
    parts = _NODE.fullmatch(node)
    return (parts["bracketed"] or parts["ipv4"] or parts["bare"]) if parts else ""


def _form(hop: str) -> str:
    """The shape of a hop, without its content: letters become x, digits 0."""
    return re.sub("[0-9]", "0", re.sub("[A-Za-z]", "x", hop[:64])).encode("ascii", "replace").decode()


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address without its zone (fe80::1%eth0), which may hold any text; an IPv4-mapped address as IPv4.

    A socket that listens on :: shows IPv4 addresses in mapped form (RFC 4291 section 2.5.5.2).
    """
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))
