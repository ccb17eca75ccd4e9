"""Linear algebra, by Keras 3's names: matrices lie in the last two axes, stacks before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from lamina.backend.keras3.names import matrices, own
from lamina.ops import arithmetic, elementwise


def _factor(who: str, x: Any, upper: bool) -> Any:
    factor = jnp.linalg.cholesky(x, upper=upper)
    if not isinstance(factor, Tracer) and bool(jnp.any(jnp.isnan(factor) & ~jnp.any(jnp.isnan(x)))):
        raise ValueError(
            f"ops.{who}: a matrix of x is not positive definite, so it has no factor; x must be "
            "symmetric with positive eigenvalues (a small multiple of the identity may help)."
        )
    return factor


def cholesky(x: Any, upper: bool = False) -> Any:
    """Triangular factor ``L`` of positive definite matrices ``x = L @ L.T``.

    Args:
        x: symmetric matrices of shape ``(..., n, n)``.
        upper: give the upper factor ``U``, where ``x = U.T @ U``.

    Raises:
        ValueError: the matrices are not square, or (where values are known) not positive
            definite; in compiled code the factor of such a matrix is NaN.

    >>> cholesky(jnp.array([[4.0, 2.0], [2.0, 5.0]]))
    Array([[2., 0.],
           [1., 2.]], dtype=float32)
    """
    return _factor("cholesky", matrices("cholesky", x, square=True), upper)


def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """Inverse of a positive definite matrix, from its triangular factor.

    Args:
        x: lower factors ``L`` of ``L @ L.T``, of shape ``(..., n, n)``, as of `cholesky`.
        upper: the factors are upper ones, of ``U.T @ U``.

    >>> cholesky_inverse(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.25, 0.0], [0.0, 0.0625]]
    """
    x = matrices("cholesky_inverse", x, square=True)
    identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
    # The inverse of the factor; the other triangle of x is not read.
    inverse = lax.linalg.triangular_solve(x, identity, left_side=True, lower=not upper)
    turned = jnp.swapaxes(inverse, -1, -2)
    left, right = (inverse, turned) if upper else (turned, inverse)
    return jnp.matmul(left, right, precision="highest")


def det(x: Any) -> Any:
    """Determinants of square matrices.

    >>> det(jnp.array([[1.0, 2.0], [3.0, 4.0]]))
    Array(-2., dtype=float32)
    """
    return jnp.linalg.det(matrices("det", x, square=True))


def slogdet(x: Any) -> tuple[Any, Any]:
    """Sign of the determinants, and the logarithm of their sizes.

    >>> [float(part) for part in slogdet(-jnp.eye(3))]
    [-1.0, 0.0]
    """
    sign, size = jnp.linalg.slogdet(matrices("slogdet", x, square=True))
    return sign, size


def logdet(x: Any) -> Any:
    """Logarithm of the size of the determinants: of the determinants, if they are positive.

    >>> logdet(jnp.eye(3))
    Array(0., dtype=float32)
    """
    return jnp.linalg.slogdet(matrices("logdet", x, square=True))[1]


def eig(x: Any) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors (columns) of square matrices, both complex.

    >>> values, vectors = eig(jnp.array([[2.0, 1.0], [0.0, 3.0]]))
    >>> sorted(values.real.tolist()), vectors.shape
    ([2.0, 3.0], (2, 2))
    """
    values, vectors = jnp.linalg.eig(matrices("eig", x, square=True))
    return values, vectors


def eigh(x: Any) -> tuple[Any, Any]:
    """Eigenvalues, in rising order, and eigenvectors (columns) of symmetric matrices.

    >>> values, vectors = eigh(jnp.array([[2.0, 0.0], [0.0, 1.0]]))
    >>> values.tolist(), vectors.shape
    ([1.0, 2.0], (2, 2))
    """
    values, vectors = jnp.linalg.eigh(matrices("eigh", x, square=True))
    return values, vectors


def inv(x: Any) -> Any:
    """Inverses of square matrices; not finite where there is none.

    >>> inv(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return jnp.linalg.inv(matrices("inv", x, square=True))


def pinv(x: Any, rcond: float | None = None) -> Any:
    """Pseudo-inverses of Moore and Penrose.

    Args:
        x: matrices of shape ``(..., m, n)``.
        rcond: singular values below this part of the largest one count as 0.

    >>> pinv(jnp.array([[2.0], [0.0]])).tolist()
    [[0.5, 0.0]]
    """
    return jnp.linalg.pinv(matrices("pinv", x), rtol=rcond)


def lu_factor(x: Any) -> tuple[Any, Any]:
    """Both factors of ``P @ L @ U``, in one matrix, and the pivots.

    The diagonal of ``L`` is 1 and not stored. Row ``i`` was exchanged with row ``pivots[i]``.

    >>> factors, pivots = lu_factor(jnp.array([[1.0, 2.0], [4.0, 4.0]]))
    >>> factors.tolist(), pivots.tolist()
    ([[4.0, 4.0], [0.25, 1.0]], [1, 1])
    """
    factors, pivots, _ = lax.linalg.lu(matrices("lu_factor", x))
    return factors, pivots


def qr(x: Any, mode: str = "reduced") -> tuple[Any, Any]:
    """Orthogonal columns and an upper triangle whose product is `x`.

    Args:
        x: matrices of shape ``(..., m, n)``.
        mode: ``reduced``, factors ``(..., m, k)`` and ``(..., k, n)`` with ``k = min(m, n)``,
            or ``complete``, with ``k = m``.

    >>> [part.shape for part in qr(jnp.ones((3, 2)))]
    [(3, 2), (2, 2)]
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"ops.qr: mode must be 'reduced' or 'complete', got {mode!r}.")
    q, r = jnp.linalg.qr(matrices("qr", x), mode)
    return q, r


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values: ``x = u @ diag(s) @ vh``, the largest one first.

    Args:
        x: matrices of shape ``(..., m, n)``.
        full_matrices: give all ``m`` columns of ``u`` and ``n`` rows of ``vh``, not the first
            ``min(m, n)`` only.
        compute_uv: give ``(u, s, vh)``; else only ``s``.

    >>> svd(jnp.array([[3.0, 0.0], [0.0, 4.0]]), compute_uv=False).tolist()
    [4.0, 3.0]
    """
    found = jnp.linalg.svd(matrices("svd", x), full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


def matrix_rank(x: Any, tol: float | None = None) -> Any:
    """Number of singular values that are larger than a bound.

    Args:
        x: matrices of shape ``(..., m, n)``.
        tol: the bound; by default the largest value times the larger size times the precision
            of the dtype.

    >>> matrix_rank(jnp.array([[1.0, 2.0], [2.0, 4.0]]))
    Array(1, dtype=int32)
    """
    x = matrices("matrix_rank", x)
    if tol is None:
        return jnp.linalg.matrix_rank(x)
    values = jnp.linalg.svd(x, compute_uv=False)
    return jnp.sum(values > tol, -1, dtype="int32")


def _right_side(who: str, a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Both sides of ``a @ x = b`` with one dtype and rank; whether `b` holds vectors."""
    a = matrices(who, a, argument="a", square=True)
    a, b = arithmetic.same_dtype(a, b)
    vectors = b.ndim == a.ndim - 1
    if b.ndim not in (a.ndim, a.ndim - 1) or b.shape[a.ndim - 2] != a.shape[-1]:
        raise ValueError(
            f"ops.{who}: b must hold vectors (..., n) or matrices (..., n, k) for a of shape "
            f"{a.shape}, got shape {b.shape}."
        )
    return a, b[..., None] if vectors else b, vectors


def solve(a: Any, b: Any) -> Any:
    """The `x` of ``a @ x = b``.

    Args:
        a: square matrices of shape ``(..., n, n)``.
        b: vectors ``(..., n)`` or matrices ``(..., n, k)``.

    Raises:
        ValueError: the shapes do not fit.

    >>> solve(jnp.array([[2.0, 0.0], [0.0, 4.0]]), jnp.array([2.0, 2.0])).tolist()
    [1.0, 0.5]
    """
    a, b, vectors = _right_side("solve", a, b)
    found = jnp.linalg.solve(a, b)
    return found[..., 0] if vectors else found


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """The `x` of ``a @ x = b``, where only one triangle of `a` counts.

    Args:
        a: square matrices of shape ``(..., n, n)``.
        b: vectors ``(..., n)`` or matrices ``(..., n, k)``.
        lower: the lower triangle counts, not the upper one.

    >>> solve_triangular(jnp.array([[2.0, 0.0], [0.0, 4.0]]), jnp.array([2.0, 2.0])).tolist()
    [1.0, 0.5]
    """
    a, b, vectors = _right_side("solve_triangular", a, b)
    stack = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (jnp.broadcast_to(side, (*stack, *side.shape[-2:])) for side in (a, b))
    found = lax.linalg.triangular_solve(a, b, left_side=True, lower=lower)
    return found[..., 0] if vectors else found


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """The smallest `x` for which the sum of squares of ``a @ x - b`` is least.

    Args:
        a: matrix of shape ``(m, n)``.
        b: vector ``(m,)`` or matrix ``(m, k)``.
        rcond: singular values below this part of the largest one count as 0.

    Raises:
        ValueError: the shapes do not fit.

    >>> lstsq(jnp.array([[1.0], [1.0]]), jnp.array([1.0, 3.0])).round(4)
    Array([2.], dtype=float32)
    """
    a, b = arithmetic.same_dtype(matrices("lstsq", a, argument="a"), b)
    if a.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != a.shape[0]:
        raise ValueError(
            f"ops.lstsq: expected a of shape (m, n) and b of shape (m,) or (m, k), got {a.shape} "
            f"and {b.shape}."
        )
    return jnp.linalg.lstsq(a, b, rcond)[0]


def cdist(x: Any, y: Any) -> Any:
    """Euclidean distances between all rows of `x` and all rows of `y`.

    Args:
        x: points of shape ``(..., p, n)``.
        y: points of shape ``(..., r, n)``.

    Returns:
        Distances of shape ``(..., p, r)``. The gradient of a distance 0 is 0.

    >>> cdist(jnp.array([[0.0, 0.0], [3.0, 0.0]]), jnp.array([[0.0, 4.0]])).tolist()
    [[4.0], [5.0]]
    """
    x, y = arithmetic.same_dtype(matrices("cdist", x), matrices("cdist", y, argument="y"))
    if x.shape[-1] != y.shape[-1] or x.ndim != y.ndim:
        raise ValueError(
            f"ops.cdist: the points of x and y must have one size, got shapes {x.shape} and "
            f"{y.shape}."
        )
    left, right = arithmetic.broadcast(x[..., :, None, :], y[..., None, :, :])
    squares = jnp.sum(jnp.square(left - right), -1)
    apart = squares > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squares, 1.0)), 0.0)


def cross(
    x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Cross product of vectors with two or three parts; the other axes broadcast.

    Args:
        x1: first vectors.
        x2: second vectors.
        axisa: axis of `x1` that holds the vectors.
        axisb: axis of `x2` that holds the vectors.
        axisc: axis of the result that holds them (none, if both have two parts).
        axis: if given, all three of these.

    >>> cross(jnp.array([1, 0, 0]), jnp.array([0, 1, 0])).tolist()
    [0, 0, 1]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    left, right = arithmetic.same_dtype(x1, x2)
    left, right = jnp.moveaxis(left, axisa, -1), jnp.moveaxis(right, axisb, -1)
    if not {left.shape[-1], right.shape[-1]} <= {2, 3}:
        raise ValueError(
            "ops.cross: vectors must have 2 or 3 parts, got "
            f"{left.shape[-1]} and {right.shape[-1]}."
        )
    stack = jnp.broadcast_shapes(left.shape[:-1], right.shape[:-1])
    left, right = (jnp.broadcast_to(v, (*stack, v.shape[-1])) for v in (left, right))
    found = jnp.cross(left, right)
    return jnp.moveaxis(found, -1, axisc) if found.ndim > len(stack) else found


def kron(x1: Any, x2: Any) -> Any:
    """Kronecker product: a copy of `x2` times each value of `x1`.

    >>> kron(jnp.array([1, 10]), jnp.array([1, 2])).tolist()
    [1, 2, 10, 20]
    """
    return jnp.kron(*arithmetic.same_dtype(x1, x2))


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of a vector in columns, the highest one first.

    Args:
        x: vector.
        N: number of powers; as many as there are values by default.
        increasing: begin with power 0.

    >>> vander(jnp.array([2, 3]), 3).tolist()
    [[4, 2, 1], [9, 3, 1]]
    """
    return jnp.vander(jnp.asarray(x), N, increasing)


def corrcoef(x: Any) -> Any:
    """Correlation of all rows with each other. Pearson (1895).

    >>> corrcoef(jnp.array([[1.0, 2.0], [5.0, 3.0]])).round(4).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    return jnp.corrcoef(elementwise.as_float(x))


def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """Sums of products of a vector with another one that slides along it.

    Args:
        x1: vector.
        x2: vector.
        mode: ``valid`` where both overlap wholly, ``same`` for as many values as the longer one
            has, ``full`` where they overlap at all.

    >>> correlate(jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 1.0])).tolist()
    [3.0, 5.0]
    """
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"ops.correlate: mode must be 'valid', 'same' or 'full', got {mode!r}.")
    left, right = arithmetic.same_dtype(elementwise.as_float(x1), x2)
    return jnp.correlate(left, right, mode, precision="highest")


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    return own(globals())
