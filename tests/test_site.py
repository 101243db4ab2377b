"""The site builds without a warning, has a place for every code, and asks nobody for anything when it is read."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from addcat.verbs.explain.codes import codes

ROOT = Path(__file__).parents[1]
ELSEWHERE = r"(?:https?:)?//[\w.-]+"
ASKED = re.compile(rf"<(?:script|iframe|img|source|embed)\b[^>]*\bsrc=[\"']?({ELSEWHERE})", flags=re.IGNORECASE)
LINKED = re.compile(r"<link\b[^>]*>", flags=re.IGNORECASE)
STYLED = re.compile(rf"(?:url\(\s*[\"']?|@import\s+[\"'])({ELSEWHERE})", flags=re.IGNORECASE)


def asked_elsewhere(text):
    """The hosts from which a page or a style sheet loads something by itself; links to click on do not count."""
    links = [tag for tag in LINKED.findall(text) if not re.search(r"rel=[\"']?(canonical|next|prev)", tag)]
    found = [*ASKED.findall(text), *STYLED.findall(text)]
    return found + [host for tag in links for host in re.findall(rf"href=[\"']?({ELSEWHERE})", tag)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_site_asks_nobody_for_anything(site):
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 12
    assert {page.name: found for page in pages if (found := asked_elsewhere(page.read_text(encoding="utf-8")))} == {}


def test_the_page_of_codes_is_that_of_the_table(request):
    page = ROOT / "docs" / "codes.md"
    made = runpy.run_path(str(ROOT / "docs" / "hooks.py"))["codes_page"]()
    if request.config.getoption("--golden-refresh"):
        page.write_text(made, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == made


def test_the_answer_has_its_place_once_it_is_written(tmp_path):
    from types import SimpleNamespace

    copy = tmp_path / "hooks.py"
    copy.write_text((ROOT / "docs" / "hooks.py").read_text(encoding="utf-8"), encoding="utf-8")
    on_config = runpy.run_path(str(copy))["on_config"]
    assert on_config(SimpleNamespace(nav=["home", "tutorials"])).nav == ["home", "tutorials"]
    (tmp_path / "answer.md").touch()
    assert on_config(SimpleNamespace(nav=["home", "tutorials"])).nav == [
        "home",
        {"The answer": "answer.md"},
        "tutorials",
    ]


@pytest.mark.slow
def test_every_code_has_its_place(site):
    text = (site / "codes.html").read_text(encoding="utf-8")
    assert [code for code in codes() if f'id="{code.lower()}"' not in text] == []


@pytest.mark.slow
def test_what_is_public_is_in_the_reference(site):
    import addcat

    text = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    inner = {"Graph", "Verdict"}  # described where advise and refusals are
    missing = {name for name in addcat.__all__ if not re.search(rf'id="addcat\.[\w.]*\b{name}"', text)}
    assert missing <= inner


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ('<script src="https://unpkg.com/iframe-worker/shim"></script>', ["https://unpkg.com"]),
        ("<script src=//cdn.net/x.js>", ["//cdn.net"]),
        ('<link rel="stylesheet" href="https://fonts.net/css?family=Roboto">', ["https://fonts.net"]),
        ("@font-face { src: url(https://fonts.net/a.woff2) }", ["https://fonts.net"]),
        ('<script src="assets/x.js"></script><a href="https://keras.io">Keras</a>', []),
        ('<link rel="canonical" href="https://addcat.dev/">', []),
    ],
)
def test_the_search_finds_what_loads_from_elsewhere(text, hosts):
    assert asked_elsewhere(text) == hosts
