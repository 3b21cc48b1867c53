"""Fuzz target: the manifest reader, with bytes as they are, and with their JSON under a digest that fits."""

import json

import xxhash

from webgraph.manifest import ManifestError, canonical_json, parse_manifest


def run(data: bytes) -> None:
    """Raises where a manifest is accepted that is not written back as it was, or refused without words."""
    _read(data)
    try:
        content = json.loads(data)
        if isinstance(content, dict):
            content.pop("digest", None)
            content["digest"] = xxhash.xxh3_128_hexdigest(canonical_json(content))
            _read(canonical_json(content))
    except (ValueError, RecursionError):
        return


def _read(data: bytes) -> None:
    try:
        manifest = parse_manifest(data, "manifest.json")
    except ManifestError as error:
        assert str(error).startswith("manifest.json ")
        return
    assert json.loads(manifest.to_bytes())["digest"] == manifest.digest()
