"""A chat generator without a model: it answers with quotes from the passages it is given."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from haystack import component
from haystack.dataclasses import ChatMessage, StreamingCallbackT, StreamingChunk

from .quotes import CODE, split_quotes

STOP_WORDS = """
about all also am an and any are as at be been but by can could did do does each for from get had happen happened
happens has have he her his how i if in into is it its like may me mean might must my need no not of on or our out
please shall she should so some such tell than that the their them then there these they this those to up us use used
using want was way we were what when where which while who whom whose why will with work works would you your
""".split()
# A run of letters and digits, without stop words, endings and underscores: "deploys",
# "deployed" and "deploying" are one term, and HAYHOOKS_PORT holds the term "port".
TERM = (
    rf"(?<![^\W_])(?!(?:{'|'.join(STOP_WORDS)})(?![^\W_]))"
    r"([^\W_]{2,}?)(?:ments?|ships?|ings?|ed|es|e|s)?(?![^\W_])"
)


def find_terms(text: str) -> set[str]:
    """Return the terms of a text, just as a document store with `TERM` as its tokenizer finds them."""
    return set(re.findall(TERM, text.lower()))


@dataclass(frozen=True)
class Candidate:
    """A quote that may go into the answer."""

    passage: int
    position: int
    text: str
    score: float


@component
class ExtractiveChatGenerator:
    """Takes the messages that a language model would get, and quotes instead of writing.

    The last message is the question. The user messages before it are the passages, the
    best one first; their `meta` has `file`, `heading`, `text` and `score`.
    """

    def __init__(self, quotes: int = 3) -> None:
        self.quotes = quotes

    @component.output_types(replies=list[ChatMessage])
    def run(
        self, messages: list[ChatMessage], streaming_callback: StreamingCallbackT | None = None
    ) -> dict[str, list[ChatMessage]]:
        """Answer the last message, word by word if there is a callback."""
        passages = [message.meta for message in messages[:-1] if message.is_from("user")]
        answer = self.answer(messages[-1].text or "", passages)
        if streaming_callback is not None:
            for word in re.findall(r"\S+\s*", answer):
                streaming_callback(StreamingChunk(content=word))
            streaming_callback(StreamingChunk(content="", finish_reason="stop"))
        return {"replies": [ChatMessage.from_assistant(answer)]}

    def answer(self, question: str, passages: Sequence[Mapping[str, Any]]) -> str:
        """Return the best quotes as Markdown, passage by passage, and where they stand."""
        best = choose(rate(question, passages), self.quotes)
        if not best:
            return "The documents say nothing about that."
        ranks = list(dict.fromkeys(candidate.passage for candidate in best))
        best.sort(key=lambda candidate: (ranks.index(candidate.passage), candidate.position))
        sources = dict.fromkeys(f"- {passages[rank]['file']}: {passages[rank]['heading']}" for rank in ranks)
        return "\n\n".join([*(candidate.text for candidate in best), "Sources:", "\n".join(sources)])


def rate(question: str, passages: Sequence[Mapping[str, Any]]) -> list[Candidate]:
    """Rate the quotes of the passages by the terms of the question in them, rare terms first.

    The heading above a quote and the code in it count less than its words, length takes
    something away, and the whole is in proportion to the score of the passage. A name
    like HAYHOOKS_PORT that stands there whole counts double.
    """
    asked, names = find_terms(question), re.findall(r"\w+_\w+", question)
    split = [split_quotes(passage["text"]) for passage in passages]
    frequency = Counter(term for quotes in split for quote in quotes for term in find_terms(quote))
    total = sum(map(len, split))

    def weigh(terms: set[str]) -> float:
        return sum(math.log(1 + total / max(1, frequency[term])) for term in terms & asked)

    def score(quote: str, passage: Mapping[str, Any]) -> float:
        words, code = CODE.sub("", quote), " ".join(match[0] for match in CODE.finditer(quote))
        around = find_terms(f"{passage['heading'].rpartition(' > ')[2]} {code}")
        share = float(passage["score"]) * (1 + sum(name in quote for name in names)) / (1 + len(words) / 800)
        return share * (weigh(find_terms(words)) + 0.7 * weigh(around))

    return [
        Candidate(rank, position, quote, score(quote, passage))
        for rank, (passage, quotes) in enumerate(zip(passages, split, strict=True))
        for position, quote in enumerate(quotes)
    ]


def choose(candidates: list[Candidate], count: int) -> list[Candidate]:
    """Return up to `count` candidates, the best first, each more than half as good as the best."""
    ranked = sorted(candidates, key=lambda candidate: -candidate.score)
    return [candidate for candidate in ranked[:count] if candidate.score > ranked[0].score / 2]
