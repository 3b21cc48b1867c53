"""The many ways a page writes the same canonical URL in an `href`.

Each spelling takes a target and the base that the page's links resolve against, and returns an `href` which, by
the WHATWG URL standard, resolves to exactly the target's canonical URL once its fragment is dropped.
"""

import dataclasses
from collections.abc import Callable

from webgraph.synthetic_crawl.addresses import Address

_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclasses.dataclass(frozen=True, slots=True)
class Base:
    """What relative links resolve against: the page itself, or its `<base href>`."""

    scheme: str
    authority: str
    directory: str  # starts and ends with "/"
    name: str
    url: str

    @classmethod
    def of_page(cls, page: Address) -> "Base":
        """The base of a page without `<base>`."""
        return cls(page.scheme, page.authority, page.directory, page.name, page.url)


Spelling = Callable[[Address, Base], str]

BROKEN_HREFS = (
    "http://[IP-Adresse]/",
    "http://",
    "http://[::1",
    "https://exa mple.com/",
    "http://www.example.org:port/",
    "https://www.example.de:99999/",
)
NON_HTTP_HREFS = (
    "javascript:void(0)",
    "mailto:info@example.org",
    "tel:+49301234567",
    "ftp://ftp.example.org/pub/",
    "data:text/plain,hello",
    "about:blank",
)


def _absolute(target: Address, _base: Base) -> str:
    return target.url


def _protocol_relative(target: Address, base: Base) -> str:
    return target.url.removeprefix(f"{base.scheme}:") if target.scheme == base.scheme else target.url


def _default_port(target: Address, _base: Base) -> str:
    if ":" in target.authority:
        return target.url
    return f"{target.origin}:{_DEFAULT_PORTS[target.scheme]}{target.path}{target.query}"


def _upper_case_host(target: Address, _base: Base) -> str:
    return f"{target.scheme.upper()}://{target.authority.upper()}{target.path}{target.query}"


def _displayed_host(target: Address, _base: Base) -> str:
    return f"{target.scheme}://{target.display_host}{target.path}{target.query}"


def _dotted_absolute(target: Address, _base: Base) -> str:
    return f"{target.origin}/./old/..{target.path}{target.query}"


def _credentials(target: Address, _base: Base) -> str:
    return f"{target.scheme}://guest:secret@{target.authority}{target.path}{target.query}"


def _spaced(target: Address, _base: Base) -> str:
    return f" {target.url} "


def _absolute_fragment(target: Address, _base: Base) -> str:
    return f"{target.url}#section-2"


def _bare_origin(target: Address, _base: Base) -> str:
    return target.origin if target.path == "/" and not target.query else target.url


def _root_relative(target: Address, _base: Base) -> str:
    return f"{target.path}{target.query}"


def _path_relative(target: Address, base: Base) -> str:
    here, there = base.directory, target.directory
    if here == there:
        return f"{target.name}{target.query}" if target.name else f"./{target.query}"
    here_parts, there_parts = here.split("/")[1:-1], there.split("/")[1:-1]
    common = 0
    for here_part, there_part in zip(here_parts, there_parts, strict=False):
        if here_part != there_part:
            break
        common += 1
    up = "../" * (len(here_parts) - common)
    down = "".join(f"{part}/" for part in there_parts[common:])
    return f"{up}{down}{target.name}{target.query}"


def _dot_relative(target: Address, base: Base) -> str:
    return f"./{_path_relative(target, base)}"


def _there_and_back(target: Address, base: Base) -> str:
    return f"images/../{_path_relative(target, base)}"


def _above_root(target: Address, _base: Base) -> str:
    return f"../../../../../../..{target.path}{target.query}"


def _relative_fragment(target: Address, base: Base) -> str:
    return f"{_path_relative(target, base)}#part-1"


def _query_only(target: Address, base: Base) -> str:
    same_path = (target.directory, target.name) == (base.directory, base.name)
    return target.query if target.query and same_path else _root_relative(target, base)


def _weighted(*spellings: tuple[Spelling, int]) -> tuple[Spelling, ...]:
    table = tuple(spelling for spelling, weight in spellings for _ in range(weight))
    if len(table) != 256:
        raise AssertionError(f"weights must sum to 256, got {len(table)}")
    return table


_ELSEWHERE = _weighted(
    (_absolute, 176),
    (_protocol_relative, 16),
    (_default_port, 10),
    (_upper_case_host, 10),
    (_displayed_host, 10),
    (_dotted_absolute, 6),
    (_credentials, 4),
    (_spaced, 6),
    (_absolute_fragment, 12),
    (_bare_origin, 6),
)
_SAME_HOST = _weighted(
    (_root_relative, 76),
    (_path_relative, 84),
    (_dot_relative, 14),
    (_there_and_back, 8),
    (_above_root, 4),
    (_relative_fragment, 14),
    (_query_only, 12),
    (_protocol_relative, 8),
    (_absolute, 20),
    (_bare_origin, 2),
    (_default_port, 3),
    (_upper_case_host, 3),
    (_displayed_host, 4),
    (_dotted_absolute, 2),
    (_spaced, 2),
)


def spell_href(target: Address, base: Base, code: int) -> str:
    """Writes the target as an `href`; `code` in 0..255 picks the spelling. Entities are not escaped yet."""
    same_host = target.authority == base.authority and target.scheme == base.scheme
    href = (_SAME_HOST if same_host else _ELSEWHERE)[code](target, base)
    if code & 1 and "%" in href:
        return href.replace("%C3%A4", "ä").replace("%20", " ")
    return href


def spell_target_uri(page: Address, code: int) -> str:
    """Writes a page's own URL as a crawler may have asked for it: absolute, not always canonical.

    The scheme stays in lower case, since common readers of WARC files look for it so.
    """
    if code % 4 == 1:
        return _default_port(page, Base.of_page(page))
    if code % 4 == 2:
        return f"{page.scheme}://{page.authority.upper()}{page.path}{page.query}"
    return page.url
