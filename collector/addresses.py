"""Which addresses may be connected to. Pure but for the system's own name look-up.

Targets come from the configuration, yet a name can be made to lead anywhere: so it is resolved
once, every address is checked, and the connection goes to a checked address.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

from collector.failure import CollectFailure, Failure
from collector.sidethread import SideThread, StillBusyError
from storage.addresses import denied

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host name and port, in the order in which to try them."""


async def checked(host: str, port: int, resolve: Resolve) -> list[str]:
    """The addresses to connect to; CollectFailure `denied` as soon as one of them may not be."""
    addresses = list(dict.fromkeys(await resolve(host, port)))
    if not addresses:
        raise CollectFailure(Failure.DNS, f"{host} has no address")
    for address in addresses:
        kind = denied(address)
        if kind is not None:
            raise CollectFailure(
                Failure.DENIED, f"{host} leads to {address} ({kind}), which is never connected to"
            )
    return addresses


class SystemResolver:
    """Asks the operating system, beside the event loop; literal addresses come back at once."""

    def __init__(self) -> None:
        self._thread = SideThread("plimsoll-name-lookup")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            found = await self._thread.run(
                lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except StillBusyError:
            raise CollectFailure(
                Failure.DNS, f"the previous look-up of {host} has not come back"
            ) from None
        except (OSError, UnicodeError):
            raise CollectFailure(Failure.DNS, f"{host} cannot be resolved") from None
        return [str(sockaddr[0]) for *_, sockaddr in found]
