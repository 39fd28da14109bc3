"""The network of a client, and which proxies are believed about it."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.rum.address import NOBODY, Proxies, prefix


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2"),
        ("::ffff:192.0.2.77", "192.0.2"),
        ("2001:db8:1:22ff::1", "20010db8000122"),
        ("2001:db8:1:2200:ffff::9", "20010db8000122"),
        ("fe80::1%eth0", "fe800000000000"),
        ("[2001:db8:1:22ff::1]", "20010db8000122"),
        ("", NOBODY),
        ("localhost", NOBODY),
        ("1.2.3", NOBODY),
        ("300.1.2", NOBODY),
    ],
)
def test_an_address_belongs_to_a_network(address: str, network: str) -> None:
    assert prefix(address) == network


@given(st.text(max_size=60))
def test_any_text_has_some_network(address: str) -> None:
    assert isinstance(prefix(address), str)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", "10.1.1.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "6.6.6.6, unknown", "unknown"),
        ("10.0.0.1", "", ""),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(
    peer: str, forwarded: str, client: str
) -> None:
    assert Proxies(["10.0.0.0/8"]).client(peer, forwarded) == client


@given(st.text(max_size=200))
def test_no_forwarded_text_breaks_it(forwarded: str) -> None:
    assert isinstance(Proxies(["10.0.0.0/8"]).client("10.0.0.1", forwarded), str)


@given(st.ip_addresses() | st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", fullmatch=True))
def test_the_short_way_of_ipv4_agrees_with_the_parser(address: object) -> None:
    networks = ["10.0.0.0/8", "192.0.2.1", "128.0.0.0/1", "2001:db8::/32"]

    def parsed(text: str) -> bool:
        try:
            known = ip_address(text)
        except ValueError:
            return False
        return any(known in ip_network(one) for one in networks)

    assert Proxies(networks).trusts(str(address)) == parsed(str(address))
