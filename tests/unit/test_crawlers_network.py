"""Which addresses a crawl connects to, which hosts it follows, and where keys are put in."""

import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from crawlers.errors import AddressRefused
from crawlers.kinds import ReviewApi, ReviewPages
from crawlers.network import Keys, OwnSite, PublicReactor, is_public

PUBLIC = ("1.1.1.1", "223.130.192.247", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1")
PRIVATE = (
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "100.127.255.255", "0.0.0.0", "0.1.2.3", "192.0.0.1", "198.18.0.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1", "4000::1"),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_told(address):
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_told_however_they_are_wrapped(address):
    assert not is_public(address)


class Names:
    """A resolver that gives the next of its answers at each lookup."""

    def __init__(self, *answers: list[str]):
        self.answers = list(answers)

    def resolveHostName(self, receiver, name, portNumber=0, addressTypes=None, transportSemantics="TCP"):
        receiver.resolutionBegan(None)
        for address in self.answers.pop(0):
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, portNumber))
        receiver.resolutionComplete()


def connect(reactor: MemoryReactorClock) -> list:
    outcome = []
    endpoint = HostnameEndpoint(PublicReactor(reactor), "shop.example", 80)
    endpoint.connect(Factory.forProtocol(lambda: None)).addBoth(outcome.append)
    reactor.pump([0.3] * 8)
    return outcome


def test_a_name_that_means_a_private_address_is_refused():
    reactor = MemoryReactorClock()
    reactor.installNameResolver(Names(["169.254.169.254"], ["fd00::1"]))
    for _ in range(2):
        (failure,) = connect(reactor)
        assert failure.check(AddressRefused)
    assert reactor.tcpClients == []


def test_a_name_that_means_another_address_at_the_second_look_is_refused_then():
    reactor = MemoryReactorClock()
    reactor.installNameResolver(Names(["1.1.1.1"], ["127.0.0.1"]))
    assert connect(reactor) == []
    assert [client[0] for client in reactor.tcpClients] == ["1.1.1.1"]
    (failure,) = connect(reactor)
    assert failure.check(AddressRefused)
    assert len(reactor.tcpClients) == 1


def test_of_a_name_with_public_and_private_addresses_only_public_ones_are_tried():
    reactor = MemoryReactorClock()
    reactor.installNameResolver(Names(["10.0.0.1", "1.1.1.1", "fd00::1", "2606:4700::1"]))
    outcome = connect(reactor)
    assert [client[0] for client in reactor.tcpClients] == ["1.1.1.1", "2606:4700::1"]
    for host, port, factory, *_ in reactor.tcpClients:
        factory.clientConnectionFailed(None, Failure(ConnectionRefusedError(f"{host}:{port}")))
    assert len(outcome) == 1


def source(*addresses: str, **facts) -> ReviewPages:
    facts = {"name": "shop", "kind": "review_pages", "owner": "the tests", "licence": "our own", **facts}
    return ReviewPages.model_validate({**facts, "start_urls": addresses or ["https://shop.example/list"]})


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("https://shop.example/x", True),
        ("http://shop.example/x", True),
        ("https://SHOP.example:443/x", True),
        ("https://shop.example:8443/x", False),
        ("https://www.shop.example/x", False),
        ("https://shop.example.evil.example/x", False),
        ("https://shop.example@evil.example/x", False),
        ("https://shop.example./x", False),
        ("ftp://shop.example/x", False),
        ("http://127.0.0.1/x", False),
    ],
)
def test_a_site_is_its_hosts(address, is_own):
    assert OwnSite(source()).has(Request(address)) == is_own


def test_a_local_site_is_its_ports_too():
    site = OwnSite(source("http://127.0.0.1:8000/list", local=True))
    assert site.has(Request("http://127.0.0.1:8000/x"))
    for port in ("", ":5432", ":443"):
        assert not site.has(Request(f"http://127.0.0.1{port}/x"))


def test_a_site_with_a_korean_name_is_itself():
    site = OwnSite(source("https://한글.example/목록"))
    assert site.has(Request("https://한글.example/후기"))


def api(**facts) -> ReviewApi:
    facts = {"name": "shop", "kind": "review_api", "owner": "the tests", "licence": "our own", **facts}
    facts |= {"records": "items", "fields": {"id": "id", "body": "body", "subject_id": "of"}}
    facts = {"start_urls": ["https://shop.example/api"], "parameters": {"serviceKey": "${SHOP_KEY}"}} | facts
    return ReviewApi.model_validate(facts)


@pytest.fixture
def keys_of(monkeypatch):
    def make(value: str) -> Keys:
        monkeypatch.setenv("SHOP_KEY", value)
        return Keys(api())

    return make


ADDRESS = Request("https://shop.example/api?" + urlencode({"serviceKey": "${SHOP_KEY}", "n": 1})).url


@pytest.mark.parametrize("address", [ADDRESS, Request("https://shop.example/api?serviceKey=${SHOP_KEY}&n=1").url])
@pytest.mark.parametrize("key", ["ab+c/d/e==", "plain-key_1.2~", "a%2Bb%2fc%3D%3D", "100%", "sp ace&n=2", "열쇠 열쇠"])
def test_a_key_is_encoded_once(keys_of, address, key):
    url = keys_of(key).put_in_url(address.encode()).decode()
    assert url.isascii()
    assert " " not in url
    raw = unquote(key) if key.startswith("a%2B") else key
    assert parse_qs(urlsplit(url).query) == {"serviceKey": [raw], "n": ["1"]}
    assert Request(url).url == url


def test_only_keys_that_the_source_names_are_put_in(keys_of):
    keys = keys_of("the key itself")
    assert b"HOME" in keys.put_in_url(b"https://shop.example/api?x=%24%7BHOME%7D")
    assert keys.put_in_header(b"Bearer ${SHOP_KEY} ${HOME}") == b"Bearer the key itself ${HOME}"
    assert not keys.are_named_in(b"${HOME}", b"SHOP_KEY")
    assert keys.are_named_in(b"/x", b"a=%24%7BSHOP_KEY%7d")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=60).map(str.strip))
def test_a_key_is_taken_out_however_the_answer_spells_it(key):
    if len(key) < 8 or "%" in key:
        return
    os.environ["SHOP_KEY"] = key
    try:
        keys = Keys(api())
    finally:
        del os.environ["SHOP_KEY"]
    lower = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(key, safe=""))
    json_signs = "".join(sign if sign.isalnum() else f"\\u{ord(sign):04x}" for sign in key)
    spelt = (key, quote(key, safe=""), quote(key), lower, quote(quote(key, safe=""), safe=""), json_signs)
    for spelling in (*spelt, key.replace("/", "\\/")):
        assert keys.take_out(f"<a {spelling}>".encode()) == b"<a ${SHOP_KEY}>"


class Site(ThreadingHTTPServer):
    """Answers with what it was asked, and leads where an address says."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[tuple[str, dict]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        path, _, query = self.path.partition("?")
        status, headers, body = 200, {"Content-Type": "text/plain"}, self.path
        if path == "/robots.txt":
            body = "User-agent: *\nAllow: /\n"
        elif path == "/to":
            target = parse_qs(query)["url"][0]
            status, headers, body = 302, {"Location": target.replace("KEY", parse_qs(query).get("k", [""])[0])}, ""
        elif path == "/echo":
            body += json.dumps(dict(self.headers))
        elif path == "/large":
            body = "a" * (3 << 20)
        self.send_response(status)
        for name, value in {**headers, "X-Asked": self.path, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site(serve):
    return serve(Site())


LOOPBACKS = ("127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost")
LOOPBACKS += ("0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "10.0.0.1", "169.254.169.254")


def test_a_source_that_is_not_local_reaches_no_private_address(site, fetch):
    addresses = [f"http://{host}:{site.server_port}/x" for host in LOOPBACKS]
    answers, *_ = fetch(addresses, start_urls=addresses)
    for host, answer in zip(LOOPBACKS, answers, strict=True):
        assert answer == f"AddressRefused: private address refused ({host.strip('[]')})"

    # Not every system resolves these.
    addresses = [
        f"http://{host}:{site.server_port}/x" for host in ("127.0.0.1.", "localhost.", "localhost.localdomain")
    ]
    answers, *_ = fetch(addresses, start_urls=addresses)
    assert all(re.match("AddressRefused|IgnoreRequest: Forbidden by robots.txt", answer) for answer in answers)
    assert site.asked == []


def test_a_local_source_reaches_its_site_and_no_other_port_or_host(site, serve, fetch):
    other = serve(Site())
    answers, *_ = fetch(
        [
            f"{site.base}/x",
            f"{site.base}/to?url=/y",
            f"{site.base}/to?url={other.base}/z",
            f"{site.base}/to?url=http://localhost:{site.server_port}/z",
            f"{other.base}/z",
            "file:///etc/hostname",
            "data:,x",
        ],
        start_urls=[f"{site.base}/list"],
        local=True,
    )
    assert [answer[:2] for answer in answers[:2]] == [[f"{site.base}/x", 200], [f"{site.base}/y", 200]]
    assert all("ffsite" in answer for answer in answers[2:])
    assert other.asked == []
    assert "/z" not in [path for path, _ in site.asked]


def test_a_proxy_of_the_environment_is_not_used(site, fetch):
    proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    answers, *_ = fetch([f"{site.base}/x"], proxy, start_urls=[f"{site.base}/x"], local=True)
    assert answers[0][1] == 200


KEY = "s3cret+key/of=the=shop"
API = {"kind": "review_api", "records": "items", "fields": {"id": "id", "body": "body", "subject_id": "of"}}
API |= {"headers": {"X-Key": "${SHOP_KEY}"}, "local": True}


def test_a_key_reaches_the_site_and_nothing_else(site, fetch):
    headers = {"X-Key": "Bearer ${SHOP_KEY}"}
    asked = "?" + urlencode({"serviceKey": "${SHOP_KEY}", "n": "1"})
    away = urlencode({"url": "http://other.example/?k=KEY", "k": "${SHOP_KEY}"})
    within = urlencode({"url": "/echo?k=KEY", "k": "${SHOP_KEY}"})
    answers, _, log = fetch(
        [
            {"url": f"{site.base}/echo{asked}", "headers": headers},
            {"url": f"{site.base}/to?{within}", "headers": headers},
            {"url": f"{site.base}/to?{away}"},
        ],
        {"SHOP_KEY": KEY},
        start_urls=[f"{site.base}/api"],
        **API,
    )
    paths = [(path, headers.get("X-Key")) for path, headers in site.asked]
    assert (f"/echo?serviceKey={quote(KEY, safe='')}&n=1", f"Bearer {KEY}") in paths
    assert (f"/echo?k={quote(KEY, safe='')}", f"Bearer {KEY}") in paths
    assert answers[0][0] == f"{site.base}/echo?serviceKey=%24%7BSHOP_KEY%7D&n=1"
    assert "ffsite" in answers[2]
    assert "/echo" in log
    for text in (log, json.dumps(answers)):
        assert "SHOP_KEY" in text
        for spelling in (KEY, quote(KEY), quote(KEY, safe=""), "s3cret"):
            assert spelling not in text


def test_a_key_is_refused_without_https_and_without_a_value(site, fetch):
    facts = {**API, "local": False, "start_urls": ["http://shop.example/api"]}
    headers = {"X-Key": "${SHOP_KEY}"}
    requests = [{"url": "http://shop.example/api", "headers": headers, "meta": {"dont_obey_robotstxt": True}}]
    requests.append(
        {
            "url": "http://shop.example/moved",
            "meta": {"dont_obey_robotstxt": True, "redirect_urls": ["https://shop.example/?k=$%7BSHOP_KEY%7D"]},
        }
    )
    answers, *_ = fetch(requests, {"SHOP_KEY": KEY}, **facts)
    assert answers == ["PageFault: key refused without https (shop.example)"] * 2

    requests = [{"url": f"{site.base}/x", "headers": headers}]
    answers, *_ = fetch(requests, {"SHOP_KEY": ""}, **API, start_urls=[f"{site.base}/api"])
    assert answers == ["PageFault: needs SHOP_KEY, which is not set"]


def test_a_page_beyond_the_size_limit_is_refused_with_a_reason(site, fetch):
    answers, *_ = fetch(
        [f"{site.base}/large", f"{site.base}/x"],
        start_urls=[f"{site.base}/x"],
        local=True,
        limits={"megabytes_per_page": 2},
    )
    assert answers[0] == "PageFault: larger than 2 MB"
    assert answers[1][1] == 200
