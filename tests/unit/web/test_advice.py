"""Entries of docs/troubleshooting.md as the page of a database shows them."""

import pytest

from controller.web.advice import Entry, Span, entries_of
from controller.web.html import troubleshooting

TEXTS = {
    "Down": "It is down.\n- Confirm: `kubectl get ddb perses -n team-a`,\n  then `kubectl get secret -n team-a`\n"
    "- Mend: see [Away](#away), or [install it](runbooks.md#install).",
    "Away": "Nothing to do: [read](../README.md), and see [Down](#down).",
    "Other": "Another one.",
}


def test_an_entry_has_its_paragraphs_and_the_entries_to_which_it_leads() -> None:
    down, away = entries_of(["Down", "Unheard"], TEXTS, ("sales", "charts"))
    assert down == Entry(
        "Down",
        (
            (Span("It is down."),),
            (
                Span("Confirm: "),
                Span("kubectl get ddb charts -n sales", code=True),
                Span(", then "),
                Span("kubectl get secret -n sales", code=True),
            ),
            (
                Span("Mend: see "),
                Span("Away", reason="Away"),
                Span(", or "),
                Span("install it (docs/runbooks.md)"),
                Span("."),
            ),
        ),
    )
    assert away.paragraphs[0][1] == Span("read (README.md)")


def test_without_a_resource_the_examples_stay_as_they_are() -> None:
    [entry, _] = entries_of(["Down"], TEXTS, ("", "charts"))
    assert Span("kubectl get ddb perses -n team-a", code=True) in entry.paragraphs[1]


@pytest.mark.parametrize("reason", sorted(troubleshooting()))
def test_nothing_of_markdown_is_left_in_an_entry(reason: str) -> None:
    for entry in entries_of([reason], troubleshooting(), ("sales", "charts")):
        for span in (span for paragraph in entry.paragraphs for span in paragraph):
            assert span.code or not set("`[]*_#\n") & set(span.text)
            assert "perses -n" not in span.text.replace("-perses -n", "")
            assert "team-a" not in span.text
