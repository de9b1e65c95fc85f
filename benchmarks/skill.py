"""How fast the book bot answers with 100,000 books, how much memory it takes, and what it says without a database.

    python benchmarks/skill.py [--rate 100] [--seconds 60] [--seed 0] [--write docs/recommend.md]

Books, their words and readers are drawn, and stand in an embedded Postgres in a home of its own with a recommender of
the shipped sizes, live, whose vectors were stored as `store_books` does it after a release. `maeari serve` and the
client are processes of their own on loopback. The client sends so many messages a second whether or not answers come
(an open loop), by 2,000 readers: 30 % free words, the rest titles, authors, more, shorter ones, what they like, and
thanks; an answer's time counts from when its message was due. Then the database is paused, so that it takes connections
and says nothing, and stopped. Prints a Markdown table; ends with exit code 1 when a limit is missed. `--write` puts it
between the markers `skill:begin` and `skill:end` of the page.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from random import Random
from typing import Annotated
from urllib.request import urlopen

import httpx
import numpy as np
import psutil
import typer
from embedded import warehouse
from recommend_speed import BOOKS, drawn
from rich.console import Console
from tables import table, versions, write_between

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

READERS = 2_000
FREE_SHARE = 0.3
SLOWEST_P99_MS, MOST_MIB, READY_SECONDS, KIND_SECONDS = 150, 1_536, 10, 1
WARM_UP_SECONDS = 5
SOURCE = "drawn"
WORDS = re.findall(
    r"\w+",
    "가족 강아지 겨울 고양이 골목 과학 기억 기차 꽃 꿈 나무 눈 달 도서관 도시 마음 모험 바다 밤 별 봄 부엌 비 "
    "사랑 산책 섬 소설 숲 시간 아이 여름 여행 역사 엄마 에세이 열차 예술 우정 우주 음식 음악 이별 전쟁 정원 "
    "죽음 집 철학 추리 친구 편지 학교 항구 희망 따뜻하다 서늘하다 잔잔하다 조용하다 슬프다 재미있다 외롭다",
)
TITLE_FIRST = re.findall(
    r"\w+",
    "느린 오래된 푸른 낯선 작은 마지막 조용한 사라진 겨울의 한밤의 모두의 하얀 붉은 검은 먼 가까운 깊은 높은 "
    "둥근 긴 짧은 젖은 마른 빛나는 잠든 깨어난 떠도는 웃는 우는 기다리는 달리는 멈춘 돌아온 떠난 잊힌 숨은 첫 "
    "두번째 세번째 새",
)
TITLE_SECOND = re.findall(
    r"\w+",
    "우체국 계단 정원 항구 식탁 약속 편지 골목 수학 지도 고양이 산책 부엌 기차 도서관 바다 숲 섬 별 달 강 산 "
    "집 문 창문 시계 거울 의자 책방 학교 병원 시장 공원 다리 언덕 들판 사막 우물 등대 정거장",
)
TITLE_THIRD = re.findall(
    r"\w+",
    "이야기 사람들 아이들 노래 비밀 기록 하루 계절 여행 꿈 그림자 목소리 발자국 약국 일기 사전 풍경 이름 온도 "
    "무게 시간 기억 연습 방법 생각 마음 얼굴 손님 주인 친구 형제 자매 가족 연인 이웃 선생 의사 화가 시인 목수 "
    "어부 농부 상인 기사 마법사 여왕 왕자 도둑 탐정 유령 요정 거인 난쟁이 늑대 여우 곰 토끼 사슴 고래 나비 벌 "
    "개미 거북 두루미 까마귀",
)
SURNAMES, GIVEN_FIRST, GIVEN_SECOND = (
    "김이박최정강조윤장임한오서신권황안송류홍",
    "서지민하은도예수현준",
    "연우윤서준아린호진영",
)
FREE = (
    "{a} {b} 이야기가 담긴 책 읽고 싶어요",
    "비 오는 날 읽기 좋은 {a} 소설 있나요?",
    "{a}와 {b}에 대한 책 추천해 주세요",
    "요즘 마음이 힘든데 {a} 이야기 없을까요",
    "{a} 책",
    "{b} 좋아하는 친구에게 선물할 {a} 책을 찾고 있어요",
)
OTHER = (
    *("더 보여줘",) * 3,
    *("더 짧은 책", "좋아요 1", "좋아요 2", "다른 책", "고마워요", "도움말", "인기 있는 책"),
)


def main(
    rate: Annotated[int, typer.Option(help="messages a second")] = 100,
    seconds: Annotated[int, typer.Option(help="for how long")] = 60,
    seed: int = 0,
    write: Annotated[Path | None, typer.Option(help="a page with the markers skill:begin and skill:end")] = None,
) -> None:
    """Measure, print or write, and exit with 1 when a limit is missed."""
    from cli import embedded_postgres
    from maeari.settings import Settings, load_secrets

    console = Console(stderr=True)
    with warehouse() as home:
        server = os.environ["MAEARI_DATABASE_URL"].rpartition("/")[0]
        os.environ["MAEARI_MLFLOW_DATABASE_URL"] = f"{server}/mlflow"
        assert load_secrets(home)
        with console.status(f"Drawing {BOOKS:,} books and a recommender …"):
            titles, authors = prepare(seed)
        plan = {"secret": Settings().skill_secret(), "messages": messages(titles, authors, rate, seconds, seed)}
        warm_up = plan | {"messages": messages(titles, authors, 20, WARM_UP_SECONDS, seed + 1)}
        shutil.rmtree(Settings().path("unpacked"))
        with console.status("Starting `maeari serve` with nothing kept …"), serving() as (_, _, first):
            console.print(f"ready after {first:.1f} s, where the model was not kept")
        with console.status("Starting `maeari serve` …"), serving() as (process, address, ready):
            ask(address, warm_up)
            console.print(f"ready after {ready:.1f} s")
            with console.status(f"{rate} messages a second for {seconds} s …"):
                answers, peak = watched(process, address, plan)
            with paused(home):
                silent = kind_seconds(address, plan["secret"])
            # Whoever waited for the paused server goes on first.
            time.sleep(3)
            back = kind_seconds(address, plan["secret"], wants_kind=False)
            embedded_postgres.stop(home)
            stopped = kind_seconds(address, plan["secret"])
    text, missed = told(rate, seconds, answers, peak, (first, ready), silent, stopped, back)
    print(text)
    if write:
        write_between("skill", write, text)
    print(*(f"MISSED: {what}" for what in missed), sep="\n")
    raise typer.Exit(int(bool(missed)))


def prepare(seed: int) -> tuple[list[str], list[str]]:
    """Put the books into the warehouse and a drawn recommender of them live; the titles and authors there are."""
    from maeari import clock, postgres, warehouse
    from ml import registry
    from ml.recommend import vectors

    random = Random(seed)
    warehouse.run_dbt("run", "--select", "+dim_books")
    model = drawn(seed, common_words=tuple(WORDS))
    named = list(product(TITLE_FIRST, TITLE_SECOND, TITLE_THIRD))
    titles = [" ".join(parts) for parts in random.sample(named, BOOKS)]
    people = ["".join(parts) for parts in product(SURNAMES, GIVEN_FIRST, GIVEN_SECOND)]
    authors = [random.choice(people) for _ in titles]
    rows = (
        (
            f"{SOURCE}:{book_id}", SOURCE, book_id, title, author, " ".join(random.sample(WORDS, 6)),
            postgres.text_array([random.choice(WORDS)]), None, None, book_id, random.randint(80, 700), 4.0, 10,
            datetime.now(UTC),
        )
        for book_id, title, author in zip(model.book_ids_.tolist(), titles, authors, strict=True)
    )  # fmt: skip
    columns = (
        "book_key", "source", "book_id", "title", "author", "description", "subjects", "series", "volume", "work_id",
        "pages", "mean_stars", "reviews", "first_known_at",
    )  # fmt: skip
    with postgres.connect("owner") as connection:
        postgres.copy_rows(connection, "marts.dim_books", columns, rows)
    version = registry.register(
        "recommend",
        model,
        card={"data": {"source": SOURCE}, "config": model.config},
        metrics={},
        config={},
        training_set=registry.TrainingSet("drawn", datetime.now(UTC), BOOKS, "", ""),
    )
    with postgres.connect("owner", autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at,"
            " evidence) values ('recommend', %s, now(), %s, 'benchmark', now(), '{}')",
            (version, clock.end_of_day(clock.today())),
        )
        vectors.store_live(clock.today())
        cursor.execute("vacuum analyze")
    return titles, authors


def messages(titles: list[str], authors: list[str], rate: int, seconds: int, seed: int) -> list[tuple]:
    """When which reader writes what, evenly over the time."""
    random = Random(seed + 7)
    found = []
    for number in range(rate * seconds):
        lot, reader = random.random(), f"reader-{random.randrange(READERS)}"
        if lot < FREE_SHARE:
            said = random.choice(FREE).format(a=random.choice(WORDS), b=random.choice(WORDS))
        elif lot < FREE_SHARE + 0.3:
            title = random.choice(titles)
            said = random.choice(
                (f"{title} 같은 책", f"『{title}』", title.replace(" ", ""), f"{title[:-1]} 비슷한 책")
            )
        elif lot < FREE_SHARE + 0.4:
            said = f"{random.choice(authors)} 작가의 책"
        else:
            said = random.choice(OTHER)
        found.append((number / rate, reader, said))
    return found


@contextmanager
def serving():
    """`maeari serve` in a process of its own: the process, its address, and after how many seconds it was ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, begun = f"http://127.0.0.1:{port}", time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from cli.main import main; main()", "serve", "--port", str(port)],
            cwd=CHECKOUT,
            stdout=log,
            stderr=log,
        )
        try:
            while not is_ready(address):
                if process.poll() is not None or time.perf_counter() - begun > 120:
                    log.seek(0)
                    sys.exit(f"`maeari serve` is not ready:\n{log.read().decode()[-3000:]}")
                time.sleep(0.05)
            yield process, address, time.perf_counter() - begun
        finally:
            process.terminate()
            process.wait(20)


def is_ready(address: str) -> bool:
    """Whether messages are answered; asked so that it takes next to nothing from who gets ready on the same cores."""
    try:
        with urlopen(f"{address}/health", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def ask(address: str, plan: dict) -> list:
    """Let the client send a plan; its answers."""
    with client(address, plan) as asked:
        return json.loads(asked.communicate()[0])


def watched(process: subprocess.Popen, address: str, plan: dict) -> tuple[list, float]:
    """The client's answers, and the most memory in MiB that the server's processes take together meanwhile."""
    peak = 0.0
    with client(address, plan) as asked:
        while asked.poll() is None:
            peak = max(peak, memory_mib(process.pid))
            try:
                out, _ = asked.communicate(timeout=5)
                return json.loads(out), max(peak, memory_mib(process.pid))
            except subprocess.TimeoutExpired:
                pass
    raise RuntimeError("The client ended without answers.")


@contextmanager
def client(address: str, plan: dict):
    """The client as a process of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(plan, file, ensure_ascii=False)
        file.flush()
        script = Path(__file__).with_name("skill_client.py")
        yield subprocess.Popen([sys.executable, script, address, file.name], stdout=subprocess.PIPE)


def memory_mib(pid: int) -> float:
    """What a process and those that it started take, pages that they share counted once (PSS)."""
    parent = psutil.Process(pid)
    return sum(one.memory_full_info().pss for one in (parent, *parent.children(recursive=True))) / 2**20


@contextmanager
def paused(home: Path):
    """The database takes connections and answers none of them."""
    from cli import embedded_postgres

    postmaster = psutil.Process(embedded_postgres.server_pid(home))
    stopped = [postmaster, *postmaster.children()]
    for one in stopped:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in stopped:
            one.send_signal(signal.SIGCONT)


def kind_seconds(address: str, secret: str, wants_kind: bool = True) -> float:
    """The longest of ten answers while the database is away (or back), which must be the kind word (or not)."""
    from web.skill.phrases import AWAY

    slowest = 0.0
    for number in range(10):
        body = {"userRequest": {"utterance": "바다 이야기", "user": {"id": f"away-{number}"}}}
        begun = time.perf_counter()
        response = httpx.post(
            f"{address}/kakao/skill", json=body, headers={"X-Maeari-Skill-Secret": secret}, timeout=10
        )
        slowest = max(slowest, time.perf_counter() - begun)
        is_kind = AWAY in response.raise_for_status().text
        if is_kind != wants_kind:
            sys.exit(f"With the database {'away' if wants_kind else 'back'}, the bot said: {response.text[:500]}")
        time.sleep(0.2)
    return slowest


def told(
    rate: int,
    seconds: int,
    answers: list,
    peak: float,
    starts: tuple[float, float],
    silent: float,
    stopped: float,
    back: float,
) -> tuple[str, list[str]]:
    """The table, and which limits were missed."""
    from web.skill.phrases import AWAY, BROKEN, LOADING, TOO_FAST

    first, ready = starts
    excuses = (AWAY, BROKEN, LOADING, TOO_FAST)
    taken = np.array([ms for ms, _, _ in answers])
    failed = [said for _, status, said in answers if status != 200 or said in excuses]
    middle, slow, p99 = np.percentile(taken, [50, 95, 99])
    kind = max(silent, stopped)
    rows = [
        ("answers of which the bot excused itself, or that failed", f"{len(failed):,} of {len(answers):,}", "0"),
        ("median", f"{middle:.0f} ms", ""),
        ("95th percentile", f"{slow:.0f} ms", ""),
        ("99th percentile", f"{p99:.0f} ms", f"at most {SLOWEST_P99_MS} ms"),
        ("slowest", f"{taken.max():.0f} ms", ""),
        ("memory of all its processes (PSS), at most", f"{peak:,.0f} MiB", f"below {MOST_MIB:,} MiB"),
        ("ready after", f"{ready:.1f} s", f"within {READY_SECONDS} s"),
        ("ready after, where `unpacked/` of `MAEARI_HOME` is gone", f"{first:.1f} s", ""),
        ("a kind word while the database is silent", f"{silent:.2f} s", f"within {KIND_SECONDS} s"),
        ("a kind word while the database is stopped", f"{stopped:.2f} s", f"within {KIND_SECONDS} s"),
        ("an answer of books, 3 s after the database is back", f"{back:.2f} s", ""),
    ]
    missed = [
        what
        for what, is_missed in (
            (f"{len(failed)} answers failed, such as “{failed[0][:100] if failed else ''}”", bool(failed)),
            (f"the 99th percentile is {p99:.0f} ms", p99 > SLOWEST_P99_MS),
            (f"{peak:,.0f} MiB of memory", peak >= MOST_MIB),
            (f"ready after {ready:.1f} s", ready > READY_SECONDS),
            (f"a kind word took {kind:.2f} s", kind > KIND_SECONDS),
        )
        if is_missed
    ]
    text = (
        f"{rate} messages a second for {seconds} s, sent in an open loop by a process of its own, {READERS:,} readers, "
        f"{100 * FREE_SHARE:.0f} % free words, {BOOKS:,} drawn books. Client, server and Postgres share the machine. "
        f"{versions('fastapi', 'uvicorn', 'kiwipiepy', 'rapidfuzz', 'numpy')}"
    )
    return "\n".join([text, "", table(("", "measured", "wanted"), rows)]), missed


if __name__ == "__main__":
    typer.run(main)
