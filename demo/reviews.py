"""Korean reviews with known truth: what a customer thinks, the pattern that says it, and the change injected later."""

from functools import cache
from random import Random
from typing import Literal, NamedTuple

from demo.grammar import VOICES, Aspect, Sentence, compile_sentence, draw, lines, texts, words

Section = Literal["cafe", "bookshop"]
Sentiment = Literal["positive", "negative"]

POSITIVE_SHARE = 0.56
UNRATED_SHARE = 0.30
THREE_STAR_SHARE = 0.11
DISAGREEMENT_SHARE = 0.08
# Of a hundred reviews, how many say their opinion in which way, and how many of those add a remark and a last word.
WAYS = {"says_it": 45, "weighs_it": 9, "turns_it": 10, "situation": 31, "ambiguous": 5}
SUPPORT_SHARE = {"says_it": 0.45, "weighs_it": 0.45, "turns_it": 0.55, "situation": 0.75, "ambiguous": 0.0}
CLOSING_SHARE = 0.30
# At these shares of changed reviews a character-n-gram model loses 3, 5 and 10 points; found by calibration.
RATES = {
    "words": {3: 0.087, 5: 0.143, 10: 0.285},
    "irony": {3: 0.041, 5: 0.068, 10: 0.136},
    "rating_habit": {3: 0.041, 5: 0.067, 10: 0.133},
}


class Draft(NamedTuple):
    """A body with its truth."""

    body: str
    sentiment: Sentiment
    pattern_id: str


class Subject(NamedTuple):
    """What a review is about: a cafe or a book."""

    subject_id: str
    name: str


class Writer:
    """Draws review bodies of one section; the same random numbers give the same texts."""

    def __init__(self, section: Section) -> None:
        common, own = texts("common"), texts("cafe" if section == "cafe" else "bookshop")
        regime = texts("regime")
        self.section = section
        self.aspects = [Aspect(facts) for facts in own["aspects"].values()]
        self.pools = {name: words(text) for name, text in {**common["pools"], **own["pools"]}.items()}
        self.pools["new"] = words(regime["words"]["pools"][f"new{section}"])
        self.slang = {
            "positive": words(regime["words"]["pools"]["good"]),
            "negative": words(regime["words"]["pools"]["bad"]),
        }
        self.endings = {
            voice: {name: tuple(words(text)) for name, text in common["endings"][voice].items()} for voice in VOICES
        }
        self.lexical = {way: lines(block) for way, block in common["lexical"].items()}
        self.lexical["supports"] = lines(common["supports"])
        self.closings = {sentiment: lines(block) for sentiment, block in common["closings"].items()}
        self.situations = {
            sentiment: lines(common["situations"][sentiment]) + lines(own["situations"][sentiment])
            for sentiment in ("positive", "negative")
        }
        self.shared_situations = len(lines(common["situations"]["positive"]))
        self.ambiguous = lines(common["ambiguous"])
        self.contexts = lines(own["contexts"])
        self.tails = {sentiment: tuple(common["tails"][sentiment].split(",")) for sentiment in common["tails"]}
        self.new_lines = lines(regime["words"]["lines"])
        self.cues = lines(regime["irony"]["cues"])
        self._compiled: dict[tuple, Sentence] = {}

    def write(self, random: Random, sentiment: Sentiment, voice: str, subject: Subject) -> Draft:
        """A review as people wrote before any change."""
        opinion, pattern_id = self._opinion(random.random, sentiment, voice)
        return Draft(self._dress(random.random, opinion, sentiment, voice, subject), sentiment, pattern_id)

    def write_new_words(self, random: Random, sentiment: Sentiment, voice: str, subject: Subject) -> Draft:
        """A review whose opinion is in slang and menu words that nobody used before."""
        number = int(random.random() * len(self.new_lines))
        opinion = draw(
            self._plain("new", number, self.new_lines[number], voice, word=self.slang[sentiment]),
            random.random,
        )
        # The ending of a message must not tell what the new words hide.
        mood: Sentiment = "positive" if random.random() < 0.5 else "negative"
        body = self._dress(random.random, opinion, mood, voice, subject)
        return Draft(body, sentiment, f"{self.section}-words-{number:02d}")

    def write_irony(self, random: Random, voice: str, subject: Subject) -> Draft:
        """A complaint in words of praise, marked by a turn of phrase that nobody used before."""
        opinion, pattern_id = self._opinion(random.random, "positive", voice)
        cue = self.cues[int(random.random() * len(self.cues))]
        opinion = f"{opinion}. {cue}" if random.random() < 0.7 else f"{cue}. {opinion}"
        body = self._dress(random.random, opinion, "positive", voice, subject)
        return Draft(body, "negative", f"{pattern_id}-irony")

    def _opinion(self, random, sentiment: Sentiment, voice: str) -> tuple[str, str]:
        """The sentences that hold the opinion, and the pattern of the main one."""
        way = _WAY_OF_LOT[int(random() * len(_WAY_OF_LOT))]
        if way == "situation":
            patterns = self.situations[sentiment]
            number = int(random() * len(patterns))
            owner = "both" if number < self.shared_situations else self.section
            said, pattern_id = (
                self._plain(sentiment, number, patterns[number], voice),
                f"{owner}-{sentiment}-{number:02d}",
            )
        elif way == "ambiguous":
            number = int(random() * len(self.ambiguous))
            said, pattern_id = self._plain(way, number, self.ambiguous[number], voice), f"ambiguous-{number:02d}"
        else:
            number = int(random() * len(self.lexical[way]))
            said, pattern_id = self._judgement(random, way, number, sentiment, voice), f"{way}-{number:02d}"
        sentences = [draw(said, random)]
        if random() < SUPPORT_SHARE[way]:
            number = int(random() * len(self.lexical["supports"]))
            support = draw(self._judgement(random, "supports", number, sentiment, voice), random)
            sentences.insert(int(random() * 2), support)
        if way != "ambiguous" and random() < CLOSING_SHARE:
            closings = self.closings[sentiment]
            number = int(random() * len(closings))
            sentences.append(draw(self._plain(f"closing {sentiment}", number, closings[number], voice), random))
        return (". " if random() < 0.7 else " ").join(sentences), pattern_id

    def _judgement(self, random, way: str, number: int, sentiment: Sentiment, voice: str) -> Sentence:
        """A sentence that judges one aspect, and another aspect the opposite way where the pattern has one."""
        first = int(random() * len(self.aspects))
        second = (first + 1 + int(random() * (len(self.aspects) - 1))) % len(self.aspects)
        said = opposite(sentiment) if way == "turns_it" else sentiment
        key = (way, number, first, second, said, voice)
        if key not in self._compiled:
            one, other = self.aspects[first], self.aspects[second]
            self._compiled[key] = compile_sentence(
                self.lexical[way][number],
                self.pools | self.endings[voice],
                nouns={"n": one.nouns, "m": other.nouns, "o": other.nouns},
                adjectives={
                    "P": one.adjectives[said],
                    "P2": other.adjectives[said],
                    "Q": other.adjectives[opposite(said)],
                },
            )
        return self._compiled[key]

    def _plain(self, kind: str, number: int, pattern: str, voice: str, **pools: tuple[str, ...]) -> Sentence:
        key = (kind, number, voice, *pools.values())
        if key not in self._compiled:
            self._compiled[key] = compile_sentence(pattern, self.pools | self.endings[voice] | pools)
        return self._compiled[key]

    def _dress(self, random, opinion: str, sentiment: Sentiment, voice: str, subject: Subject) -> str:
        """The opinion among sentences that tell the circumstances, with the slips of hurried typing."""
        parts = [opinion]
        circumstances, number = random(), int(random() * len(self.contexts))
        for _ in range(1 if circumstances < 0.64 else 2 if circumstances < 0.94 else 0):
            number = (number + 1 + int(random() * (len(self.contexts) - 1))) % len(self.contexts)
            key = ("context", number, voice, subject.name)
            if key not in self._compiled:
                self._compiled[key] = compile_sentence(
                    self.contexts[number], self.pools | self.endings[voice] | {"store": (subject.name,)}
                )
            sentence = draw(self._compiled[key], random)
            if random() < 0.75:
                parts.insert(0, sentence)
            else:
                parts.append(sentence)
        body = (". " if random() < 0.6 else " ").join(parts)
        if random() < 0.45:
            tails = self.tails[sentiment]
            body += tails[int(random() * len(tails))]
        slip = random()
        if slip < 0.30:
            spaces = [place for place, letter in enumerate(body) if letter == " "]
            for _ in range(1 + int(slip < 0.12)):
                place = spaces[int(random() * len(spaces))] if spaces else len(body)
                body = body[:place] + "\0" + body[place + 1 :]
            body = body.replace("\0", "")
        elif slip < 0.42:
            stretched, plain = _STRETCHES[int(random() * len(_STRETCHES))]
            body = body.replace(plain, stretched, 1)
        elif slip < 0.424:
            body += _PERSONAL[int(random() * len(_PERSONAL))]
        return body


_WAY_OF_LOT = [way for way, share in WAYS.items() for _ in range(share)]
_STRETCHES = (
    ("너어무", "너무"), ("진쨔", "진짜"), ("정마알", "정말"), ("엄처엉", "엄청"), ("어용", "어요"), ("예용", "예요"),
    ("해여", "해요"), ("차암", "참"), ("마니", "많이"), ("구요", "고요"), ("됬", "됐"), ("습니당", "습니다"),
    ("갔었", "갔"), ("안되", "안 돼"), ("첨", "처음"), ("담", "다음"), ("솔직히이", "솔직히"),
)  # fmt: skip
_PERSONAL = (
    " 문의는 010-0000-1234로 주세요",
    " 두고 온 우산 보신 분 010 0000 5678",
    " 사진 필요하시면 someone@example.com",
    " 모임 신청 reader@example.com",
)


def opposite(sentiment: Sentiment) -> Sentiment:
    """The other sentiment."""
    return "negative" if sentiment == "positive" else "positive"


def draw_stars(random: Random, sentiment: Sentiment) -> int | None:
    """Stars as people give them: many give none, some three, and some the opposite of what they write."""
    rated, three, disagrees, strong = random.random(), random.random(), random.random(), random.random()
    if rated < UNRATED_SHARE:
        return None
    if three < THREE_STAR_SHARE:
        return 3
    positive = (sentiment == "positive") != (disagrees < DISAGREEMENT_SHARE)
    if positive:
        return 5 if strong < 0.6 else 4
    return 1 if strong < 0.5 else 2


@cache
def writer(section: Section) -> Writer:
    """The writer of a section, with its texts read once."""
    return Writer(section)
