"""Names of files and folders are taken as they are written, though globs, lists and shells give characters meaning."""

import codecs
import gzip
from pathlib import Path

import pytest

from beam_pipelines.build_graph import build
from beam_pipelines.cli import main
from beam_pipelines.inputs import InputError, expand_inputs
from beam_pipelines.keyed_file import is_whole
from beam_pipelines.step import Output
from beam_pipelines.storage import list_files, write_keyed_file
from tests.beam_pipelines.archives import members, page_record
from tests.beam_pipelines.graphs import build_files, read_graph
from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl
from webgraph.verify import verify_graph

_URLS = [f"https://www.a.de/{number}" for number in range(8)]
_ARCHIVE = members(page_record(url, _URLS) for url in _URLS)
_NAMES = ["x[1]", "a*b?", "{a,b} c", "#1%20", "a\nb", "~", "a:b", "[!a]", "**"]


@pytest.mark.parametrize("name", _NAMES)
def test_only_the_pattern_is_a_pattern(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "1.json").touch()
    assert list_files(str(tmp_path / name), "*.json") == [str(tmp_path / name / "1.json")]


@pytest.mark.parametrize("name", ["x[1]", "a*b? {c}\n#%"])
def test_a_build_into_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "name[1].warc.gz"
    archive.write_bytes(_ARCHIVE)
    flags = ["--variants", "all-3=*:3", "--tfrecord-shards", "1"]
    for output in (name, "plain"):
        assert main([str(archive), "--output", str(tmp_path / output), *flags]) == 0
    assert read_graph(tmp_path / name / "all-3") == read_graph(tmp_path / "plain" / "all-3")


@pytest.mark.parametrize("name", ["name[1].warc", "a*.warc", "what?.warc"])
def test_a_file_of_just_that_name_comes_before_a_glob(tmp_path: Path, name: str) -> None:
    for each in (name, "name1.warc", "ab.warc", "whats.warc"):
        (tmp_path / each).touch()
    assert expand_inputs([str(tmp_path / name)]) == [str(tmp_path / name)]
    (tmp_path / name).unlink()
    assert len(expand_inputs([str(tmp_path / name)])) == 1
    assert str(tmp_path / name) not in expand_inputs([str(tmp_path / name)])


@pytest.mark.parametrize(
    "content",
    [
        b"a.warc\nb[1].warc\n",
        codecs.BOM_UTF8 + b"a.warc\nb[1].warc\n",
        codecs.BOM_UTF8 + b"a.warc\r\n\r\n# more\r\n" + codecs.BOM_UTF8 + b"b[1].warc \t\r\na.warc",
        gzip.compress(codecs.BOM_UTF8 + b"a.warc\rb[1].warc", mtime=0),
    ],
)
def test_lists_as_editors_write_them(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "l[1].paths").write_bytes(content)
    expected = [str(tmp_path / name) for name in ("a.warc", "b[1].warc")]
    assert expand_inputs([str(tmp_path / "l[1].paths")]) == expected


def test_only_ends_of_lines_end_a_line(tmp_path: Path) -> None:
    name = "a\u2028b\x85c\x0cd\u00a0"
    (tmp_path / "l.paths").write_text(f"{name}\n", encoding="utf-8")
    assert expand_inputs([str(tmp_path / "l.paths")]) == [str(tmp_path / name)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_lists_in_other_encodings_are_refused_in_words(tmp_path: Path, encoding: str) -> None:
    mark = codecs.BOM_UTF16_LE if encoding == "utf-16-le" else b""
    (tmp_path / "l.paths").write_bytes(mark + "ä.warc\n".encode(encoding))
    with pytest.raises(InputError, match="UTF-8"):
        expand_inputs([str(tmp_path / "l.paths")])


def test_a_folder_as_input_says_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "wat[1]").mkdir()
    with pytest.raises(InputError, match=r"is a folder, not an archive; .* give '.*wat\[\[\]1\]/\*'"):
        expand_inputs([str(tmp_path / "wat[1]")])


def test_a_file_as_output_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.warc.gz").write_bytes(_ARCHIVE)
    (tmp_path / "wat.paths").touch()
    assert main([str(tmp_path / "a.warc.gz"), "--output", str(tmp_path / "wat.paths")]) == 2
    assert "is a file; name a folder" in " ".join(capsys.readouterr().err.split())


def test_every_cut_of_a_keyed_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "1.out"
    write_keyed_file(str(path), [Output("pages", 1, b"one"), Output("links", 2, b"three")])
    data = path.read_bytes()
    assert is_whole(str(path))
    for size in range(len(data)):
        path.write_bytes(data[:size])
        assert not is_whole(str(path)), size
    path.unlink()
    assert not is_whole(str(path))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("file/sub/out", "would lie in file, which is a file; name a folder"),
        ("dangling", "The output dangling is a link to what is not there; name a folder"),
        ("dangling/out", "would lie in dangling, which is a link to what is not there"),
        ("", "The output has no name; name a folder"),
    ],
)
def test_an_output_that_cannot_be_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x")
    Path("dangling").symlink_to("nowhere")
    with pytest.raises(InputError, match=said):
        build(["a.warc"], output)


@pytest.mark.parametrize("item", ["", "a\0b"])
def test_an_input_without_a_name(item: str) -> None:
    with pytest.raises(InputError, match="is no name of a file"):
        expand_inputs([item])


def test_a_list_with_a_byte_of_zero(tmp_path: Path) -> None:
    (tmp_path / "a.paths").write_bytes(b"a.warc\0\n")
    with pytest.raises(InputError, match="a byte of zero"):
        expand_inputs([str(tmp_path / "a.paths")])


@pytest.mark.parametrize("name", ["~", "~root"])
def test_a_tilde_is_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_synthetic_crawl("made", SyntheticCrawlOptions(num_pages=30, seed=1, num_files=1))
    build_files(sorted(Path("made").rglob("*.wat.gz")), Path(name))
    assert all(not verify_graph(folder).findings for folder in Path(name).iterdir() if folder.is_dir())
