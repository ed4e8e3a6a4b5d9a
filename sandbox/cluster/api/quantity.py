"""Quantities: `500m`, `64Mi`, `1e3`, read exactly and written as Kubernetes writes them."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Context, Decimal

_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FORM = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,2}|)")
_MAX_LENGTH = 64

EXPRESSION = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
"""What Kubernetes says that quantities must match."""


class QuantityError(ValueError):
    """It is no quantity; the message is Kubernetes' own."""

    def __init__(self, text: object = "") -> None:
        match = re.fullmatch(EXPRESSION, str(text)[:_MAX_LENGTH])
        if match is None:
            super().__init__(f"quantities must match the regular expression '{EXPRESSION}'")
        elif not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", match[1]):
            super().__init__("unable to parse numeric part of quantity")
        else:
            super().__init__("unable to parse quantity's suffix")


_WIDE = Context(prec=400)
"""A quantity may have more digits than decimal's usual 28."""


def _split(value: object) -> tuple[Decimal, str]:
    text = str(value)
    match = _FORM.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None or isinstance(value, bool):
        raise QuantityError(value)
    return Decimal(match[1] + match[2]), match[3]


def parse(value: object) -> Decimal:
    """The exact value. Raises QuantityError."""
    number, suffix = _split(value)
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    if suffix in _BINARY:
        return number * Decimal(1024 ** (_BINARY.index(suffix) + 1))
    return number.scaleb(int(suffix[1:]))


def to_bytes(value: object) -> int:
    """A whole number (of bytes), rounded up."""
    return int(parse(value).to_integral_value(ROUND_CEILING))


def to_millis(value: object) -> int:
    """Thousandths (of a core), rounded up."""
    return int(parse(value).scaleb(3).to_integral_value(ROUND_CEILING))


def canonical(value: object) -> str:
    """The same value as Kubernetes would print it: `1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`."""
    _, suffix = _split(value)
    number = parse(value).quantize(Decimal("1e-9"), ROUND_CEILING, _WIDE)
    if suffix in _BINARY and number == int(number):
        return _binary(int(number))
    if suffix[:1] in ("e", "E") and suffix not in _DECIMAL:
        return _exponent(number)
    return _decimal(number)


def _binary(number: int) -> str:
    power = 0
    while number and number % 1024 == 0 and power < len(_BINARY):
        number //= 1024
        power += 1
    return f"{number}{_BINARY[power - 1]}" if power else str(number)


def _thousands(number: Decimal) -> tuple[int, int]:
    """mantissa and exponent (a multiple of three), with the largest exponent that loses nothing."""
    exponent, mantissa = -9, int(number.scaleb(9))
    while mantissa and mantissa % 1000 == 0 and exponent < 18:
        mantissa //= 1000
        exponent += 3
    return mantissa, exponent


def _decimal(number: Decimal) -> str:
    mantissa, exponent = _thousands(number)
    if not mantissa:
        return "0"
    return f"{mantissa}{next(suffix for suffix, power in _DECIMAL.items() if power == exponent)}"


def _exponent(number: Decimal) -> str:
    mantissa, exponent = _thousands(number)
    return f"{mantissa}e{exponent}" if mantissa and exponent else str(mantissa)
