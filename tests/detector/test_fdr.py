import numpy as np
import pytest

from detector.fdr import adjusted, discoveries, pooled_tail, student_tail


def test_the_tail_of_student_is_that_of_the_tables() -> None:
    # Two-sided 5 %, 1 % and 0.1 % points of 12 degrees of freedom (Fisher and Yates, table III).
    assert student_tail(np.array([2.179, 3.055, 4.318])) == pytest.approx(
        [0.025, 0.005, 0.0005], rel=2e-3
    )
    assert student_tail(np.array([0.0, -2.179])) == pytest.approx([0.5, 0.975], rel=2e-3)
    with pytest.raises(ValueError, match="even"):
        student_tail(np.array([1.0]), degrees=5)


def test_the_example_of_benjamini_and_hochberg() -> None:
    # Their section 4.2: fifteen p, of which the four smallest are discoveries at 5 %.
    p = np.array(
        [
            *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
            *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
        ]
    )
    assert discoveries(p, 0.05).sum() == 4
    assert discoveries(p[::-1], 0.05)[::-1].tolist() == discoveries(p, 0.05).tolist()


def test_what_was_not_tested_is_not_in_the_family() -> None:
    p = np.array([0.01, np.nan, 0.04, np.nan])
    assert adjusted(p)[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(adjusted(p)[[1, 3]]).all()
    assert discoveries(np.array([np.nan]), 0.05).tolist() == [False]


def test_no_more_false_discoveries_than_asked_for() -> None:
    generator = np.random.default_rng(12)
    shares, any_false = [], 0
    for _ in range(400):
        score = generator.standard_t(12, size=300)
        score[:10] += 6.0
        wanted = discoveries(student_tail(score), 0.05)
        shares.append(wanted[10:].sum() / max(wanted.sum(), 1))
        any_false += int(discoveries(student_tail(generator.standard_t(12, 300)), 0.05).any())
    assert np.mean(shares) <= 0.06
    assert any_false / 400 <= 0.08  # with nothing wrong any discovery is false: 5 % of the ticks


def test_a_pooled_null_gives_the_share_that_is_as_large_and_never_zero() -> None:
    null = np.arange(99.0)
    assert pooled_tail(np.array([98.0, 1000.0, -1.0]), null) == pytest.approx([0.02, 0.01, 1.0])
