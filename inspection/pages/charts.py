"""Small charts as SVG in a page: bars, an interval on a scale, a line by round.

Each says in words what it shows. Colours are in the style sheet, so that they follow light and
dark; nothing has a style of its own, which the pages' policy forbids.
"""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from elenchus.results import Estimate

WIDTH, HEIGHT = 480, 180  # of a line chart, in units of its own
STEPS = 120  # points of a training's curve
LEFT, RIGHT, TOP, BOTTOM = 50, 16, 24, 26  # margins of it


def bar(share: float | None, label: str, kind: str = "") -> Markup:
    """Return a bar that is filled to a share of 0 to 1.

    Args:
        label: what it shows, for those who do not see it.
        kind: a class of the filled part, such as "good" or "bad".
    """
    filled = 0.0 if share is None else 100 * min(1.0, max(0.0, share))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><rect class="track" width="100" height="8"/>'
        '<rect class="fill {}" width="{:.2f}" height="8"/></svg>'
    ).format(label, kind, filled)


def interval(estimate: Estimate, label: str, least: float = 0.0, most: float = 1.0) -> Markup:
    """Return a value as a dot on its interval, on a scale from `least` to `most`."""

    def place(value: float) -> float:
        return 100 * (min(most, max(least, value)) - least) / (most - least)

    low, high, value = (place(v) for v in (estimate.low, estimate.high, estimate.value))
    zero = Markup('<line class="zero" x1="{0:.2f}" x2="{0:.2f}" y1="0" y2="12"/>')
    return Markup(
        '<svg class="interval" viewBox="-3 0 106 12" preserveAspectRatio="none" role="img" '
        'aria-label="{label}"><line class="axis" x1="0" x2="100" y1="6" y2="6"/>{zero}'
        '<line class="whisker" x1="{low:.2f}" x2="{high:.2f}" y1="6" y2="6"/>'
        '<line class="point" x1="{value:.2f}" x2="{value:.2f}" y1="6" y2="6"/></svg>'
    ).format(
        label=label,
        zero=zero.format(place(0.0)) if least < 0 else Markup(""),
        low=low,
        high=high,
        value=value,
    )


def reach(estimates: Iterable[Estimate | None]) -> float:
    """Return how far from 0 a scale must go, to both sides, that holds all of these."""
    return max([0.1, *(abs(end) for e in estimates if e for end in (e.low, e.high, e.value))])


def rounds(values: Sequence[float | None], label: str) -> Markup:
    """Return a line through shares of 0 to 1, one for each round from 0 on."""
    known = [(n, value) for n, value in enumerate(values) if value is not None]
    across = (WIDTH - LEFT - RIGHT) / max(1, len(values) - 1)
    height = HEIGHT - TOP - BOTTOM

    def at(n: int, value: float) -> tuple[float, float]:
        return LEFT + n * across, TOP + (1 - value) * height

    grid = Markup("").join(
        Markup(
            '<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="tick end" x="{}" y="{:.1f}">{}</text>'
        ).format(
            LEFT, WIDTH - RIGHT, at(0, v)[1], at(0, v)[1], LEFT - 6, at(0, v)[1] + 4, f"{v:.0%}"
        )
        for v in (0.0, 0.5, 1.0)
    )
    points = [at(n, value) for n, value in known]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = Markup("").join(
        Markup(
            '<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="4"/>'
            '<text class="value {}" x="{:.1f}" y="{:.1f}">{}</text>'
            '<text class="tick {}" x="{:.1f}" y="{}">{}</text>'
        ).format(
            x, y, _side(n, len(values)), x, y - 10, f"{value:.1%}",
            _side(n, len(values)), x, HEIGHT - 6, "untouched" if n == 0 else f"round {n}",
        )
        for (x, y), (n, value) in zip(points, known, strict=True)
    )  # fmt: skip
    return Markup(
        '<svg class="rounds" viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<polyline class="curve" points="{}"/>{}</svg>'
    ).format(WIDTH, HEIGHT, label, grid, path, dots)


def curve(values: Sequence[float], label: str) -> Markup:
    """Return a line through the losses of a training, from the first step to the last."""
    most = max(values) or 1.0
    # As many points as there is room for, each the mean of the steps that fall on it.
    count = min(len(values), STEPS)
    groups = [
        values[n * len(values) // count : (n + 1) * len(values) // count] for n in range(count)
    ]
    means = [sum(group) / len(group) for group in groups]
    path = " ".join(
        f"{100 * n / max(1, count - 1):.2f},{40 - 38 * value / most:.2f}"
        for n, value in enumerate(means)
    )
    return Markup(
        '<svg class="losses" viewBox="0 0 100 42" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><line class="axis" x1="0" x2="100" y1="40" y2="40"/>'
        '<polyline class="curve" points="{}"/></svg>'
    ).format(label, path)


def _side(n: int, count: int) -> str:
    """Return the class that keeps a label of the first and the last round within the chart."""
    return "start" if n == 0 else "end" if n == count - 1 else "middle"
