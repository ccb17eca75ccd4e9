"""Running compiled code: what happens around a call."""

import gc
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import backend as K
from lamina.core import jit, memory
from lamina.layers import Dense, Embedding, Input, Lambda
from lamina.models import Model, Sequential


@pytest.fixture
def collector():
    """The garbage collector on, and as it was afterwards."""
    was = gc.isenabled()
    gc.enable()
    yield
    if not was:
        gc.disable()


@jit.tidy
def running(fails=False):
    if fails:
        raise ValueError("no")
    return gc.isenabled()


@pytest.mark.usefixtures("collector")
def test_the_garbage_collector_waits():
    assert not running()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="no"):
        running(fails=True)
    assert gc.isenabled()
    gc.disable()
    assert not running()
    assert not gc.isenabled()


@pytest.mark.usefixtures("collector")
def test_tracing_a_step_collects_nothing():
    inside = []

    def noted(x):
        inside.append(gc.isenabled())
        return x

    model = Sequential([Dense(3, input_shape=(4,)), Lambda(noted)])
    model.compile("adam", "mse")
    inside.clear()
    model.fit(np.ones((8, 4), "f"), np.ones((8, 3), "f"), verbose=0)
    assert inside
    assert not any(inside)
    assert gc.isenabled()


def test_a_call_finds_its_program_by_shape_dtype_and_flags():
    layer = Dense(3)
    x = jnp.ones((2, 4))
    layer(x)
    (kept,) = layer._compiled_calls.values()
    layer(x + 1)
    assert list(layer._compiled_calls.values()) == [kept]
    layer(np.ones((2, 4), "f"))
    assert list(layer._compiled_calls.values()) == [kept]
    layer(jnp.ones((5, 4)))
    layer(x, training=True)
    layer(x, training=False)
    layer(np.ones((2, 4), "f"), training=False)
    assert len(layer._compiled_calls) == 4
    with pytest.raises(ValueError, match="2147483648"):
        layer(np.full((2, 4), 2**31))
    layer.set_weights([np.zeros((4, 3)), np.arange(3.0)])
    np.testing.assert_allclose(layer(x), [[0, 1, 2]] * 2)


def test_a_call_sees_that_layers_and_flags_changed():
    runs = []

    def noted(x):
        runs.append(type(x).__name__)
        return 2 * x

    model, x = Sequential([Lambda(noted, input_shape=(4,))]), jnp.ones((2, 4))
    for _ in range(2):
        np.testing.assert_array_equal(model(x), 2 * np.ones((2, 4)))
    runs.clear()
    model(x)
    assert runs == []
    model.compile(run_eagerly=True)
    model(x)
    model(x)
    assert runs == ["ArrayImpl"] * 2
    model.compile()
    model.add(Lambda(lambda x: x[:, :3] + 1))
    np.testing.assert_array_equal(model(x), 3 * np.ones((2, 3)))
    model.pop()
    np.testing.assert_array_equal(model(x), 2 * np.ones((2, 4)))


def test_a_mask_is_seen_by_a_layer_that_was_called_without():
    mask_of = Lambda(lambda x: x, mask=lambda x, mask: mask)
    double = Lambda(lambda x, mask=None: x if mask is None else 2 * x)
    x = jnp.ones((1, 2, 3))
    np.testing.assert_array_equal(double(x), np.ones((1, 2, 3)))
    masked = Embedding(4, 3, mask_zero=True)(np.array([[1, 0]]))
    np.testing.assert_array_equal(double(mask_of(masked)), 2 * masked)
    given = double(x, mask=np.array([[True, False]]))
    np.testing.assert_array_equal(given, 2 * np.ones((1, 2, 3)))
    np.testing.assert_array_equal(double(x), np.ones((1, 2, 3)))


def test_a_program_that_is_traced_anew_may_read_further_variables():
    scale, reads = K.variable(np.float32(3)), []
    layer = Lambda(lambda x: x * scale if reads else x + 0)
    np.testing.assert_array_equal(layer(jnp.ones((2, 4))), np.ones((2, 4)))
    reads.append(1)
    weak = jnp.broadcast_to(jnp.asarray(1.0), (2, 4))
    for value in (3, 5):
        K.set_value(scale, value)
        np.testing.assert_array_equal(layer(weak), np.full((2, 4), value))


def test_wrong_indices_are_told_with_row_and_value_by_each_call():
    x = Input((2,), dtype="int32")
    model = Model(x, [Embedding(7, 2, name="a")(x), Embedding(40, 2, name="b")(x)])
    right = jnp.array([[1, 2], [3, 4], [5, 6]])
    for _ in range(2):
        assert model(right)[0].shape == (3, 2, 2)
        with pytest.raises(ValueError, match=r"'a': index 39 in row 1 of"):
            model(jnp.array([[1, 2], [39, 4], [5, 6]]))
        with pytest.raises(ValueError, match=r"'a': index -3 in row 2 of"):
            model(jnp.array([[1, 2], [3, 4], [-3, 6]]))


class TestStored:
    """Functions whose executables are found by what was traced."""

    def scaled(self, traced):
        def function(state, rows):
            traced.append(rows.shape)
            return {"sum": state["sum"] + rows.sum(0)}, 2 * rows

        return jit.compile(function, donate=[0], stored=1)

    def test_shapes_come_and_go(self):
        traced = []
        function = self.scaled(traced)
        state, total = {"sum": jnp.zeros(3)}, np.zeros(3)
        for count in (4, 4, 2, 4, 2, 5, 5, 4):
            rows = np.arange(3 * count, dtype="float32").reshape(count, 3)
            state, double = function(state, rows)
            np.testing.assert_array_equal(double, 2 * rows)
            total += rows.sum(0)
        np.testing.assert_array_equal(state["sum"], total)
        assert traced == [(4, 3), (2, 3), (5, 3)]

    def test_dtypes_and_structures_do_too(self):
        function = jit.compile(lambda x: jax.tree.map(lambda x: x + 1, x), stored=0)
        for x in (
            np.ones(3, "f"),
            np.ones(3, "i"),
            [np.ones(3, "f")],
            np.ones(3, "f"),
            np.int32(1),
        ):
            found = function(x)
            for made, given in zip(jax.tree.leaves(found), jax.tree.leaves(x), strict=True):
                assert made.dtype == jnp.asarray(given).dtype
                np.testing.assert_array_equal(made, given + 1)

    def test_what_compiling_took_is_given_back_before_large_steps(self, monkeypatch):
        released = []
        monkeypatch.setattr(memory, "release", lambda: released.append(1))
        # Noise that no other process has compiled.
        noise = float(np.random.default_rng().normal())
        function = jit.compile(lambda x: jnp.sort(x * noise).sum(), stored=0)
        for rows, count in ((5, 0), (2**23, 1), (2**23, 1), (6, 1)):
            function(np.ones(rows, "f"))
            assert len(released) == count

    def test_memory_is_given_away(self):
        function = self.scaled([])
        state = {"sum": jnp.zeros(3)}
        for _ in range(3):
            before = state
            state, _ = function(before, np.ones((4, 3), "f"))
            assert before["sum"].is_deleted()
        state["sum"].delete()
        with pytest.raises(RuntimeError, match="deleted"):
            function(state, np.ones((4, 3), "f"))

    def test_settings_are_followed(self):
        traced = []
        function = self.scaled(traced)
        state, rows = {"sum": jnp.zeros(3)}, np.ones((4, 3), "f")
        state, _ = function(state, rows)
        state, _ = function(state, rows)
        with jax.default_matmul_precision("highest"):
            state, _ = function(state, rows)
            state, _ = function(state, rows)
        state, _ = function(state, rows)
        assert traced == [(4, 3), (4, 3)]
        with jax.disable_jit():
            state, _ = function(state, rows)
            assert len(traced) == 3
        np.testing.assert_array_equal(state["sum"], 4 * 6)

    def test_settings_choose_the_executable(self):
        """The sum of arrays of unequal ranks is an error where JAX is told so."""
        function = jit.compile(lambda x, y: x + y, stored=0)
        x, y = np.ones((2, 3), "f"), np.ones(3, "f")
        for _ in range(2):
            with jax.numpy_rank_promotion("allow"):
                np.testing.assert_array_equal(function(x, y), x + 1)
            with jax.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="rank"):
                function(x, y)

        drawn = jit.compile(lambda x: jax.random.bits(jax.random.key(3), (5,)) ^ x, stored=0)
        usual = np.asarray(drawn(np.uint32(0)))
        with jax.threefry_partitionable(False):
            other = np.asarray(drawn(np.uint32(0)))
        assert (usual != other).any()
        np.testing.assert_array_equal(drawn(np.uint32(0)), usual)

    def test_arguments_before_the_first_that_may_change_do_change(self):
        function = jit.compile(lambda x, y: x.sum().astype(y.dtype) + y, stored=1)
        y = np.ones(4, "f")
        for x in (np.ones(3, "f"), np.ones(5, "f"), np.ones(3, "i"), jnp.ones(3)):
            np.testing.assert_array_equal(function(x, y), len(x) + 1)

    def test_errors_while_it_runs_have_no_note(self):
        def fails(_):
            raise ZeroDivisionError("in the middle")

        function = jit.compile(lambda x: jax.pure_callback(fails, x, x), stored=0)
        for _ in range(2):
            with pytest.raises(Exception, match="in the middle") as error:
                function(np.ones(3, "f")).block_until_ready()
            assert not getattr(error.value, "__notes__", [])

    def test_debugging_is_followed(self):
        function = jit.compile(jnp.log, stored=0)
        assert np.isnan(function(np.float32(-1)))
        with jax.debug_nans(True), pytest.raises(FloatingPointError):
            function(np.float32(-1))
        assert np.isnan(function(np.float32(-1)))

    def test_errors_while_it_is_traced_leave_it_usable(self):
        def function(x):
            if x.ndim != 1:
                raise ValueError(f"one axis, got {x.shape}")
            return x + 1

        checked = jit.compile(function, stored=0)
        for _ in range(2):
            with pytest.raises(ValueError, match=r"one axis, got \(2, 3\)") as error:
                checked(np.ones((2, 3), "f"))
            assert not getattr(error.value, "__notes__", [])
            np.testing.assert_array_equal(checked(np.ones(3, "f")), 2)

    @pytest.mark.usefixtures("collector")
    def test_the_collector_waits_while_it_is_traced_and_no_longer(self):
        enabled = []

        def function(x):
            enabled.append(gc.isenabled())
            return x

        jit.compile(function, stored=0)(np.ones(3))
        assert enabled == [False]
        assert gc.isenabled()


FIRST_FIT = """
import gc, sys
import numpy as np
import lamina.layers as layers
from lamina.models import Sequential
looks = []
gc.callbacks.append(lambda phase, about: looks.append((phase, about["generation"])))
model = Sequential([layers.Dense(3, input_shape=(4,), activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
model.fit(np.ones((8, 4)), np.ones(8), batch_size=4, verbose=0)
model.predict(np.ones((8, 4)), batch_size=4)
print("jax.extend" in sys.modules, ("start", 2) in looks)
"""


def test_a_first_fit_neither_imports_pallas_nor_looks_through_all_objects():
    command = [sys.executable, "-c", FIRST_FIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_what_somebody_froze_stays_frozen():
    jit.put_off_first_look.cache_clear()
    gc.freeze()
    try:
        count = gc.get_freeze_count()
        jit.put_off_first_look()
        assert gc.get_freeze_count() == count > 0
    finally:
        gc.unfreeze()
    jit.put_off_first_look.cache_clear()
    jit.put_off_first_look()
    assert gc.get_freeze_count() == 0
    assert gc.get_count()[1:] == (0, 0)
