"""The files of a benchmark: figures as JSON, and a picture of them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Draw = Callable[[Any, Mapping[str, Any]], None]
"""Draws figures into a matplotlib Figure."""


def write_figures(folder: Path, kind: str, figures: Mapping[str, Any], draw: Draw) -> dict[str, Path]:
    """Writes KIND.json and, where matplotlib is installed, KIND.png.

    Returns:
      What was written, by what it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {"figures": folder / f"{kind}.json"}
    files["figures"].write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib.figure import Figure
    except ImportError:
        return files
    picture = Figure(figsize=(11, 4.4), layout="constrained")
    draw(picture, figures)
    files["picture"] = folder / f"{kind}.png"
    picture.savefig(files["picture"], dpi=130)
    return files
