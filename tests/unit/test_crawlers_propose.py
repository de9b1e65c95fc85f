"""What is proposed for sites of many markups; their pages lie in memory."""

import asyncio
import json

import pytest
from scrapy.http import Response
from scrapy.responsetypes import responsetypes

from crawlers.errors import SourceError
from crawlers.propose import propose, proposed_name

HOME = "https://shop.example"


def fetch_from(pages: dict[str, tuple[str, bytes | str]]):
    """A fetcher of pages by path and query; what is not there is a 404."""

    async def fetch(request) -> Response:
        path = request.url.removeprefix(HOME) or "/"
        if path not in pages:
            return Response(request.url, status=404, request=request)
        content_type, body = pages[path]
        headers = {"Content-Type": content_type}
        body = body.encode() if isinstance(body, str) else body
        kind = responsetypes.from_args(headers=headers, url=request.url, body=body)
        return kind(request.url, status=200, headers=headers, body=body, request=request)

    return fetch


def proposed(pages: dict, path: str = "/"):
    return asyncio.run(propose(f"{HOME}{path}", fetch_from(pages)))


def html(body: str) -> tuple[str, str]:
    return (
        "text/html; charset=utf-8",
        f"<!doctype html><html><head><title>가게</title></head><body>{body}</body></html>",
    )


def text(n: int) -> str:
    return f"{n}번째로 남기는 이용 후기인데 생각보다 {'아주 ' * (n % 4)}괜찮았고 다음에 또 들를 생각입니다."


def stars(n: int) -> str:
    return "★" * (n % 5 + 1) + "☆" * (4 - n % 5)


NAVIGATION = (
    "<nav><ul>" + "".join(f'<li><a href="/menu/{n}">메뉴 {n}번 이름이 긴 것</a></li>' for n in range(8)) + "</ul></nav>"
)


def test_plain_blocks_with_a_next_link_by_its_words():
    reviews = "".join(
        f'<li class="item {"odd" if n % 2 else ""}" id="cmt_{900 + 7 * n}"><strong class="nick">손님{n}</strong>'
        f'<span class="score" aria-label="5점 만점에 {n % 5 + 1}점"></span><p class="txt">{text(n)}</p>'
        f'<time datetime="2025-01-{n + 1:02}T10:00:00+09:00">{n}일</time></li>'
        for n in range(12)
    )
    pages = {
        "/": html(f'{NAVIGATION}<h1>상품</h1><ul id="list">{reviews}</ul><a class="more" href="/?from=12">다음 ›</a>')
    }
    pages["/"] = pages["/"][0], pages["/"][1].replace("/?from=12", "/second")
    found = proposed(pages)
    assert found.checked.records == 12
    assert found.facts["selectors"] == {
        "review": "li.item",
        "id": "::attr(id)",
        "body": ".txt",
        "author": ".nick",
        "rating": ".score::attr(aria-label)",
        "written_at": "time::attr(datetime)",
    }
    assert found.facts["paging"] == {"by": "next_link", "link": "a.more"}


def test_rows_of_a_table_without_classes_are_told_by_its_heads():
    rows = "".join(
        f"<tr><td>{500 - n}</td><td>{text(n)}</td><td>{stars(n)}</td><td>손님{n}</td><td>25.1.{n + 1}</td></tr>"
        for n in range(10)
    )
    table = (
        f"<table id=board><tr><th>번호</th><th>내용</th><th>평점</th><th>글쓴이</th><th>작성일</th></tr>{rows}</table>"
    )
    pages = {
        "/b?id=3": html(f'{NAVIGATION}{table}<a href="/b?id=3&amp;page=1">1</a><a href="/b?id=3&amp;page=2">2</a>')
    }
    found = proposed(pages, "/b?id=3")
    assert found.checked.records == 10
    assert not found.checked.refused
    assert found.facts["selectors"] == {
        "review": "#board tr:has(td)",
        "id": "td:nth-child(1)",
        "body": "td:nth-child(2)",
        "author": "td:nth-child(4)",
        "rating": "td:nth-child(3)",
        "written_at": "td:nth-child(5)",
        "subject_name": "title",
    }
    assert found.facts["paging"] == {"by": "page", "parameter": "page"}


def test_a_list_whose_links_lead_to_reviews_counted_by_offset():
    def subject(number: int) -> str:
        reviews = "".join(
            f'<div class="row" data-seq="{number}{n:03}"><div class="rate">{n % 10 + 1}점</div><div class="css-1ab2c3">'
            f'{text(n)}</div><em class="date">{n + 2}일 전</em></div>'
            for n in range(15)
        )
        return f'{NAVIGATION}<h1>{number}호점</h1>{reviews}<a href="/shop.php?no={number}&amp;start=15">2</a>'

    links = "".join(f'<div><a href="shop.php?no={n}">{n}호점 보러 가기</a> 서울 어딘가</div>' for n in range(1, 6))
    pages = {f"/shop.php?no={n}": html(subject(n)) for n in range(1, 6)} | {"/list": html(f"{NAVIGATION}{links}")}
    found = proposed(pages, "/list")
    assert found.checked.records == 15
    assert found.facts["subject_links"] == 'a[href^="shop.php?no="]'
    assert found.facts["paging"] == {"by": "offset", "parameter": "start", "step": 15}
    assert found.facts["selectors"]["id"] == "::attr(data-seq)"
    assert found.facts["selectors"]["rating_max"] == 10
    assert found.facts["selectors"]["written_at"] == ".date"


def test_what_a_site_tells_in_a_standard_goes_before_selectors():
    reviews = "".join(
        f'<div itemprop="review" itemscope itemtype="https://schema.org/Review" id="r{n}"><meta itemprop="identifier" '
        f'content="m{n}"><span itemprop="author">손님</span><p itemprop="reviewBody">{text(n)}</p></div>'
        for n in range(4)
    )
    shop = f'<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">의자</h1>{reviews}</div>'
    found = proposed({"/": html(shop)})
    assert found.facts == {"kind": "review_pages", "start_urls": [f"{HOME}/"]}
    assert found.checked.records == 4


def test_numbers_that_only_count_a_page_are_no_identifiers():
    reviews = "".join(f'<div class="review" id="review-{n}"><i>{stars(n)}</i><p>{text(n)}</p></div>' for n in range(9))
    with pytest.raises(SourceError, match="No record was found"):
        proposed({"/": html(reviews)})


ARTICLE = "<article><h1>{0}</h1><p>{1}</p></article>"


def test_a_feed_that_the_page_names():
    items = "".join(f"<item><title>소식 {n}</title><link>{HOME}/press/{n}</link></item>" for n in range(5))
    pages = {
        "/": (
            "text/html",
            '<html><head><link rel="alternate" type="application/rss+xml" href="/rss"></head><body>신문</body></html>',
        ),
        "/rss": ("text/xml", f"<rss><channel><link>{HOME}/</link>{items}</channel></rss>"),
    } | {f"/press/{n}": html(ARTICLE.format(f"소식 {n}", text(n) * 6)) for n in range(5)}
    found = proposed(pages)
    assert found.facts == {"kind": "news_feed", "start_urls": [f"{HOME}/rss"], "article_path": "^/press/"}
    assert found.checked.records == 2


def test_a_sitemap_that_robots_txt_names():
    entries = "".join(f"<url><loc>{HOME}/{'about' if n % 2 else 'story'}/{n}</loc></url>" for n in range(6))
    dated = '<meta property="article:published_time" content="2025-01-13T10:00:00+09:00">'
    pages = {
        "/": html("<p>신문</p>"),
        "/robots.txt": ("text/plain", f"User-agent: *\nSitemap: {HOME}/map.xml\n"),
        "/map.xml": (
            "application/xml",
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>',
        ),
    }
    pages |= {f"/story/{n}": html(dated + ARTICLE.format(f"소식 {n}", text(n) * 6)) for n in range(6)}
    pages |= {f"/about/{n}": html(ARTICLE.format(f"부서 {n}", text(n) * 6)) for n in range(6)}
    found = proposed(pages)
    assert found.facts == {"kind": "news_sitemap", "start_urls": [f"{HOME}/map.xml"], "article_path": "^/story/"}


def test_an_interface_that_answers_in_json():
    def page(first: int) -> tuple[str, str]:
        reviews = [
            {
                "reviewId": f"r{n}",
                "score": n % 10 + 1,
                "contents": text(n),
                "user": {"nickname": f"손님{n}", "level": 3},
                "createdAt": "2025-01-13T10:00:00+09:00",
                "like-count": n,
            }
            for n in range(first, first + 10)
        ]
        return "application/json", json.dumps({"result": {"total": 99, "list": reviews}, "menu": [{"a": 1}]})

    found = proposed({"/api": page(0), "/api?page=1": page(0), "/api?page=2": page(10)}, "/api")
    assert found.facts["kind"] == "review_api"
    assert found.facts["records"] == "result.list"
    assert found.facts["fields"] == {
        "id": "reviewId",
        "body": "contents",
        "author": "user.nickname",
        "rating": "score",
        "rating_max": 10,
        "written_at": "createdAt",
        "subject_id": "'api'",
    }
    assert found.facts["paging"] == {"by": "page", "parameter": "page"}
    assert found.checked.records == 10


def test_an_interface_whose_answer_links_to_the_next_page():
    def page(first: int) -> tuple[str, str]:
        reviews = [
            {"uuid": f"u-{n}", "attributes": {"text": text(n), "score": n % 5 + 1}} for n in range(first, first + 9)
        ]
        return "application/json", json.dumps({"data": reviews, "links": {"next": f"/api?offset={first + 9}"}})

    found = proposed({"/api": page(0), "/api?offset=0": page(0)}, "/api")
    assert found.facts["paging"] == {"by": "offset", "parameter": "offset", "step": 9}


def test_an_interface_without_a_way_to_a_next_page_says_so():
    reviews = [{"id": n, "text": text(n), "score": n % 5 + 1} for n in range(9)]
    found = proposed({"/api": ("application/json", json.dumps(reviews))}, "/api")
    assert "paging" not in found.facts
    assert "No way to a next page was found" in found.reasons[-1]


def test_blocks_whose_classes_a_build_made():
    reviews = "".join(
        f'<div class="css-1x{n}ab9"><div data-review-id="{700 + 3 * n}"><div class="css-a8f">'
        f'<span class="css-zz1">user{n}</span><span class="css-q3q" aria-label="Rated {n % 5 + 1} out of 5">★★★</span>'
        f'</div><div class="css-77d">Jan {n + 1}, 2025</div><div class="css-0ff">{text(n)}</div></div></div>'
        for n in range(8)
    )
    found = proposed({"/": html(f'<div id="app"><h1>Coffee</h1>{reviews}</div>')})
    assert found.facts["selectors"]["rating"] == "span::attr(aria-label)"
    assert [(one["rating"], one["when"]) for one in found.examples[:2]] == [
        ("1 of 5", "2025-01-01"),
        ("2 of 5", "2025-01-02"),
    ]


def test_an_interface_whose_address_names_the_subject():
    reviews = [{"reviewNo": n, "comment": text(n), "regDate": "2025-01-13"} for n in range(9)]
    found = proposed({"/products/4711/reviews": ("application/json", json.dumps(reviews))}, "/products/4711/reviews")
    assert found.facts["start_urls"] == [f"{HOME}/products/{{subject}}/reviews"]
    assert found.facts["subjects"] == {"4711": None}
    assert found.facts["fields"] == {"id": "reviewNo", "body": "comment", "written_at": "regDate"}
    assert found.facts["records"] == "@"


@pytest.mark.parametrize(
    "page",
    [
        html("<p>아무것도 없습니다</p>"),
        html("<div>" * 20_000 + "끝"),
        html('<script type="application/ld+json">' + "[" * 50_000),
        ("text/html", bytes(range(256)) * 50),
        ("application/json", "[" * 50_000),
        ("application/json", '{"a": [1, 2, {"b": null}]}'),
        ("text/xml", '<!DOCTYPE a [<!ENTITY b "bb">]><rss><item><link>&b;</link></item></rss>'),
        html("".join(f'<li class="a{{}}" id="{n}\'"]><p>★★★ {n}</p></li>' for n in range(9))),
        html("".join(f'<a href="http://[{n}/x">{n}</a><a href="/a\nb/{n}?\'&quot;">x</a>' for n in range(9))),
        html("".join(f'<div data-a"b="{n}" data-{"x" * 9000}="{n}"><p>★★★ 후기 글 {n}</p></div>' for n in range(9))),
        ("text/xml", "<rss>" + "<item><link>http://[/</link></item>" * 9 + "</rss>"),
        ("text/xml", "<sitemapindex>" + "<sitemap><loc>http://[/</loc></sitemap>" * 9 + "</sitemapindex>"),
        html("<ul>" + "<li><b>가</b> 나다라마 12345678" * 100_000 + "</ul>"),
    ],
    ids=range(13),
)
def test_where_nothing_can_be_read_a_sentence_says_so(page):
    with pytest.raises(SourceError, match="No record was found|neither a page, a feed nor JSON"):
        proposed({"/": page})


def test_what_is_not_there_is_told():
    with pytest.raises(SourceError, match="answered with HTTP 404"):
        proposed({})


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://www.shop.co.kr/reviews.html", "shop_co_reviews"),
        ("http://127.0.0.1:8000/books", "site_books"),
        ("https://news.example/", "news"),
        ("https://9.example/한글", "site"),
    ],
)
def test_a_name_is_made_of_host_and_path(address, name):
    assert proposed_name(address) == name
