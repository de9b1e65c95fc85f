"""Particles follow the last sound, and both forms are written where it cannot be told."""

import unicodedata

import pytest

from maeari.particles import with_particle


@pytest.mark.parametrize(
    ("word", "particle", "wanted"),
    [
        ("『데미안』", "을/를", "『데미안』을"),
        ("『토지』", "을/를", "『토지』를"),
        ("왜 나를 사랑하니?", "을/를", "왜 나를 사랑하니?를"),
        ("달과 6펜스 (양장)", "을/를", "달과 6펜스 (양장)을"),
        ("1984", "을/를", "1984를"),
        ("아리랑 1", "을/를", "아리랑 1을"),
        ("1Q84", "이/가", "1Q84가"),
        ("제3", "은/는", "제3은"),
        ("100", "이/가", "100이"),
        ("MoMo", "을/를", "MoMo를"),
        ("Demian", "을/를", "Demian을"),
        ("ROM", "을/를", "ROM을"),
        ("R", "이/가", "R이"),
        ("DNA", "을/를", "DNA를"),
        ("Time", "을/를", "Time을(를)"),
        ("魔笛", "은/는", "魔笛은(는)"),
        ("???", "을/를", "???을(를)"),
        ("", "과/와", "과(와)"),
        ("서울", "으로/로", "서울로"),
        ("섬", "으로/로", "섬으로"),
        ("바다", "으로/로", "바다로"),
        ("魔笛", "으로/로", "魔笛(으)로"),
        (unicodedata.normalize("NFD", "데미안"), "을/를", unicodedata.normalize("NFD", "데미안") + "을"),
    ],
)
def test_a_particle_has_the_form_of_the_last_sound(word, particle, wanted):
    assert with_particle(word, particle) == wanted
