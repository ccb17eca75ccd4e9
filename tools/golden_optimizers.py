"""Record trajectories of optimizers and values of schedules from real releases of Keras.

Run once for each release, from the root of the repository:

    KERAS_BACKEND=jax python tools/golden_optimizers.py keras3    # Python with Keras 3.15, JAX
    python tools/golden_optimizers.py keras2                      # Python 3.7 with Keras 2.2.4

It writes tests/golden/optimizers_<release>.json. The problem is rebuilt from a formula in
``problem``, so the file holds only the settings and the weights after some of the steps.
"""

import json
import sys

import numpy as np

STEPS = 10
SHAPES = {"dense/kernel": (3, 5), "dense/bias": (5,), "conv/kernel": (2, 3, 4), "scale": ()}


def problem():
    """Noisy weights, and for each step noisy gradients, one of them zero in places."""
    rng = np.random.RandomState(7)
    values = [np.asarray(rng.normal(size=s), "float32") for s in SHAPES.values()]
    gradients = []
    for step in range(STEPS):
        row = [
            np.asarray(rng.normal(size=s) * 10.0 ** (step % 3 - 1), "float32")
            for s in SHAPES.values()
        ]
        row[1][step % 5] = 0.0
        gradients.append(row)
    return values, gradients


KERAS3 = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True}),
    ("SGD", {"learning_rate": 0.1, "weight_decay": 0.02, "clipnorm": 0.7}),
    ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.9}),
    ("SGD", {"learning_rate": 0.1, "clipvalue": 0.3, "loss_scale_factor": 4.0}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "gradient_accumulation_steps": 3}),
    ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.8}),
    (
        "Adam",
        {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    ),
    (
        "SGD",
        {
            "learning_rate": 0.1,
            "use_ema": True,
            "ema_momentum": 0.7,
            "gradient_accumulation_steps": 2,
            "ema_overwrite_frequency": 2,
        },
    ),
    (
        "SGD",
        {
            "momentum": 0.9,
            "learning_rate": {
                "module": "keras.optimizers.schedules",
                "class_name": "ExponentialDecay",
                "registered_name": None,
                "config": {"initial_learning_rate": 0.2, "decay_steps": 3, "decay_rate": 0.5},
            },
        },
    ),
    ("RMSprop", {}),
    ("RMSprop", {"learning_rate": 0.02, "rho": 0.8, "momentum": 0.7}),
    (
        "RMSprop",
        {"learning_rate": 0.02, "rho": 0.8, "momentum": 0.5, "centered": True, "epsilon": 1e-3},
    ),
    ("RMSprop", {"learning_rate": 0.02, "centered": True, "epsilon": 1e-3}),
    ("Adagrad", {}),
    ("Adagrad", {"learning_rate": 0.3, "initial_accumulator_value": 0.02, "epsilon": 1e-3}),
    ("Adadelta", {}),
    ("Adadelta", {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-4}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-2}),
    ("Adam", {"learning_rate": 0.1, "beta_2": 0.8, "amsgrad": True}),
    ("Adam", {"learning_rate": 0.1, "gradient_accumulation_steps": 2, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"learning_rate": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("Adamax", {}),
    ("Adamax", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2}),
    ("Nadam", {}),
    ("Nadam", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2}),
    ("Ftrl", {}),
    (
        "Ftrl",
        {
            "learning_rate": 0.3,
            "learning_rate_power": -0.7,
            "initial_accumulator_value": 0.3,
            "l1_regularization_strength": 0.1,
            "l2_regularization_strength": 0.2,
            "l2_shrinkage_regularization_strength": 0.05,
            "beta": 0.4,
        },
    ),
    ("Lion", {}),
    ("Lion", {"learning_rate": 0.1, "beta_1": 0.7, "beta_2": 0.8}),
    ("Lamb", {}),
    (
        "Lamb",
        {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2, "weight_decay": 0.1},
    ),
    ("Adafactor", {}),
    (
        "Adafactor",
        {
            "learning_rate": 0.5,
            "beta_2_decay": -0.6,
            "epsilon_1": 1e-3,
            "epsilon_2": 0.3,
            "clip_threshold": 0.7,
            "weight_decay": 0.1,
        },
    ),
    ("Muon", {}),
    (
        "Muon",
        {
            "learning_rate": 0.1,
            "adam_beta_1": 0.8,
            "adam_beta_2": 0.9,
            "momentum": 0.8,
            "adam_weight_decay": 0.2,
            "weight_decay": 0.1,
            "adam_lr_ratio": 0.5,
            "ns_steps": 3,
            "nesterov": False,
            "rms_rate": None,
        },
    ),
    ("Muon", {"learning_rate": 0.1, "exclude_layers": ["dense"]}),
    ("ScheduleFreeAdamW", {}),
    (
        "ScheduleFreeAdamW",
        {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3, "warmup_steps": 4},
    ),
]

KERAS2 = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "decay": 0.1, "nesterov": True}),
    ("SGD", {"lr": 0.1, "decay": 0.1}),
    ("Adam", {"lr": 0.1, "decay": 0.2, "amsgrad": True}),
    ("Adamax", {"lr": 0.1, "decay": 0.2}),
    ("Adadelta", {"lr": 1.0, "decay": 0.2}),
]

SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.6}),
    (
        "ExponentialDecay",
        {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.6, "staircase": True},
    ),
    ("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.6}),
    (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.3, "decay_steps": 7, "decay_rate": 0.6, "staircase": True},
    ),
    ("PiecewiseConstantDecay", {"boundaries": [3, 8, 20], "values": [0.5, 0.2, 0.3, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 11}),
    (
        "PolynomialDecay",
        {
            "initial_learning_rate": 0.3,
            "decay_steps": 11,
            "end_learning_rate": 0.05,
            "power": 2.5,
            "cycle": True,
        },
    ),
    ("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 11, "alpha": 0.1}),
    (
        "CosineDecay",
        {
            "initial_learning_rate": 0.1,
            "decay_steps": 11,
            "alpha": 0.1,
            "warmup_target": 0.4,
            "warmup_steps": 5,
        },
    ),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.3, "first_decay_steps": 4}),
    (
        "CosineDecayRestarts",
        {
            "initial_learning_rate": 0.3,
            "first_decay_steps": 4,
            "t_mul": 1.5,
            "m_mul": 0.8,
            "alpha": 0.1,
        },
    ),
    (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.3, "first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.8},
    ),
]


def listed(values):
    return [np.asarray(v, "float64").ravel().round(9).tolist() for v in values]


def keras3_trajectory(keras, name, config):
    values, gradients = problem()
    variables = []
    for path, value in zip(SHAPES, values):  # noqa: B905
        variable = keras.Variable(value, name=path.rsplit("/", maxsplit=1)[-1])
        variable._path = path
        variables.append(variable)
    optimizer = getattr(keras.optimizers, name).from_config(json.loads(json.dumps(config)))
    record = {}
    for step, row in enumerate(gradients, 1):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in row], variables)
        if step in (1, 2, 5, STEPS):
            record[step] = listed([v.numpy() for v in variables])
    optimizer.finalize_variable_values(variables)
    final = listed([v.numpy() for v in variables])
    names = [(list(v.shape), v.name) for v in optimizer.variables]
    return {"name": name, "config": config, "steps": record, "final": final, "weights": names}


def loss_scale(keras):
    values, gradients = problem()
    gradients[3][0] = gradients[3][0] * np.float32(np.inf)
    variables = [keras.Variable(value) for value in values]
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.1), initial_scale=4.0, dynamic_growth_steps=2
    )
    optimizer.build(variables)
    own, values = [v.value for v in optimizer.variables], [v.value for v in variables]
    steps, scales = {}, []
    for step, row in enumerate(gradients, 1):
        given = [keras.ops.convert_to_tensor(g) for g in row]
        values, own = optimizer.stateless_apply(own, given, values)
        scales.append(
            float(own[[v.path for v in optimizer.variables].index(optimizer.dynamic_scale.path)])
        )
        steps[step] = listed(values)
    return {"scales": scales, "steps": {k: steps[k] for k in (1, 3, 4, 5, STEPS)}}


def record_keras3():
    import keras

    made = []
    for name, config in SCHEDULES:
        schedule = getattr(keras.optimizers.schedules, name)(**config)
        at = [float(schedule(step)) for step in range(0, 30)]
        made.append(
            {"name": name, "config": config, "values": at, "written": schedule.get_config()}
        )
    return {
        "release": keras.__version__,
        "optimizers": [keras3_trajectory(keras, *case) for case in KERAS3],
        "defaults": {
            name: getattr(keras.optimizers, name)().get_config()
            for name in sorted({name for name, _ in KERAS3})
        },
        "schedules": made,
        "loss_scale": loss_scale(keras),
    }


def keras2_trajectory(keras, K, name, config):
    values, gradients = problem()
    variables = [K.variable(v) for v in values]
    fed = [K.placeholder(shape=s) for s in SHAPES.values()]
    optimizer = getattr(keras.optimizers, name)(**config)
    # The gradient of the sum of products with a constant is that constant.
    loss = sum(K.sum(v * f) for v, f in zip(variables, fed))  # noqa: B905
    updates = optimizer.get_updates(loss=loss, params=variables)
    # The graph reads the counter and adds to it in no fixed order, so it is set by hand.
    step_of = K.function(fed, [loss], updates=updates[1:])
    record = {}
    for step, row in enumerate(gradients, 1):
        K.set_value(optimizer.iterations, step - 1)
        step_of(row)
        if step in (1, 2, 5, STEPS):
            record[step] = listed([K.get_value(v) for v in variables])
    written = {
        k: v if isinstance(v, (bool, str, type(None))) else float(v)
        for k, v in optimizer.get_config().items()
    }
    return {"name": name, "config": config, "steps": record, "written": written}


def record_keras2():
    import keras
    from keras import backend as K

    return {
        "release": keras.__version__,
        "optimizers": [keras2_trajectory(keras, K, *case) for case in KERAS2],
    }


if __name__ == "__main__":
    release = sys.argv[1]
    found = {"keras3": record_keras3, "keras2": record_keras2}[release]()
    with open("tests/golden/optimizers_{}.json".format(release), "w") as file:  # noqa: UP032
        json.dump(found, file, separators=(",", ":"))
