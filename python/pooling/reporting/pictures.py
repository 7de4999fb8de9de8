"""Figures and programs as the report shows them, and the page on which each figure stands."""

import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from pooling.build.errors import DataError, FigureError, NothingToShow
from pooling.figures import CHAPTERS, Declared

LARGE = 500_000  # bytes from which the PNG of a figure is shown instead of its SVG
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "in": 96.0}


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes
    ----------
    name
        As in `make <name>-plot`.
    title, description
        Read from the figure's file.
    shown
        The file that the page shows, relative to the report's folder.
    files
        All its files by format, such as SVG.
    width, height
        Size in CSS pixels.
    """

    name: str
    title: str
    description: str
    shown: str
    files: dict[str, str]
    width: int
    height: int

    @property
    def empty(self) -> bool:
        """Whether the figure has nothing to show in this study; its description says why."""
        return self.title.startswith(NothingToShow.TITLE)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of a comment; equations are indented and keep their lines."""

    text: str
    equations: bool


@dataclass(frozen=True)
class Listing:
    """A Stan file and its opening comment.

    Attributes
    ----------
    name
        Of the file.
    title
        The comment up to its first colon, or else the file's name in words.
    comment
        Its paragraphs.
    text
        The whole file.
    """

    name: str
    title: str
    comment: tuple[Paragraph, ...]
    text: str

    @property
    def description(self) -> str:
        """First paragraph of the comment, after the title."""
        summary = self.comment[0].text if self.comment else ""
        rest = summary.removeprefix(f"{self.title}:").strip()
        return rest[:1].upper() + rest[1:]

    @property
    def includes(self) -> set[str]:
        """Names of the files that it includes."""
        return set(re.findall(r"#include\s+[\"<]?(?:functions/)?([\w.]+)", self.text))


def read_picture(path: Path, folder: Path) -> Picture:
    """Read an SVG with its title and description; `folder` is the report's.

    Raises
    ------
    DataError
        The file is not an SVG, or has no size.
    """
    try:
        root = ElementTree.parse(path).getroot()
        width, height = (_pixels(root.attrib[side]) for side in ("width", "height"))
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a figure ({error}); delete it and run make again") from None
    name = path.stem.replace("_", "-")
    about = {
        field: next((e.text.strip() for e in root.iter(DUBLIN_CORE + field) if e.text), "")
        for field in ("title", "description")
    }
    about["title"] = about["title"].rstrip(".") or name
    made = [file for file in (path, path.with_suffix(".png")) if file.is_file()]
    smallest = min(made, key=lambda file: file.stat().st_size)
    shown = smallest if path.stat().st_size > LARGE else path
    links = {file: Path(os.path.relpath(file, folder)).as_posix() for file in made}
    files = {file.suffix[1:].upper(): links[file] for file in made}
    return Picture(name, **about, shown=links[shown], files=files, width=width, height=height)


def _pixels(length: str) -> int:
    size = re.fullmatch(r"([\d.]+)([a-z]*)", length)
    if size is None or size[2] not in PIXELS:
        raise ValueError(f"size {length}")
    return round(float(size[1]) * PIXELS[size[2]])


def by_chapter(
    pictures: Sequence[Picture], figures: Mapping[str, Declared], kind: str
) -> dict[str, list[Picture]]:
    """Pictures of the figures of one kind by chapter, in the figures' order, without empty ones."""
    places: dict[str, list[Picture]] = {chapter: [] for chapter in CHAPTERS}
    drawn = {picture.name: picture for picture in pictures if not picture.empty}
    for figure in figures.values():
        picture = drawn.get(figure.name.replace("_", "-"))
        if picture and figure.kind == kind:
            places[figure.chapter].append(picture)
    return places


def refuse_strangers(pictures: Sequence[Picture], figures: Mapping[str, Declared]) -> None:
    """Raise FigureError if a picture belongs to no figure."""
    for picture in pictures:
        if picture.name.replace("-", "_") not in figures:
            raise FigureError(f"{picture.name}: no figure draws this picture; remove the file")


def read_listing(path: Path) -> Listing:
    """Read a Stan file."""
    text = path.read_text(encoding="utf-8")
    found = re.match(r"\s*/\*(.*?)\*/", text, re.DOTALL)
    lines = [re.sub(r"^\s*\* ?", "", line) for line in found[1].splitlines()] if found else []
    parts = re.split(r"\n\s*\n", textwrap.dedent("\n".join(lines)).strip("\n "))
    comment = tuple(_paragraph(part) for part in parts if part.strip())
    title = re.match(r"[^:.]{1,80}(?=:)", comment[0].text) if comment else None
    return Listing(path.name, title[0] if title else path.stem.replace("_", " "), comment, text)


def _paragraph(text: str) -> Paragraph:
    if text.startswith("  "):
        return Paragraph(textwrap.dedent(text), equations=True)
    return Paragraph(" ".join(text.split()), equations=False)
