"""Owns the colours and letters of pictures, light and dark as the viewer prefers.

Never draws.
"""

from __future__ import annotations

FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans CJK JP', "
    "'Liberation Sans', sans-serif"
)
_LIGHT = {
    "back": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "rule": "#d1d9e0", "mark": "#0f766e",
    "s0": "#eceff2", "s1": "#b7e0d9", "s2": "#7cc3b8", "s3": "#3d9c8f", "s4": "#147568",
    "s5": "#064a42",
}  # fmt: skip
_DARK = {
    "back": "#0d1117", "ink": "#e6edf3", "soft": "#9198a1", "rule": "#30363d", "mark": "#2bb8a5",
    "s0": "#1b2129", "s1": "#0d3d37", "s2": "#13635a", "s3": "#1f9083", "s4": "#41c2b1",
    "s5": "#9cf0e2",
}  # fmt: skip


def _colours(theme: dict[str, str]) -> str:
    """The rules that depend on the theme, as plain colours: not every viewer knows variables."""
    filled = [f".{name}{{fill:{colour}}}" for name, colour in theme.items() if name != "rule"]
    mark = theme["mark"]
    return "".join(
        [
            *filled,
            f".rule,.zero{{stroke:{theme['rule']}}}",
            f".zero{{stroke:{theme['soft']}}}",
            f".line,.bridge{{stroke:{mark}}}",
            f".area,.dot{{fill:{mark}}}",
            f".dot{{stroke:{theme['back']}}}",
        ]
    )


SVG = (
    f"text{{font:13px {FONT};unicode-bidi:plaintext}}"
    "text.title{font-size:20px;font-weight:600}"
    "text.small{font-size:12px}"
    ".num{font-variant-numeric:tabular-nums}"
    ".line,.bridge{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".bridge{stroke-width:1.25;stroke-dasharray:2 5}"
    ".area{fill-opacity:.13}"
    ".minus{fill-opacity:.55}"
    ".dot{stroke-width:1.5}"
    ".touch{fill-opacity:0}"
    f"{_colours(_LIGHT)}"
    f"@media (prefers-color-scheme:dark){{{_colours(_DARK)}}}"
)

PAGE = (
    f"body{{margin:0;background:{_LIGHT['back']};color:{_LIGHT['ink']};font:16px/1.5 {FONT}}}"
    "main{max-width:56rem;margin:0 auto;padding:1.5rem 1rem}"
    "h1{font-size:1.5rem;margin:0 0 .25rem}"
    "p{margin:.25rem 0}"
    f".facts,figcaption,.notes{{color:{_LIGHT['soft']};font-size:.9rem}}"
    "figure{margin:1rem 0;overflow-x:auto}"
    "svg{display:block;width:100%;min-width:40rem;height:auto}"
    "details{margin-top:1rem;overflow-x:auto}"
    "summary{cursor:pointer}"
    "table{border-collapse:collapse;margin-top:.5rem;font-size:.9rem}"
    f"th,td{{padding:.2rem .7rem;text-align:left;border-bottom:1px solid {_LIGHT['rule']};"
    "vertical-align:top;max-width:24rem;overflow-wrap:anywhere}"
    "th.num,td.num{text-align:right;overflow-wrap:normal;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "@media (prefers-color-scheme:dark){"
    f"body{{background:{_DARK['back']};color:{_DARK['ink']}}}"
    f".facts,figcaption,.notes{{color:{_DARK['soft']}}}"
    f"th,td{{border-color:{_DARK['rule']}}}"
    "}"
)
