"""The report in a browser: it draws, asks for nothing, and works with mouse, keyboard and either theme."""

import re
import shutil

import pytest
from advices import advice, sketch
from graphs import Sketch
from playwright.sync_api import expect, sync_playwright

from addcat.verbs.advise.html.document import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
LIGHT, DARK = "rgb(246, 246, 243)", "rgb(19, 22, 26)"
HOSTILE = ("<script>alert(1)</script>", '"</script><img src=x onerror=alert(2)>', "`{{ 7 * 7 }}`'-->]]>")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Reports of a small network, of one with hostile names, and of one with a hundred merges."""
    written = tmp_path_factory.mktemp("reports")
    made = Sketch(known=True, dtype="float32")
    x = made.conv(made.input(), 4)
    for _ in range(100):
        x = made.concat(x, made.relu(made.conv(x, 1, 1)))
    graphs = {"small": sketch(), "hostile": sketch(*HOSTILE), "long": made.graph(made.conv(x, 4))}
    for name, graph in graphs.items():
        write_report(advice(graph), graph, written / f"{name}.html")
    return written


@pytest.fixture
def visit(browser, folder):
    """Open a report; complaints and requests are kept with the page, and there must be none of either."""
    contexts, said = [], []

    def opened(name, size=DESKTOP, scheme="light"):
        context = browser.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url) if request.url != page.url else None)
        page.goto((folder / f"{name}.html").as_uri())
        expect(page.locator("#details h3")).to_be_visible()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in said if not re.match(r"file:.*\.html$|data:", one)] == []


def expect_background(page, colour):
    expect(page.locator("body")).to_have_css("background-color", colour)


def transform(page):
    return page.locator("#viewport").get_attribute("transform")


def changed(page, before):
    """The view, once it is another than before."""
    page.wait_for_function(
        "before => document.getElementById('viewport').getAttribute('transform') !== before", arg=before
    )
    return transform(page)


def scale(page):
    return float(re.search(r"scale\(([\d.]+)\)", transform(page))[1])


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("name", ["small", "hostile", "long"])
def test_the_network_is_drawn_and_fits_the_page(visit, name, size):
    page = visit(name, size)
    assert page.locator("#drawing .node.merge").count() == (100 if name == "long" else 3)
    assert page.locator("#drawing .node").count() == (204 if name == "long" else 12)
    assert page.locator("#drawing .edge").count() == (303 if name == "long" else 13)
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    assert overflow(page) == 0
    chosen = page.locator("#drawing .node.chosen .box").bounding_box()
    stage = page.locator(".stage").bounding_box()
    assert stage["x"] <= chosen["x"] <= chosen["x"] + chosen["width"] <= stage["x"] + stage["width"]
    texts = page.locator("#drawing .node.chosen text").evaluate_all(
        "all => all.map((text) => text.getBoundingClientRect().right)"
    )
    assert max(texts) <= chosen["x"] + chosen["width"]


def test_a_wide_page_would_be_noticed(visit):
    page = visit("small", PHONE)
    page.evaluate("document.querySelector('main').style.width = '500px'")
    assert overflow(page) > 0


def test_the_page_itself_would_refuse_to_load_or_run_anything_else(browser, folder):
    context = browser.new_context()
    page = context.new_page()
    page.goto((folder / "small.html").as_uri())
    refused = page.evaluate(
        """async () => {
          const found = [];
          document.addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
          const image = document.createElement("img");
          image.src = "http://localhost:9/x.png";
          const script = document.createElement("script");
          script.textContent = "document.title = 'run'";
          document.body.append(image, script);
          await new Promise((done) => setTimeout(done, 200));
          return found.sort();
        }"""
    )
    assert refused == ["img-src", "script-src-elem"]
    assert page.title() == "model: add or concatenate?"
    context.close()


def test_hostile_names_are_shown_as_they_are(visit):
    page = visit("hostile")
    expect(page.locator("#details h3")).to_have_text(HOSTILE[0])
    page.locator('[data-do="next"]').click()
    expect(page.locator("#details h3")).to_have_text(HOSTILE[1])
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 3


def test_the_page_follows_the_system_until_a_theme_is_chosen(visit):
    expect_background(visit("small", scheme="dark"), DARK)
    page = visit("small", scheme="light")
    expect_background(page, LIGHT)
    for name, colour in [("dark", DARK), ("light", LIGHT)]:
        page.locator("#theme").click()
        expect_background(page, colour)
        assert page.evaluate("localStorage.getItem('addcat-theme')") == name


def test_a_chosen_theme_is_remembered(visit):
    page = visit("small", scheme="light")
    # set before the page's own scripts run: the browser writes storage late, so a reload may come before it
    page.add_init_script("localStorage.setItem('addcat-theme', 'dark')")
    page.reload()
    expect_background(page, DARK)


def test_pan_and_zoom(visit):
    page = visit("small")
    page.locator(".stage").scroll_into_view_if_needed()
    box = page.locator(".stage").bounding_box()
    before, first = transform(page), scale(page)
    page.mouse.move(box["x"] + 30, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 340)
    page.mouse.up()
    after = changed(page, before)
    moved, was = ([float(number) for number in re.findall(r"-?[\d.]+", text)] for text in (after, before))
    assert [round(a - b) for a, b in zip(moved, was, strict=True)] == [60, 40, 0]
    page.locator('[data-do="in"]').click()
    after = changed(page, after)
    assert scale(page) == pytest.approx(1.3 * first, rel=1e-3)
    page.keyboard.down("Control")
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.wheel(0, 200)
    page.keyboard.up("Control")
    changed(page, after)
    assert scale(page) < 1.3 * first
    page.locator('[data-do="fit"]').click()
    expect(page.locator("#viewport")).to_have_attribute("transform", before)


def test_keyboard(visit):
    page = visit("small")
    page.locator("#drawing .node.chosen").focus()
    expect(page.locator("#details h3")).to_have_text("codes")
    assert page.locator('#drawing .node[tabindex="0"]').count() == 1
    for key, title in [("n", "skip"), ("n", "late"), ("n", "codes"), ("p", "late"), ("ArrowDown", "3 layers")]:
        page.keyboard.press(key)
        expect(page.locator("#details h3")).to_have_text(title)
        expect(page.locator("#drawing .node:focus")).to_have_class(re.compile(r"\bchosen\b"))
    before, first = transform(page), scale(page)
    page.keyboard.press("+")
    changed(page, before)
    assert scale(page) > first
    page.keyboard.press("p")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#merge-3$"))


def test_from_table_to_section_to_network(visit):
    page = visit("long")
    expect(page.locator("#merge-50")).not_to_have_attribute("open", "")
    page.locator('a[href="#merge-50"]').first.click()
    expect(page.locator("#merge-50")).to_have_attribute("open", "")
    page.locator('[data-show="merge-50"]').click()
    expect(page.locator("#details h3")).to_have_text("concat50")
    expect(page.locator("#minimap")).to_be_visible()


def test_the_command_is_copied(visit):
    page = visit("small")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("[data-copy]").first.click()
    expect(page.locator("[data-copy]").first).to_have_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == "addcat switch MODEL --set codes=concat -o switched.keras"


def test_without_scripts_the_network_is_a_list(browser, folder):
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto((folder / "small.html").as_uri())
    expect(page.locator(".flow li")).to_have_count(3)
    expect(page.locator(".flow li").first).to_have_text(
        re.compile(r"^codes, Add of .*: switch to Concatenate, certain$")
    )
    expect(page.locator(".stage")).to_be_hidden()
    expect(page.locator("#theme")).to_be_hidden()
    context.close()
