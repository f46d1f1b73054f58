"""Questions to a page as the browser has drawn it."""

from typing import Any

from tests.support.browser import Tab

TEXTS = """
(() => {
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!/^rgba\\(.*, 0\\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const add = (element, style, text) => {
    if (text.trim() && element.checkVisibility()) found.push({
      text: text.trim(), colour: style.color, behind: behind(element),
      left: element.getBoundingClientRect().left, right: element.getBoundingClientRect().right,
    });
  };
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    add(element, getComputedStyle(element), own.map((node) => node.textContent).join(' ') || element.value || '');
    const before = getComputedStyle(element, '::before');
    if (before.content !== 'none') add(element, before, before.content);
  }
  return found;
})()
"""
"""Every visible text with its colour, the one behind it, and where its element begins and ends from left to right."""

FOCUSED = """
(() => {
  const element = document.activeElement, style = getComputedStyle(element);
  return {
    element: element === document.body ? null : element.name || element.getAttribute('href') || element.textContent,
    style: style.outlineStyle, width: parseFloat(style.outlineWidth), colour: style.outlineColor,
    behind: getComputedStyle(document.body).backgroundColor,
  };
})()
"""
"""Element with the focus, and the line around it."""


async def visible_texts(tab: Tab) -> list[dict[str, Any]]:
    """Return what `TEXTS` says."""
    found: list[dict[str, Any]] = await tab.evaluate(TEXTS)
    return found


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as a style has them: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Return the relative luminance of `rgb(r, g, b)`: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(", ")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
