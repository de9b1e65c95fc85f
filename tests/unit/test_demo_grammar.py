from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.grammar import VOICES, attributive, compile_sentence, draw, final_consonant, prospective, with_particle
from demo.reviews import Subject, opposite, writer


@pytest.mark.parametrize(
    ("word", "particle", "wanted"),
    [
        ("커피", "이", "커피가"),
        ("빵", "은", "빵은"),
        ("2층", "을", "2층을"),
        ("서울", "으로", "서울로"),
        ("종이책", "으로", "종이책으로"),
        ("친구", "이랑", "친구랑"),
        ("『느린 정원』", "은", "『느린 정원』은"),
        ("5%", "가", "5%가"),
        ("후배", "도", "후배도"),
    ],
)
def test_a_particle_follows_the_last_sound(word, particle, wanted):
    assert with_particle(word, particle) == wanted


@pytest.mark.parametrize(
    ("stem", "before_noun", "before_expectation"),
    [
        ("친절하", "친절한", "친절할"),
        ("맛있", "맛있는", "맛있을"),
        ("깊", "깊은", "깊을"),
        ("시끄럽", "시끄러운", "시끄러울"),
        ("좁", "좁은", "좁을"),
        ("거칠", "거친", "거칠"),
    ],
)
def test_a_stem_takes_the_form_before_a_noun(stem, before_noun, before_expectation):
    assert attributive(stem) == before_noun
    assert prospective(stem) == before_expectation


@given(st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣")))
def test_every_syllable_takes_exactly_one_form_of_a_particle(syllable):
    assert with_particle(syllable, "이")[-1] == ("이" if final_consonant(syllable) else "가")


def test_a_compiled_sentence_draws_only_from_its_pools():
    sentence = compile_sentence("{menu:을} 마셨다", {"menu": ("라떼", "빵")})
    drawn = {draw(sentence, Random(seed).random) for seed in range(30)}
    assert drawn == {"라떼를 마셨다", "빵을 마셨다"}


@pytest.mark.parametrize("section", ["cafe", "bookshop"])
@pytest.mark.parametrize("voice", VOICES)
def test_no_slot_is_left_open_in_any_text(section, voice):
    random, pen = Random(1), writer(section)
    for number in range(1500):
        sentiment = "positive" if number % 2 else opposite("positive")
        subject = Subject("x", "물결커피 가게")
        bodies = [
            pen.write(random, sentiment, voice, subject).body,
            pen.write_new_words(random, sentiment, voice, subject).body,
            pen.write_irony(random, voice, subject).body,
        ]
        assert not any(mark in body for body in bodies for mark in "{}\0")
