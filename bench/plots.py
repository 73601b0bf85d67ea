"""Plots as SVG: bars of figures, and lines over axes whose steps multiply."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
HEIGHT = 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 150, 52, 56
_LABEL_APART = 15
_BAR, _BETWEEN = 20, 10
_LETTER = 7.2  # wide at most, about
# Those of Okabe and Ito, which the colour-blind tell apart; darker where words have them.
COLOURS = (
    *("#0072b2", "#56b4e9", "#009e73", "#8a6d00", "#b08900"),
    *("#b5479b", "#d55e00", "#555555", "#000000"),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """
    A figure.

    Attributes:
        low, high: Between which it moved.
        colour: One of COLOURS, by its number.
    """

    label: str
    figure: float
    low: float
    high: float
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """
    Figures that belong together.

    Attributes:
        points: x and y of each, all of them above 0, x rising.
        colour: As of a bar.
    """

    label: str
    points: Sequence[tuple[float, float]]
    colour: int = 0


def bars(title: str, axis: str, told: Sequence[Bar]) -> str:
    """
    Draw bars that lie, with what they moved between.

    Args:
        axis: What they say, and its unit.
    """
    top, left = _TOP, round(max(len(bar.label) for bar in told) * _LETTER) + 24
    height = top + len(told) * (_BAR + _BETWEEN) + _BOTTOM
    most = max(bar.high for bar in told)
    step = _step(most)
    scale = (WIDTH - left - 70) / (math.ceil(most / step) * step)
    bottom = height - _BOTTOM
    parts = []
    for number in range(math.ceil(most / step) + 1):
        x = left + number * step * scale
        parts.append(_line(x, top - 6, x, bottom, "#dddddd"))
        parts.append(_text(x, bottom + 18, _word_tick(number * step), "middle"))
    for number, bar in enumerate(told):
        y = top + number * (_BAR + _BETWEEN)
        middle = y + _BAR / 2
        colour = COLOURS[bar.colour]
        parts += [
            _text(left - 8, middle + 4, bar.label, "end"),
            f'<rect x="{left}" y="{y}" width="{bar.figure * scale:.1f}" height="{_BAR}"'
            f' fill="{colour}"><title>{escape(bar.label)}: {word(bar.figure)}</title></rect>',
            _line(left + bar.low * scale, middle, left + bar.high * scale, middle, "#222222"),
            _text(left + bar.high * scale + 6, middle + 4, word(bar.figure), "start"),
        ]
    parts.append(_text((left + WIDTH - 70) / 2, height - 14, axis, "middle"))
    return _page(title, height, parts)


def lines(title: str, x_axis: str, y_axis: str, told: Sequence[Line]) -> str:
    """
    Draw lines, each with its name at its end; both axes are logarithmic.

    Args:
        x_axis, y_axis: What they say, and their units.
    """
    xs = sorted({x for line in told for x, _ in line.points})
    ys = [y for line in told for _, y in line.points]
    ticks = _ticks(min(ys), max(ys))
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def at_x(x: float) -> float:
        return _LEFT + math.log(x / xs[0]) / math.log(xs[-1] / xs[0]) * (right - _LEFT)

    def at_y(y: float) -> float:
        return bottom - math.log(y / ticks[0]) / math.log(ticks[-1] / ticks[0]) * (bottom - _TOP)

    parts = []
    for y in ticks:
        parts.append(_line(_LEFT, at_y(y), right, at_y(y), "#dddddd"))
        parts.append(_text(_LEFT - 8, at_y(y) + 4, _word_tick(y), "end"))
    for x in xs:
        parts.append(_line(at_x(x), bottom, at_x(x), bottom + 5, "#555555"))
        parts.append(_text(at_x(x), bottom + 20, _word_tick(x), "middle"))
    parts.append(_line(_LEFT, bottom, right, bottom, "#555555"))
    ends = _apart({line.label: at_y(line.points[-1][1]) for line in told})
    for line in told:
        colour = COLOURS[line.colour]
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3.5" fill="{colour}">'
            f"<title>{escape(line.label)}, {word(x)}: {word(y)}</title></circle>"
            for x, y in line.points
        ]
        parts.append(_text(right + 10, ends[line.label] + 4, line.label, "start", colour))
    middle = (_TOP + bottom) / 2
    parts.append(_text((_LEFT + right) / 2, HEIGHT - 14, x_axis, "middle"))
    parts.append(
        f'<text x="18" y="{middle:.1f}" text-anchor="middle" fill="#222222"'
        f' transform="rotate(-90 18 {middle:.1f})">{escape(y_axis)}</text>'
    )
    return _page(title, HEIGHT, parts)


def word(figure: float) -> str:
    """Word a figure with three digits that say something."""
    if figure >= 100 or figure == int(figure):
        return f"{figure:,.0f}"
    return f"{figure:.{max(0, 2 - math.floor(math.log10(abs(figure))))}f}"


def _word_tick(figure: float) -> str:
    return f"{figure:,g}" if figure < 1e6 else f"{figure:,.0f}"


def _step(most: float) -> float:
    """Choose a round step of which there are seven at most."""
    rough = most / 7
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _ticks(least: float, most: float) -> Sequence[float]:
    """Choose 1, 2 and 5 of each decade, from below the least to above the most."""
    factors = (1, 2, 5) if most / least < 1000 else (1,)
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    found = [factor * 10.0**decade for decade in decades for factor in factors]
    first = max(number for number, tick in enumerate(found) if tick <= least)
    last = min(number for number, tick in enumerate(found) if tick >= most)
    return found[first : max(last, first + 1) + 1]


def _apart(wanted: Mapping[str, float]) -> Mapping[str, float]:
    """Move labels down until none stands on another."""
    placed: dict[str, float] = {}
    last = -math.inf
    for name, y in sorted(wanted.items(), key=lambda item: item[1]):
        placed[name] = last = max(y, last + _LABEL_APART)
    return placed


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _page(title: str, height: int, parts: Sequence[str]) -> str:
    # Its own white ground: where it is shown may be dark.
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img" aria-labelledby="title"'
            ' font-family="system-ui, sans-serif" font-size="13">',
            f'<title id="title">{escape(title)}</title>',
            f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
            f'<text x="20" y="28" font-size="16" font-weight="600" fill="#222222">'
            f"{escape(title)}</text>",
            *parts,
            "</svg>",
            "",
        ]
    )
