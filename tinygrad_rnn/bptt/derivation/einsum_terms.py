"""Sums of products by their indices, as products of matrices: `ij,j->i` is M v, and `i,j->ij` is a b^T."""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.expressions import Expr
from tinygrad_rnn.bptt.derivation.matrix_algebra import entry_sum, is_number, row_sums, times, times_all, transposed

Operand = tuple[str, Expr]
"""The letters of an operand, and it: two letters for a matrix, one for a column, none for a number."""


def contracted(operands: list[Operand], wanted: str) -> Expr | None:
    """Return the sum of products with the letters `wanted`, or None where it is no product of matrices."""
    if any(len(set(letters)) < len(letters) for letters, _ in operands):
        return None
    letters = "".join(dict.fromkeys(wanted + "".join(term for term, _ in operands)))
    if len(letters) <= 2:
        return _of_two_letters(operands, wanted, letters)
    for k in range(len(operands)):
        for j in range(k + 1, len(operands)):
            (a, x), (b, y) = operands[k], operands[j]
            others = [operand for n, operand in enumerate(operands) if n not in (k, j)]
            needed = wanted + "".join(term for term, _ in others)
            kept = "".join(dict.fromkeys(letter for letter in a + b if letter in needed))
            if not others:
                return _of_matrices((a, x), (b, y), wanted)
            if len(kept) > 2:
                continue
            inner = contracted([(a, x), (b, y)], kept)
            found = None if inner is None else contracted([(kept, inner), *others], wanted)
            if found is not None:
                return found
    return None


def _of_two_letters(operands: list[Operand], wanted: str, letters: str) -> Expr:
    """Return a sum of products whose letters are those of one matrix: rows by the first, columns by the second."""
    i, j = (*letters, "", "")[:2]
    sizes = {letter: n for term, x in operands for letter, n in zip(term, x.shape, strict=False)}
    factors = []
    for term, x in operands:
        turned = (len(term) == 2 and term[0] == j) or (term == j and j != "")
        factors.append(transposed(x) if turned and not is_number(x) else x)
    found = times_all(factors, (sizes.get(i, 1), sizes.get(j, 1)))
    if len(wanted) == len(letters):
        return found
    return row_sums(found) if len(wanted) == 1 else entry_sum(found)


def _of_matrices(a: Operand, b: Operand, wanted: str) -> Expr | None:
    """Return a product of two matrices: one letter is summed, and each has one of the others."""
    (first, x), (second, y) = a, b
    shared = [letter for letter in first if letter in second]
    if len(first) != 2 or len(second) != 2 or len(shared) != 1 or shared[0] in wanted:
        return None
    s = shared[0]
    left = x if first[1] == s else transposed(x)
    right = y if second[0] == s else transposed(y)
    found = times(left, right)
    return found if wanted == first.replace(s, "") + second.replace(s, "") else transposed(found)
