"""Arithmetic that is safe to give to anybody: numbers and signs go in, an exact result and its steps come out.

A calculation is read sign by sign; nothing of it is ever run as code. It has limits, because 9^9^9 would never end.
"""

from fractions import Fraction

from ..errors import MessageError

SIGNS = "+-*/^()"
MOST_SIGNS, MOST_BITS = 60, 130  # of one calculation; of one number: 130 bits are about 39 digits
SHOWN = {"*": "×", "/": "÷", "-": "−"}
DO = {"+": Fraction.__add__, "-": Fraction.__sub__, "*": Fraction.__mul__, "/": Fraction.__truediv__}


class Calculation:
    """A calculation, worked out: brackets first, then ^, then × and ÷, then + and −, and equals from left to right.

    signs: numbers such as "12" or "0.5", and signs of SIGNS. result: the exact number. steps: what was done, in this
    order. last: the sign that was worked out last. Raises MessageError for what cannot be read or has no result.
    """

    def __init__(self, signs: list[str]):
        if len(signs) > MOST_SIGNS:
            raise MessageError(f"The calculation has {len(signs)} numbers and signs: I read at most {MOST_SIGNS}.")
        self._left, self.steps, self.last = list(signs), [], ""
        self.result = self._sum()
        if self._left:
            raise MessageError(f"I cannot read the calculation from “{self._left[0]}” on: is a sign missing?")
        if not self.steps:
            raise MessageError("There is nothing to work out: I need a calculation such as 7 + 5.")
        self.written = " ".join(SHOWN.get(sign, sign) for sign in signs).replace("( ", "(").replace(" )", ")")

    def __str__(self) -> str:
        return f"{self.written} {'=' if is_exact(self.result) else '≈'} {show(self.result)}"

    # --- reading: what binds least is at the top, and each line asks the next for its numbers

    def _sum(self):
        value = self._product()
        while sign := self._next("+-"):
            value = self._step(value, sign, self._product())
        return value

    def _product(self):
        value = self._signed()
        while sign := self._next("*/"):
            value = self._step(value, sign, self._signed())
        return value

    def _signed(self):
        return -self._signed() if self._next("-") else self._power()

    def _power(self):
        value = self._number()
        return self._step(value, "^", self._signed()) if self._next("^") else value

    def _number(self):
        if self._next("("):
            value = self._sum()
            if not self._next(")"):
                raise MessageError("A bracket is opened and not closed.")
            return value
        if not self._left or self._left[0] in SIGNS:
            raise MessageError("A number is missing in the calculation.")
        return Fraction(self._left.pop(0))

    def _next(self, wanted):
        return self._left.pop(0) if self._left and self._left[0] in wanted else None

    # --- working out

    def _step(self, a, sign, b):
        if (sign == "/" and b == 0) or (sign == "^" and a == 0 and b < 0):
            raise MessageError("Nothing can be divided by 0.")
        if sign == "^" and (b.denominator > 1 or abs(b) * (_bits(a) - 1) > MOST_BITS):
            raise MessageError("I only work out powers with a small whole number on top.")
        value = a ** int(b) if sign == "^" else DO[sign](a, b)
        if _bits(value) > MOST_BITS:
            raise MessageError("The numbers get too long for me.")
        equals = "=" if all(map(is_exact, (a, b, value))) else "≈"
        shown = f"({show(a)})" if sign == "^" and a < 0 else show(a)  # −2 ^ 2 would be −(2 ^ 2)
        self.steps.append(f"{shown} {SHOWN.get(sign, sign)} {show(b)} {equals} {show(value)}")
        self.last = sign
        return value


def is_exact(value: Fraction) -> bool:
    """Can it be written with at most six decimals?"""
    return (value * 10**6).denominator == 1


def show(value: Fraction) -> str:
    """A number as one writes it: 12, −0.125, or rounded: 0.333333, 2.5e-09."""
    if value.denominator == 1:
        digits = str(abs(value.numerator))
    elif is_exact(value) or abs(value) >= Fraction(1, 1000):
        digits = f"{float(abs(value)):.6f}".rstrip("0").rstrip(".")
    else:
        digits = f"{float(abs(value)):.3g}"
    return ("−" if value < 0 else "") + digits


def _bits(value):
    return max(value.numerator.bit_length(), value.denominator.bit_length())
