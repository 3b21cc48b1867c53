"""Text from outside, fit for a terminal: control characters, which could move the cursor or hide words, are escaped."""


def printable(text: str) -> str:
    """Replaces what is not printable by its escape: the character ESC by the four characters `\\x1b`."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text
    )
