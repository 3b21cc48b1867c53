"""What one record may cost. Whoever publishes a page chooses what is in it; nothing here bounds a genuine one.

A limit that is hit is counted: `records_<reason>` where the record is dropped, `links_<reason>` where links are,
`limits_hit_<name>` where the rest of a page is used, and `bytes_skipped_<reason>` where bytes of the file are. Why each
default is what it is, and what was measured, is in `docs/limits.md`.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordLimits:
    """Limits of one record.

    Attributes:
      max_record_bytes: a record with more, decompressed, is skipped (`record_too_large`).
      max_header_bytes: of a record's headers (`garbage` beyond), and of an HTTP message's (`http_headers_too_long`).
      max_ratio: decompressed for a compressed byte, where more than RATIO_FREE_BYTES were decompressed of a member, or
        ARCHIVE_RATIO_FREE_BYTES of an archive: such a member is left (`ratio_too_high`), and of such a body what came
        until then is used (`body_cut`).
      max_nesting: compressions of an archive, one in the other (`nested_too_deep`), and content encodings of a body
        (`too_many_encodings`).
      max_json_bytes: of a WAT record (`json_too_large`); where it has more than 1 MiB, it may have four objects and
        arrays for each of `max_links` (`json_too_many_values`).
      max_json_depth: of a WAT record (`json_too_deep`). The decoder stops at MAX_JSON_DEPTH by itself; a lower limit is
        looked for in each record.
      max_body_bytes: of a page without its encodings; the rest is cut off (`body_cut`).
      max_links: of a page; the rest is dropped (`over_limit`). Fewer where the page's base is so long that its
        relative links could have RESOLVED_CHARACTERS together.
      max_url_length: characters of a link as written (`url_too_long`; so is one with a host of 1,000 that is not
        ASCII), of a page's URL (`page_url_too_long`) and of its base (`base_url_too_long`).
      max_seconds: of processor time a record. A page that takes longer is dropped (`too_slow`).
      max_parser_bytes: memory for parsing one HTML page of many tags; a page that needs more is dropped
        (`html_too_costly`).
    """

    max_record_bytes: int = 1 << 28
    max_header_bytes: int = 1 << 16
    max_ratio: int = 250
    max_nesting: int = 3
    max_json_bytes: int = 1 << 25
    max_json_depth: int = 1000
    max_body_bytes: int = 1 << 24
    max_links: int = 250_000
    max_url_length: int = 1 << 16
    max_seconds: float = 20.0
    max_parser_bytes: int = 1 << 31

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ValueError(f"{field.name} must be above 0, got {value}.")
        if self.max_json_depth > MAX_JSON_DEPTH:
            raise ValueError(f"max_json_depth must be at most {MAX_JSON_DEPTH}, got {self.max_json_depth}.")


RATIO_FREE_BYTES = 1 << 24
"""What may be decompressed at any ratio: blank and repeated content is genuine, and this much of it costs little."""

ARCHIVE_RATIO_FREE_BYTES = 4 * RATIO_FREE_BYTES
"""The same for all members of an archive together: without it, each of a million small ones could be a bomb."""

MAX_JSON_DEPTH = 1000
"""Where the decoder stops, less the depth of Python's own stack: it recurses, up to Python's limit."""

RESOLVED_CHARACTERS = 1 << 27
"""What the base may add to the links of one page, each of which gets all of it: at 250,000 links, a base of 178."""
