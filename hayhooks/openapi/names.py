"""The names that the parts of the document get: unique, and as upstream's where that is possible."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from hayhooks.http.answers import dump_json
from hayhooks.openapi.keywords import JsonSchema, references, renamed

Identity = frozenset[tuple[str, bytes]]
"""What a schema means: its name and JSON, and those of all that it refers to. Equal for schemas that are the same."""

_MODES = {"validation": "Input", "serialization": "Output"}


class Origin(NamedTuple):
    """Where a definition comes from."""

    short_name: str
    type_reference: str
    mode: str
    """"validation" or "serialization"."""


class Part(Protocol):
    """What has schemas of its own."""

    @property
    def identities(self) -> Mapping[str, Identity]:
        """What each of its schemas means, by its name in the part."""

    @property
    def prefix(self) -> str:
        """What stands before a name that means something else in another part; empty to keep the name."""


def reachable(schemas: Mapping[str, JsonSchema]) -> dict[str, set[str]]:
    """Return what each of some schemas refers to, also through others; itself only if it leads back to it."""
    direct = {name: {target for target in references(schema) if target in schemas} for name, schema in schemas.items()}
    found = {}
    for name, targets in direct.items():
        seen, waiting = set(targets), list(targets)
        while waiting:
            new = direct[waiting.pop()] - seen
            seen |= new
            waiting += new
        found[name] = seen
    return found


def identities(schemas: Mapping[str, JsonSchema]) -> dict[str, Identity]:
    """Return what each of some schemas means."""
    texts = {name: (name, dump_json(schema)) for name, schema in schemas.items()}
    return {
        name: frozenset(texts[target] for target in {name, *targets}) for name, targets in reachable(schemas).items()
    }


def short_names(schemas: Mapping[str, JsonSchema], origins: Mapping[str, Origin]) -> dict[str, str]:
    """Return a short name for each definition: that of its class, where this is not ambiguous.

    A class that is read and written differently gets `-Input` and `-Output`; the second class
    of the same name a number.
    """
    shortened = {name: origins[name].short_name for name in schemas}
    texts = {name: (shortened[name], dump_json(renamed(schema, shortened))) for name, schema in schemas.items()}
    meanings: dict[str, dict[Identity, list[str]]] = {}
    for name, targets in reachable(schemas).items():
        identity = frozenset(texts[target] for target in {name, *targets})
        meanings.setdefault(shortened[name], {}).setdefault(identity, []).append(name)
    found: dict[str, str] = {}
    for short, groups in meanings.items():
        is_one_class = len({origins[name].type_reference for names in groups.values() for name in names}) == 1
        for number, names in enumerate(groups.values(), 1):
            ending = f"-{_MODES[origins[names[0]].mode]}" if is_one_class else f"_{number}"
            wanted = short if len(groups) == 1 or (number == 1 and not is_one_class) else short + ending
            found |= dict.fromkeys(names, _free(wanted, set(found.values())))
    return found


def retitled(schema: JsonSchema, old: str, new: str) -> JsonSchema:
    """Return a schema under its new name. Generators of clients name classes by titles, which must differ then too."""
    return {**schema, "title": new} if old != new and schema.get("title") == old else schema


def component_name(text: str) -> str:
    """Return a text in the characters that OpenAPI allows for names of components."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)


def operation_slugs(names: Iterable[str]) -> dict[str, str]:
    """Return what stands for each pipeline in operation ids: its name in word characters, the later one numbered."""
    slugs: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        slug = _free(re.sub(r"\W", "_", name), taken)
        taken.add(slug)
        slugs[name] = slug
    return slugs


def schema_names(parts: Sequence[Part]) -> list[dict[str, str]]:
    """Return, for each part, the names of its schemas in the document.

    The same schema in two parts is one. A name that means different things gets the part's
    prefix in each of them, whichever was deployed first, but for a part without a prefix.
    """
    meanings: dict[str, set[Identity]] = {}
    for part in parts:
        for name, identity in part.identities.items():
            meanings.setdefault(name, set()).add(identity)
    found = []
    taken: dict[str, Identity] = {}
    for part in parts:
        names = {}
        for name, identity in part.identities.items():
            wanted = name if len(meanings[name]) == 1 or not part.prefix else part.prefix + name
            if taken.get(wanted, identity) != identity:
                wanted = _free(wanted, taken)
            taken[wanted] = identity
            names[name] = wanted
        found.append(names)
    return found


def _free(wanted: str, taken: Iterable[str]) -> str:
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
