"""What tests do in a window, and what every page must be."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRIVER = ROOT / ".build" / "browser"
AXE = ROOT / ".build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"


def visit(window, report: Path, name: str, fragment: str = "") -> None:
    window.goto("about:blank")  # a new fragment alone would not load the page again
    window.goto((report / f"{name}.html").as_uri() + fragment)


def text(page, selector: str) -> str:
    return " ".join(page.locator(selector).first.inner_text().split())


def choose(page, **values: str) -> None:
    for name, label in values.items():
        page.locator(f"#explorer-{name}").select_option(label=label)


def type_county(page, name: str, which: str = "first") -> None:
    page.locator(f"#explorer-{which}").fill(name)
    page.keyboard.press("Enter")


def plain(words: str) -> str:
    return words.replace("\N{NO-BREAK SPACE}", " ")


def check_page(window, name: str, width: int) -> None:
    """The page fits the window's width and has no violation that axe-core finds."""
    window.wait_for_load_state("networkidle")
    shots = DRIVER / "screenshots"
    shots.mkdir(exist_ok=True)
    window.screenshot(path=shots / f"{name.replace('/', '-')}-{width}.png", full_page=True)
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    if not AXE.is_file():
        pytest.skip("no axe-core; install npm and run `make .build/axe/ready`")
    window.evaluate(AXE.read_text(encoding="utf-8"))
    found = window.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    assert [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in found] == []
