"""Record what the odd functions of ``K`` gave in Keras 2.2.4 (TensorFlow 1.15, Python 3.7).

Run with that Python; writes ``tests/golden/backend.npz``. Inputs are stored with the results.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
from keras import backend as K

rng = np.random.RandomState(7)
found = {}


def noise(*shape):
    return rng.normal(size=shape).astype("float32")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype("float32")


def keep(name, **arrays):
    for key, value in arrays.items():
        found[name + "/" + key] = np.asarray(value)


def batch_dots():
    cases = {
        "22_1": ((5, 3), (5, 3), 1),
        "32_21": ((5, 4, 3), (5, 3), (2, 1)),
        "33_none": ((5, 2, 3), (5, 3, 4), None),
        "33_12": ((5, 3, 2), (5, 4, 3), (1, 2)),
        "33_2": ((5, 2, 3), (5, 4, 3), 2),
        "23_12": ((5, 3), (5, 4, 3), (1, 2)),
        "44_32": ((5, 2, 4, 3), (5, 2, 3, 6), (3, 2)),
    }
    for name, (first, second, axes) in cases.items():
        x, y = noise(*first), noise(*second)
        result = K.eval(K.batch_dot(K.variable(x), K.variable(y), axes=axes))
        stored = [-1] if axes is None else np.atleast_1d(axes)
        keep("batch_dot/" + name, x=x, y=y, axes=stored, result=result)


def rnns():
    kernel, recurrent, extra = noise(3, 4), noise(4, 4), noise(2, 4)
    x, first = noise(2, 5, 3), noise(2, 4)
    mask = np.array([[0, 1, 0, 1, 1], [1, 1, 1, 0, 0]], bool)
    keep("rnn", x=x, first=first, mask=mask, kernel=kernel, recurrent=recurrent, extra=extra)

    def step(inp, states):
        new = K.tanh(K.dot(inp, K.constant(kernel)) + K.dot(states[0], K.constant(recurrent)))
        new = new + states[-1]
        return new, [new]

    for masked in (False, True):
        for backwards in (False, True):
            for unroll in (False, True):
                last, outputs, states = K.rnn(
                    step,
                    K.constant(x),
                    [K.constant(first)],
                    go_backwards=backwards,
                    mask=K.constant(mask, dtype="bool") if masked else None,
                    constants=[K.constant(extra)],
                    unroll=unroll,
                )
                name = f"rnn/{masked:d}{backwards:d}{unroll:d}"
                keep(name, last=K.eval(last), outputs=K.eval(outputs), state=K.eval(states[0]))


def ctcs():
    y_pred = softmax(2 * noise(3, 7, 5))
    labels = np.array([[0, 1, 1, 3], [2, 2, 0, 0], [3, 0, 0, 0]])
    steps, counts = np.array([[7], [6], [3]]), np.array([[4], [2], [1]])
    cost = K.eval(
        K.ctc_batch_cost(
            K.constant(labels, "int32"),
            K.variable(y_pred),
            K.constant(steps, "int32"),
            K.constant(counts, "int32"),
        )
    )
    keep("ctc", y_pred=y_pred, labels=labels, steps=steps, counts=counts, cost=cost)
    (greedy,), score = K.ctc_decode(K.variable(y_pred), K.constant(steps[:, 0], "int32"))
    keep("ctc", greedy=K.eval(greedy), greedy_score=K.eval(score))
    paths, scores = K.ctc_decode(K.variable(y_pred), K.constant(steps[:, 0], "int32"), False, 50, 2)
    keep("ctc", first=K.eval(paths[0]), second=K.eval(paths[1]), scores=K.eval(scores))


def several():
    predictions = np.array(
        [[0.1, 0.4, 0.4, 0.1], [0.4, 0.4, 0.4, 0.0], [0.3, 0.2, 0.1, 0.0]], "float32"
    )
    targets = np.array([2, 0, 2])
    for k in (1, 2, 3):
        result = K.eval(K.in_top_k(K.constant(predictions), K.constant(targets, "int32"), k))
        keep(f"in_top_k/{k}", result=result)
    keep("in_top_k", predictions=predictions, targets=targets)
    x, gamma, beta = noise(6, 3, 4), noise(4), noise(4)
    parts = K.normalize_batch_in_training(
        K.variable(x), K.variable(gamma), K.variable(beta), [0, 1]
    )
    keep("normalize", x=x, gamma=gamma, beta=beta)
    keep("normalize", normed=K.eval(parts[0]), mean=K.eval(parts[1]), var=K.eval(parts[2]))
    images = noise(1, 2, 3, 2)
    keep(
        "resize",
        x=images,
        nearest=K.eval(K.resize_images(K.variable(images), 2, 3, "channels_last")),
    )
    inputs, kernel = noise(2, 5, 4, 2), noise(6, 8, 3)
    local = K.local_conv2d(K.variable(inputs), K.variable(kernel), (2, 2), (2, 1), (2, 3))
    keep("local", x=inputs, kernel=kernel, result=K.eval(local))
    small, back = noise(2, 3, 4, 2), noise(3, 2, 5, 2)
    turned = K.conv2d_transpose(K.variable(small), K.variable(back), (2, 6, 8, 5), (2, 2), "same")
    keep("transpose", x=small, kernel=back, result=K.eval(turned))
    for spatial in ((2, 5, 4, 2),):
        maps, deep, mixing = noise(*spatial), noise(3, 2, 2, 3), noise(1, 1, 6, 4)
        mixed = K.separable_conv2d(
            K.variable(maps), K.variable(deep), K.variable(mixing), (1, 1), "same"
        )
        keep("separable", x=maps, deep=deep, mixing=mixing, result=K.eval(mixed))
    condition, one, two = noise(3, 1) > 0, noise(3, 4), noise(3, 4)
    chosen = K.switch(K.constant(condition, dtype="bool"), K.variable(one), K.variable(two))
    keep("switch", condition=condition, one=one, two=two, result=K.eval(chosen))
    values = noise(2, 3) - 0.5
    keep("sqrt", x=values, result=K.eval(K.sqrt(K.variable(values))))
    keep("clip", x=values, result=K.eval(K.clip(K.variable(values), 0.2, -0.3)))
    probabilities = softmax(noise(4, 5))
    index = np.array([0, 3, 4, 4])
    entropy = K.sparse_categorical_crossentropy(
        K.constant(index, "int32"), K.variable(probabilities)
    )
    keep("sparse", p=probabilities, index=index, result=K.eval(entropy))


for record in (batch_dots, rnns, ctcs, several):
    record()
np.savez_compressed(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/backend.npz", **found)
