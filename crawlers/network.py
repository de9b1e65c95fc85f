"""The way to a site: which hosts are followed, which addresses are connected to, and where keys are put in.

**Asking with a key.** A source's file writes a key as `${NAME}`, the name of an environment variable. A spider builds
its requests with that text as it is: `urlencode({"serviceKey": "${DATA_GO_KR_KEY}"})` in a query, in a path, or as the
value of a header. Scrapy, its log, faults and rows see nothing else. The value is put in when the request is written
to the connection, and taken out of the answer (headers and body) before anything reads it. So a spider never has a key,
and an address that a site answers with its key in it (`next`, `Location`) can be asked as it came.

- Only names that stand in the source's own file are put in, only for the source's own hosts, and only by https unless
  the source is local; otherwise the request fails with a fault that says so.
- In an address the value is percent-encoded exactly once. A value that already is (it holds an escape such as `%2B`,
  and nothing but escapes and characters that need none) is put in as it is; every other is encoded whole. In a header
  the value is put in as it is.
- A value shorter than 8 characters is not taken out of answers, where it would be found by chance.
"""

import ipaddress
import os
import re
from urllib.parse import quote, unquote, urlsplit

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler, _BindAddressAgent, _ScrapyAgent
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadCancelledError, IgnoreRequest
from scrapy.http import Response
from scrapy.utils._download_handlers import wrap_twisted_exceptions
from scrapy.utils.defer import maybe_deferred_to_future
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers as TxHeaders
from w3lib.url import safe_url_string
from zope.interface import directlyProvides, providedBy

from crawlers.errors import AddressRefused, PageFault
from crawlers.kinds import ENVIRONMENT_KEY, Source

DEFAULT_PORTS = {"http": 80, "https": 443}
MASKED_LENGTH = 8

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# As a source writes it, and as it looks in an address after one or more encodings of its signs.
_PLACEHOLDER = re.compile(rb"(?:\$|%24)(?:\{|%7[Bb])([A-Z][A-Z0-9_]*)(?:\}|%7[Dd])")
_ENCODED = re.compile(r"(?=.*%)(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also when an IPv6 address only wraps an IPv4 one."""
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return ip.is_global and not ip.is_multicast
    if ip in _NAT64:
        return is_public(str(ipaddress.IPv4Address(ip.packed[-4:])))
    wrapped = ip.ipv4_mapped or ip.sixtofour
    return is_public(str(wrapped)) if wrapped else ip in _GLOBAL_UNICAST and ip.is_global


class PublicReactor:
    """Twisted's reactor, but a TCP connection to a private address is refused.

    Names are resolved before, so the address that is checked here is the one that is connected to, whatever a name
    meant a moment ago.
    """

    def __init__(self, reactor):
        self._reactor = reactor
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str):
        return getattr(self._reactor, name)

    def connectTCP(self, host: str, *arguments, **named):
        try:
            is_allowed = is_public(host)
        except ValueError:
            is_allowed = False
        if not is_allowed:
            raise AddressRefused(f"private address refused ({host})")
        return self._reactor.connectTCP(host, *arguments, **named)


class Keys:
    """The values of the keys that a source's file names."""

    def __init__(self, source: Source):
        names = sorted(set(ENVIRONMENT_KEY.findall(source.model_dump_json())))
        self._values = {name.encode(): os.environ.get(name, "").strip() for name in names}
        shown = {name: value for name, value in self._values.items() if len(value) >= MASKED_LENGTH}
        # A value that begins another must not hide it by halves.
        self._shown = [
            (_spellings(shown[name]), b"${%s}" % name) for name in sorted(shown, key=lambda name: -len(shown[name]))
        ]

    def are_named_in(self, *texts: bytes) -> bool:
        """Whether any of the texts holds a key's name where its value belongs."""
        return any(name in self._values for text in texts for name in _PLACEHOLDER.findall(text))

    def put_in_url(self, url: bytes) -> bytes:
        """The address with the keys' values, encoded once."""
        return self._put_in(url, lambda value: value if _ENCODED.fullmatch(value) else quote(value, safe=""))

    def put_in_header(self, value: bytes) -> bytes:
        """A header's value with the keys' values."""
        return self._put_in(value, str)

    def _put_in(self, text: bytes, encoded) -> bytes:
        def value(found: re.Match) -> bytes:
            if found[1] not in self._values:
                return found[0]
            if not self._values[found[1]]:
                raise PageFault(f"needs {found[1].decode()}, which is not set")
            return encoded(self._values[found[1]]).encode()

        return _PLACEHOLDER.sub(value, text)

    def take_out(self, text: bytes) -> bytes:
        """The text with the keys' names for their values, however these are escaped."""
        for spellings, name in self._shown:
            text = spellings.sub(name, text)
        return text


def _spellings(value: str) -> re.Pattern[bytes]:
    """A value as it stands, percent-encoded, or escaped as in JSON; each sign in its own way."""

    def sign(byte: int) -> bytes:
        character = bytes([byte])
        if character.isalnum():
            return character
        code = b"".join(b"[%s%s]" % (digit.upper(), digit) for digit in (b"%c" % d for d in b"%02x" % byte))
        return rb"(?:%%(?:25)*%s|\\u00%s|\\?%s)" % (code, code, re.escape(character))

    raw = unquote(value) if _ENCODED.fullmatch(value) else value
    return re.compile(b"".join(map(sign, raw.encode())))


class OwnSite:
    """The hosts of a source, and the ports of its start addresses."""

    def __init__(self, source: Source):
        parts = [urlsplit(safe_url_string(url)) for url in source.addresses]
        self.is_private = source.local or source.demo is not None
        self._ports = {(part.hostname, part.port or DEFAULT_PORTS.get(part.scheme)) for part in parts}
        self.hosts = {part.hostname for part in parts} | set(source.hosts)
        # A host that only articles are on answers at the ports of the start addresses.
        starts = {host for host, _ in self._ports}
        self._ports |= {(host, port) for host in self.hosts - starts for _, port in list(self._ports)}

    def has(self, request: Request) -> bool:
        """Whether a request goes to the site itself; on a private network to no other port of its machine either."""
        parts = urlparse_cached(request)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        is_usual = not self.is_private and port in DEFAULT_PORTS.values()
        return parts.hostname in self.hosts and (is_usual or (parts.hostname, port) in self._ports)


class _PerSource:
    """Something that Scrapy makes before the spider, and that needs the spider's source."""

    _site: OwnSite | None = None
    _keys: Keys | None = None

    def __init__(self, crawler: Crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler):
        return cls(crawler)

    @property
    def site(self) -> OwnSite:
        self._site = self._site or OwnSite(self.crawler.spider.source)
        return self._site

    @property
    def keys(self) -> Keys:
        self._keys = self._keys or Keys(self.crawler.spider.source)
        return self._keys


class OwnHosts(_PerSource):
    """Keeps a crawl on its source's own hosts.

    Scrapy's own middleware also follows subdomains, and drops a redirect that leads away without telling its request.
    """

    def process_request(self, request: Request) -> None:
        if not self.site.has(request):
            raise IgnoreRequest(f"Filtered offsite request to {urlparse_cached(request).hostname!r}")


class HiddenKeys(_PerSource):
    """Takes keys out of the body of an answer that repeats them."""

    def process_response(self, request: Request, response: Response) -> Response:
        body = self.keys.take_out(response.body)
        return response if body == response.body else response.replace(body=body)


class SourceHandler(_PerSource, HTTP11DownloadHandler):
    """Scrapy's handler of http and https, with checked addresses and keys put in."""

    def __init__(self, crawler: Crawler):
        _PerSource.__init__(self, crawler)
        HTTP11DownloadHandler.__init__(self, crawler)

    async def download_request(self, request: Request) -> Response:
        self._refuse_leaks(request)
        agent = _SourceAgent(
            contextFactory=self._contextFactory,
            pool=self._pool,
            maxsize=self._default_maxsize,
            warnsize=self._default_warnsize,
            fail_on_dataloss=self._fail_on_dataloss,
            crawler=self.crawler,
        )
        agent.keys, agent.is_private = self.keys, self.site.is_private
        try:
            with wrap_twisted_exceptions():
                response = await maybe_deferred_to_future(agent.download_request(request))
        except AddressRefused:
            raise AddressRefused(f"private address refused ({urlparse_cached(request).hostname})") from None
        except DownloadCancelledError:
            raise PageFault(f"larger than {self._default_maxsize / 2**20:g} MB") from None
        for name in list(response.headers):
            response.headers.setlist(name, [self.keys.take_out(value) for value in response.headers.getlist(name)])
        return response

    def _refuse_leaks(self, request: Request) -> None:
        headers = [value for name in request.headers for value in request.headers.getlist(name)]
        led_from = [url.encode() for url in request.meta.get("redirect_urls", ())]
        if not self.keys.are_named_in(request.url.encode(), *headers, *led_from):
            return
        parts = urlparse_cached(request)
        if not self.site.has(request):
            raise PageFault(f"key refused to another host ({parts.hostname})")
        if parts.scheme != "https" and not self.site.is_private:
            raise PageFault(f"key refused without https ({parts.hostname})")


class _SourceAgent(_ScrapyAgent):
    keys: Keys
    is_private: bool

    def _get_agent(self, request: Request, timeout: float) -> "_KeyedAgent":
        # Importing it earlier would install one before Scrapy does.
        from twisted.internet import reactor

        agent = _KeyedAgent(
            reactor if self.is_private else PublicReactor(reactor),
            self._contextFactory,
            connectTimeout=timeout,
            pool=self._pool,
        )
        agent.keys = self.keys
        return agent


class _KeyedAgent(_BindAddressAgent):
    keys: Keys

    def request(self, method: bytes, uri: bytes, headers: TxHeaders, bodyProducer=None) -> Deferred:
        with_keys = TxHeaders()
        for name, values in headers.getAllRawHeaders():
            with_keys.setRawHeaders(name, [self.keys.put_in_header(value) for value in values])
        return super().request(method, self.keys.put_in_url(uri), with_keys, bodyProducer)
