"""Answers keep every limit of Kakao's format, whatever they are made of."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from web.skill import formats

ANY = st.text(st.characters(), max_size=400)


def test_a_short_text_stays_and_a_long_one_ends_in_an_ellipsis():
    assert formats.cut("데미안", 3) == "데미안"
    assert formats.cut("나미야 잡화점의 기적", 6) == "나미야 잡…"
    assert formats.cut("나미야 잡화점", 5) == "나미야…"
    assert formats.cut("", 5) == formats.cut("\u200b\u202e", 5) == "–"
    assert formats.cut("첫 줄\n둘째  줄", 20, keeps_lines=True) == "첫 줄\n둘째 줄"
    assert formats.cut("첫 줄\n둘째", 20) == "첫 줄 둘째"


def test_no_character_is_broken():
    assert formats.cut(unicodedata.normalize("NFD", "각각각"), 2) == "각…"
    assert formats.cut("가👍🏽나다", 3) == "가…"
    assert formats.cut("가🇰🇷🇯🇵나", 4) == "가🇰🇷…"
    assert formats.cut("가🇰🇷🇯🇵나", 3) == "가…"
    assert formats.cut("가e\u0301\u0323\u0323나다라", 4) == "가…"


@given(ANY, st.integers(1, 60), st.booleans())
def test_a_cut_text_is_short_printable_and_begins_the_text(text, most, keeps_lines):
    shown = formats.cut(text, most, keeps_lines)
    assert 1 <= len(shown) <= most
    assert all(
        sign.isprintable() or sign == "\n" or unicodedata.category(sign) in ("Cn", "Co", "Cf", "Zs") for sign in shown
    )
    shown.encode()


@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=14), ANY, st.none() | ANY)
def test_every_answer_keeps_the_limits(texts, told, url):
    answer = formats.answer(
        formats.words(told),
        formats.carousel(
            *(
                formats.card(one, two, formats.message_button(one, two), *formats.link_button("보기", url))
                for one, two in texts
            )
        ),
        formats.list_card(told, *(formats.item(one, two, one) for one, two in texts)),
        quick_replies=tuple(texts),
    )
    again = formats.SkillAnswer.model_validate_json(answer.model_dump_json(exclude_none=True))
    assert again == answer
    body = answer.body()
    assert body["version"] == "2.0"
    assert len(body["template"]["quickReplies"]) <= formats.MOST_QUICK_REPLIES
    assert len(body["template"]["outputs"][1]["carousel"]["items"]) <= formats.MOST_CARDS
    assert len(body["template"]["outputs"][2]["listCard"]["items"]) <= formats.MOST_ITEMS


def test_what_kakao_sends_is_understood_and_what_is_not_needed_is_passed_over():
    request = formats.SkillRequest.model_validate(
        {
            "intent": {"id": "block", "name": "블록 이름"},
            "userRequest": {
                "timezone": "Asia/Seoul", "params": {"ignoreMe": "true"}, "block": {"id": "block", "name": "블록 이름"},
                "utterance": "데미안\n", "lang": None, "callbackUrl": "https://example.com/callback",
                "user": {"id": "549821", "type": "accountId", "properties": {}},
            },
            "bot": {"id": "bot", "name": "봇"},
            "action": {"name": "skill", "clientExtra": None, "params": {}, "id": "x", "detailParams": {}},
        }
    )  # fmt: skip
    assert request.userRequest.utterance == "데미안\n"
    assert (request.userRequest.user.id, request.bot.id) == ("549821", "bot")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"userRequest": {}},
        {"userRequest": {"utterance": "x"}},
        {"userRequest": {"utterance": "x", "user": {}}},
        {"userRequest": {"utterance": "x", "user": {"id": ""}}},
        {"userRequest": {"utterance": "x", "user": {"id": 5}}},
        {"userRequest": {"utterance": "x", "user": {"id": "x" * 201}}},
        {"userRequest": {"utterance": None, "user": {"id": "1"}}},
        {"userRequest": {"utterance": "x", "user": {"id": "1"}}, "version": "9.9"},
        {"userRequest": {"utterance": "x", "user": {"id": "1"}}, "bot": []},
        [],
        "text",
    ],
)
def test_what_is_missing_or_wrong_is_refused(body):
    with pytest.raises(ValidationError):
        formats.SkillRequest.model_validate(body)
