"""Who may ask the book bot: whoever knows the secret, or comes from an address that is allowed."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from maeari.errors import SettingsError

SECRET_HEADER = "X-Maeari-Skill-Secret"
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Callers:
    """The secret, the networks that need none, and the proxies whose word on addresses is taken."""

    secret: str = field(repr=False)
    allowed: tuple[Network, ...] = ()
    proxies: tuple[Network, ...] = ()

    def may_ask(self, headers: Mapping[str, str], peer: str | None) -> bool:
        """Whether a caller with these headers, at this end of the connection, may ask."""
        given = headers.get(SECRET_HEADER.lower(), "")
        if hmac.compare_digest(given.encode("utf-8", "replace"), self.secret.encode()):
            return True
        address = self._address(headers, peer)
        return address is not None and _is_in(address, self.allowed)

    def _address(self, headers: Mapping[str, str], peer: str | None) -> IPv4Address | IPv6Address | None:
        """Where the caller is: behind proxies that are trusted, the nearest address that is none of theirs."""
        address = _parsed(peer or "")
        if address is None or not _is_in(address, self.proxies):
            return address
        for told in reversed(headers.get("x-forwarded-for", "").split(",")):
            address = _parsed(told.strip())
            if address is None or not _is_in(address, self.proxies):
                return address
        return None


def networks(text: str, setting: str) -> tuple[Network, ...]:
    """Networks and addresses separated by commas; SettingsError names the one that is none."""
    found = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        try:
            found.append(ip_network(part))
        except ValueError as error:
            raise SettingsError(
                f"“{part}” in {setting} is no network: {error}. Write addresses such as 203.0.113.7 or networks "
                "such as 203.0.113.0/24, separated by commas."
            ) from None
    return tuple(found)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: IPv4Address | IPv6Address, among: Sequence[Network]) -> bool:
    return any(address in network for network in among)
