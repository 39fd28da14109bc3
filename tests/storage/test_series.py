"""Identity of series, and the selectors that choose them."""

import pickle
import re
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.series import NAME, Labels, Match, Matcher, Selector

LABEL = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]*", fullmatch=True)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
METRIC = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]*", fullmatch=True)
MATCHERS = st.one_of(
    st.builds(Matcher, LABEL, st.sampled_from([Match.EQUAL, Match.NOT_EQUAL]), TEXT),
    st.builds(Matcher, LABEL, st.sampled_from([Match.REGEX, Match.NOT_REGEX]), TEXT.map(re.escape)),
)
SELECTORS = st.builds(Selector, METRIC, st.lists(MATCHERS, max_size=4).map(tuple))


@given(st.dictionaries(LABEL, TEXT, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_labels_does_not_matter(pairs, random):  # type: ignore[no-untyped-def]
    shuffled = list(pairs.items())
    random.shuffle(shuffled)
    assert Labels(tuple(shuffled)) == Labels.of(pairs)
    assert hash(Labels(tuple(shuffled))) == hash(Labels.of(pairs))


def test_a_label_without_a_value_is_no_label() -> None:
    assert Labels.of(a="1", b="") == Labels.of(a="1")
    assert Labels.of(a="1").get("b") == ""
    assert Labels.of(a="1").plus(a="") == Labels()


def test_keywords_win_over_the_mapping() -> None:
    assert Labels.of({"a": "1", "b": "2"}, a="3") == Labels.of(a="3", b="2")
    assert Labels.of(a="1").plus(a="2", b="3") == Labels.of(a="2", b="3")


def test_a_label_may_be_called_self() -> None:
    assert Labels.of(a="1").plus(**{"self": "me"}).get("self") == "me"
    assert Labels.of({}, **{"self": "me", "cls": "you"}).get("cls") == "you"


def test_labels_can_be_narrowed() -> None:
    labels = Labels.of({NAME: "up", "job": "shop", "zone": "a"})
    assert labels.metric == "up"
    assert labels.only(["job", "absent"]) == Labels.of(job="shop")
    assert labels.without("job", NAME) == Labels.of(zone="a")
    assert labels.as_dict() == {"__name__": "up", "job": "shop", "zone": "a"}


def test_labels_are_printed_as_prometheus_writes_them() -> None:
    assert str(Labels.of({NAME: "up", "job": 'a "b" \\ \n'})) == 'up{job="a \\"b\\" \\\\ \\n"}'
    assert str(Labels.of({NAME: "up"})) == "up"
    assert str(Labels.of(job="shop")) == '{job="shop"}'
    assert str(Labels()) == "{}"


def test_pickled_labels_are_found_in_another_process() -> None:
    # Strings hash differently in every process, so a hash must not travel with the labels.
    labels = pickle.dumps(Labels.of(a="1", b="2"))
    look = (
        "import pickle; from storage.series import Labels; "
        f"print({{Labels.of(a='1', b='2'): 'found'}}.get(pickle.loads({labels!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd="."
    )
    assert done.stdout.strip() == "found"


@given(SELECTORS)
def test_a_selector_is_read_back_as_it_was_written(selector: Selector) -> None:
    assert Selector.parse(str(selector)) == selector


@given(SELECTORS, st.dictionaries(LABEL, TEXT, max_size=4))
def test_a_selector_means_the_same_after_it_was_written(
    selector: Selector, pairs: dict[str, str]
) -> None:
    labels = Labels.of({**pairs, NAME: selector.metric})
    assert Selector.parse(str(selector)).matches(labels) == selector.matches(labels)


@given(st.text(max_size=40) | st.text('up{}=~!",ab\\ ', max_size=12).map("up{".__add__))
def test_whatever_text_is_a_selector_or_a_value_error(text: str) -> None:
    selector = None
    with suppress(ValueError):
        selector = Selector.parse(text)
    if selector is not None:
        assert Selector.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("up", "up"),
        ("  up  ", "up"),
        ("up{}", "up"),
        ("up{ }", "up"),
        ('up{a="1",}', 'up{a="1"}'),
        ('up { a = "1" , b != "2" }', 'up{a="1",b!="2"}'),
        ('node:cpu:rate{mode=~"idle|iowait"}', 'node:cpu:rate{mode=~"idle|iowait"}'),
        (r'up{path="C:\\x\"\n"}', r'up{path="C:\\x\"\n"}'),
        ('up{a="}"}', 'up{a="}"}'),
        ('up{a="x,b"}', 'up{a="x,b"}'),
    ],
)
def test_selectors_as_people_write_them(text: str, written: str) -> None:
    assert str(Selector.parse(text)) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a selector like"),
        ("1up", "'1up' is not a selector like"),
        ('{job="shop"}', "is not a selector like"),
        ("up{", "'up{' is not a selector like"),
        ("up{a=1}", "cannot read 'a=1'"),
        ('up{a="1}', "cannot read 'a=\"1'"),
        ('up{a="1" b="2"}', "a comma is missing before 'b=\"2\"'"),
        ('up{,a="1"}', "cannot read ',a=\"1\"'"),
        ('up{a=~"("}', "'(' is no regular expression: missing )"),
        ('up{a=~"*"}', "'*' is no regular expression: nothing to repeat"),
        ('up{a=~"x{99999999999}"}', "is no regular expression: the repetition number is too large"),
    ],
)
def test_a_wrong_selector_names_the_part_that_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Selector.parse(text)


@pytest.mark.parametrize(
    ("matcher", "value", "expected"),
    [
        ('=~"5.."', "500", True),
        ('=~"5.."', "1500", False),
        ('=~"5.."', "5000", False),
        ('=~"a|bc"', "a", True),
        ('=~"a|bc"', "bc", True),
        ('=~"a|bc"', "abc", False),
        ('=~".*"', "", True),
        ('=~".+"', "", False),
        ('!~"a|b"', "c", True),
        ('!~"a|b"', "", True),
        ('!~"a|b"', "a", False),
        ('!="a"', "", True),
        ('=""', "", True),
        ('=""', "a", False),
    ],
)
def test_matchers_are_anchored_and_absent_labels_are_empty(
    matcher: str, value: str, expected: bool
) -> None:
    selector = Selector.parse(f"up{{code{matcher}}}")
    assert selector.matches(Labels.of({NAME: "up", "code": value})) is expected


def test_a_selector_means_one_metric_only() -> None:
    selector = Selector.parse('up{a="1"}')
    assert not selector.matches(Labels.of({NAME: "down", "a": "1"}))
    assert selector.renamed("down").matches(Labels.of({NAME: "down", "a": "1"}))
