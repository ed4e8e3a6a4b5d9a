from decimal import Decimal

import pytest

from sandbox.cluster.api.quantity import QuantityError, canonical, parse, to_bytes, to_millis


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (1, "1"),
        (1.5, "1500m"),
        ("1024Mi", "1Gi"),
        ("1000Ki", "1000Ki"),
        ("0.5Gi", "512Mi"),
        ("1500", "1500"),
        ("2000", "2k"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("100M", "100M"),
        ("-1", "-1"),
        ("1n", "1n"),
    ],
)
def test_a_quantity_is_written_as_kubernetes_does(text, written):
    assert canonical(text) == written
    assert parse(canonical(text)) == parse(text)


def test_amounts_are_rounded_up():
    assert to_bytes("64Mi") == 64 * 1024 * 1024
    assert to_bytes("0.1") == 1
    assert to_millis("1.0005") == 1001
    assert parse("1Ki") == Decimal(1024)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must match the regular expression"),
        ("lots", "must match the regular expression"),
        ("1 Gi", "must match the regular expression"),
        (True, "must match the regular expression"),
        (None, "must match the regular expression"),
        ("1.2.3", "numeric part"),
        ("1KI", "must match"),
        ("1Kn", "suffix"),
        ("1e999", "suffix"),
        ("9" * 100, "suffix"),
    ],
)
def test_what_is_no_quantity_is_refused(text, why):
    with pytest.raises(QuantityError, match=why):
        parse(text)
