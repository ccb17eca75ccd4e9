"""Save models with real releases of Keras, and record what they predict and how they train on.

Run it in a Python that has the release in question; names of models behind it: only those.

    KERAS_BACKEND=tensorflow python3.7 tools/golden_files.py keras2.2.4
    KERAS_BACKEND=jax python tools/golden_files.py keras3.15
    KERAS_BACKEND=theano python3.6 tools/golden_files.py keras1.2.2-theano

`RELEASES` tells the rest. Each model has noise in all weights and is trained one step before it is
saved, so that the state of its optimizer is not zero. ``tests/golden/files/<release>/`` gets the
files and ``<model>.npz``: ``input_0`` ..., ``prediction_0`` ..., ``weight_0`` ... as saved and, for
models that train on, ``target_0`` ..., ``sample_weight``, the losses ``loss_1`` and ``loss_2`` of
two further steps (before each) and the weights behind them, ``weight_0_after_2`` .... All weights
stand in the order of ``get_weights``.
``tests/golden/files/index.json`` lists all that there is.
"""

import gzip
import importlib
import json
import os
import sys
import zlib

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import golden_file_models as table

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "files")
STEPS = 2

TF = ["mlp", "two_by_two", "nested", "lambda_python", "legacy_adam"]
TF += ["transformer", "normalizations", "colours"]
TF += ["windows", "volumes", "local", "local_first", "steps"]
THEANO = ["cnn_last", "cnn_first", "conv1d"]
THEANO += ["deconvolutions_last", "deconvolutions_first", "old_dense"]

RELEASES = {
    # folder: module, major version, format of a whole model, models (None: all)
    "keras1.2.2": ("keras", 1, "h5", None),
    "keras1.2.2-theano": ("keras", 1, "h5", THEANO),
    "keras2.2.4": ("keras", 2, "h5", None),
    "keras3.15": ("keras", 3, "keras", None),
    "tf2.15": ("tensorflow.keras", 2, "h5", TF),
    "keras3.0": ("keras", 3, "keras", ["mlp"]),
}

MORE = {
    "keras1.2.2": {
        "json": ["mlp", "cnn_first", "two_by_two", "merges", "merge_sequential"],
        "weights.h5": ["mlp", "cnn_first", "nested"],
    },
    "keras2.2.4": {
        "json": ["mlp", "text", "cnn_last", "two_by_two", "nested", "merges", "lambda_python"],
        "weights.h5": ["mlp", "nested"],
    },
    "keras3.15": {
        "json": ["mlp", "text", "cnn_last", "two_by_two", "nested", "lambda_python"],
        "h5": ["mlp", "two_by_two", "nested", "lambda_python", "custom_layer", "windows"],
        "weights.h5": ["mlp", "nested"],
        "legacy.weights.h5": ["mlp"],
    },
    "tf2.15": {
        "keras": ["mlp", "lambda_python", "transformer", "colours"],
        "json": ["two_by_two"],
        "weights.h5": ["mlp"],
    },
}
"""Further formats of single models."""

WITHOUT = {
    "keras1.2.2": ["conv3d", "optimizer_adagrad", "temporal"],
    "keras2.2.4": [*table.LATER, "conv3d", "legacy_adam", "optimizer_adadelta", "optimizer_adamax"],
    "keras3.15": [
        "cnn_first",
        "conv1d",
        "conv3d",
        "dropout",
        "frozen",
        "legacy_adam",
        "local",
        "local_first",
        "nested_sequential",
        "optimizer_adadelta",
        "optimizer_adagrad",
        "optimizer_adamax",
        "temporal",
    ],
}
"""Models left out of a release, for their size."""


class Release:
    """One release of Keras under the same few names."""

    def __init__(self, folder, module, major):
        self.folder, self.major = folder, major
        if folder.endswith("theano"):
            importlib.import_module("theano.ifelse")  # Keras 1 forgets to
        self.keras = importlib.import_module(module)
        self.layers, self.models = self.keras.layers, self.keras.models
        if (major == 1 or folder == "keras2.2.4") and not folder.endswith("theano"):
            update_last(self.keras.backend)
        self.version = getattr(self.keras, "__version__", None) or release_version(module)
        self.lr = major == 1 or folder == "keras2.2.4"
        self.Scale = scale_class(self.layers.Layer, "one" if major == 1 else "ones")
        ops = self.keras.ops if major == 3 else self.keras.backend
        table.MEAN[0] = lambda x: ops.mean(x, axis=-1)

    def clear(self):
        for place in (self.keras.utils, self.keras.backend):  # none for Keras 1 on Theano
            if hasattr(place, "clear_session"):
                place.clear_session()
                return

    def sequential(self, shape, *layers, **options):
        """A Sequential that knows the shape of its input, in the way of the release."""
        dtype = options.pop("dtype", None)
        model = self.models.Sequential(**options)
        layers = list(layers)
        if self.major == 3 and shape is None and dtype:
            shape = (7,)
        if shape is not None:
            if self.major == 3:
                model.add(self.layers.Input(shape, dtype=dtype))
            else:
                kind = type(layers[0])
                config = dict(layers[0].get_config(), batch_input_shape=(None, *shape))
                layers[0] = kind.from_config(config)
        for layer in layers:
            model.add(layer)
        return model

    def optimizer(self, name, rate, **options):
        options["lr" if self.lr else "learning_rate"] = rate
        return getattr(self.keras.optimizers, name)(**options)

    def leaky_relu(self, slope):
        return self.layers.LeakyReLU(**{"negative_slope" if self.major == 3 else "alpha": slope})

    def slope(self, slope):
        return {"negative_slope": slope}

    def embedding(self, words, size, length):
        options = {} if self.major == 3 else {"input_length": length}
        return self.layers.Embedding(words, size, **options)

    def weights_in_time(self):
        return {"sample_weight_mode": "temporal"} if self.lr else {}


def update_last(backend):
    """Let a step compute all new values before it stores the first.

    TensorFlow 1 promises no order: a step of Keras 1 and 2.2.4 may count its iteration before or
    after Adam reads the count, and change a kernel that another gradient still reads.
    """
    import tensorflow as tf

    plain = backend.function

    def function(inputs, outputs, updates=(), **options):
        pairs = [update for update in updates or () if isinstance(update, tuple)]
        others = [update for update in updates or () if not isinstance(update, tuple)]
        values = [tf.identity(value) for _, value in pairs]
        with tf.control_dependencies(list(outputs) + values):
            assigned = [tf.assign(pair[0], value) for pair, value in zip(pairs, values)]  # noqa: B905
        return plain(inputs, outputs, updates=others + assigned, **options)

    backend.function = function
    backend.update = lambda variable, value: (variable, value)
    backend.update_add = lambda variable, step: (variable, variable + step)


def release_version(module):
    """The version of ``tf.keras``, which does not say it under that name."""
    return importlib.import_module(module.split(".")[0]).__version__


def scale_class(Layer, ones):
    class Scale(Layer):
        """Multiply each feature by a weight and by a factor."""

        def __init__(self, factor=1.0, **options):
            super().__init__(**options)
            self.factor = factor

        def build(self, input_shape):
            self.scale = self.add_weight(
                name="scale", shape=(input_shape[-1],), initializer=ones, trainable=True
            )
            super().build(input_shape)

        def call(self, inputs, mask=None):
            return inputs * self.scale * self.factor

        def compute_output_shape(self, input_shape):
            return input_shape

        get_output_shape_for = compute_output_shape

        def get_config(self):
            return dict(super().get_config(), factor=self.factor)

    return Scale


def fill(model, name):
    """Noise in all weights; what is a variance stays positive."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    values = []
    for weight, old in zip(weights(model), model.get_weights()):  # noqa: B905
        value = rng.normal(scale=0.5, size=old.shape)
        if "variance" in label(weight) or "running_std" in label(weight):
            value = np.abs(value) + 0.5
        values.append(value.astype(old.dtype))
    model.set_weights(values)


def weights(model):
    """The variables in the order of ``get_weights``; ``weights`` of 1.2.2 and 2.2.4 has another."""
    if hasattr(model, "flattened_layers"):
        return [weight for layer in model.flattened_layers for weight in layer.weights]
    if hasattr(model, "layers") and not hasattr(model, "dtype_policy"):
        return [weight for layer in model.layers for weight in layer.weights]
    return model.weights


def label(weight):
    return getattr(weight, "path", None) or weight.name


def step(release, case):
    """One step of training; its loss."""
    options = {} if case.sample_weight is None else {"sample_weight": case.sample_weight}
    if release.major == 3:
        case.model.reset_metrics()
    result = case.model.train_on_batch(single(case.inputs), single(case.targets), **options)
    return np.float64(np.ravel(result)[0])


def single(values):
    return values[0] if len(values) == 1 else values


def several(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


def save(model, path, form):
    """Write one file of a model."""
    if form == "json":
        with open(path, "w") as file:
            json.dump(json.loads(model.to_json()), file, indent=1)
            file.write("\n")
    elif form == "legacy.weights.h5":  # what save_weights of Keras 2 wrote, by Keras 3
        import h5py

        legacy = importlib.import_module("keras.src.legacy.saving.legacy_h5_format")
        with h5py.File(path, "w") as file:
            legacy.save_weights_to_hdf5_group(file, model)
    elif form == "weights.h5":
        model.save_weights(path)
    elif form == "h5.gz":
        model.save(path[:-3])
        with open(path[:-3], "rb") as source, open(path, "wb") as file:
            file.write(gzip.compress(source.read(), 9))
        os.remove(path[:-3])
    else:
        model.save(path)


def check_saved(release, case, files, predictions):
    """The release itself reads what it wrote, and predicts the same."""
    known = {"Scale": release.Scale, "halve": table.halve, "off_by_tenth": table.off_by_tenth}
    if hasattr(release.layers, "SpectralNormalization"):  # tf.keras does not find it by itself
        known["SpectralNormalization"] = release.layers.SpectralNormalization
    options = {"custom_objects": known, "compile": False}
    if release.major == 1:
        del options["compile"]
    if not release.lr:
        options["safe_mode"] = False
    for form in set(files) & {"h5", "keras"}:
        model = release.models.load_model(os.path.join(FOLDER, files[form]), **options)
        again = several(model.predict(single(case.inputs), verbose=0))
        for one, other in zip(again, predictions):  # noqa: B905
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def numbered(name, values, end=""):
    return {f"{name}_{i}{end}": np.asarray(v) for i, v in enumerate(values)}


def record(release, name, builder, forms):
    """Build, train and save one model; what the index says of it."""
    release.clear()
    np.random.seed(7)
    case = builder(release)
    model = case.model
    fill(model, name)
    if case.compiled:
        model.compile(**case.compiled)
        step(release, case)
    if release.folder == "keras2.2.4" and "batch_statistics" in case.facts:
        case.facts["zero_debias"] = True  # of the moving averages, from a count that no file keeps
    arrays = numbered("input", case.inputs)
    arrays.update(numbered("weight", model.get_weights()))
    files = {}
    for form in case.formats or forms:
        files[form] = f"{release.folder}/{name}.{form}"
        save(model, os.path.join(FOLDER, files[form]), form)
    predictions = several(model.predict(single(case.inputs), verbose=0))
    arrays.update(numbered("prediction", predictions))
    check_saved(release, case, files, predictions)
    if case.trains_on:
        arrays.update(numbered("target", case.targets))
        if case.sample_weight is not None:
            arrays["sample_weight"] = case.sample_weight
        for count in range(1, STEPS + 1):
            arrays[f"loss_{count}"] = step(release, case)
        arrays.update(numbered("weight", model.get_weights(), f"_after_{STEPS}"))
    np.savez_compressed(os.path.join(FOLDER, release.folder, name + ".npz"), **arrays)
    return {
        "release": release.folder,
        "version": release.version,
        "model": name,
        "about": " ".join((builder.__doc__ or "").split()),
        "files": files,
        "arrays": f"{release.folder}/{name}.npz",
        "inputs": len(case.inputs),
        "outputs": len(predictions),
        "weights": [[label(w), list(v.shape)] for w, v in zip(weights(model), model.get_weights())]  # noqa: B905
        if name != "long_names"
        else [],
        "compiled": bool(case.compiled),
        "optimizer": type(model.optimizer).__name__ if case.compiled else None,
        "loss": shown(case.compiled["loss"]) if case.compiled else None,
        "steps": STEPS if case.trains_on else 0,
        "facts": case.facts,
    }


def shown(loss):
    return loss.__name__ if callable(loss) else loss


def write_index(folder, entries, whole):
    """Replace the entries of one release (or of those models alone) in the index."""
    path = os.path.join(FOLDER, "index.json")
    old = []
    if os.path.exists(path):
        with open(path) as file:
            old = json.load(file)["models"]
    names = [entry["model"] for entry in entries]
    kept = [e for e in old if e["release"] != folder or not (whole or e["model"] in names)]
    models = sorted(kept + entries, key=lambda entry: (entry["release"], entry["model"]))
    lines = ",\n".join(json.dumps(entry, sort_keys=True) for entry in models)
    with open(path, "w") as file:
        file.write('{"models": [\n' + lines + "\n]}\n")


def main(folder, *names):
    module, major, form, models = RELEASES[folder]
    release = Release(folder, module, major)
    os.makedirs(os.path.join(FOLDER, folder), exist_ok=True)
    entries = []
    builders = table.MODELS
    if major == 1:
        from golden_file_models_1 import MODELS as builders
    models = [m for m in models or builders if m not in WITHOUT.get(folder, [])]
    for name in names or models:
        more = [other for other, those in MORE.get(folder, {}).items() if name in those]
        entries.append(record(release, name, builders[name], [form, *more]))
        print(name, flush=True)
    write_index(folder, entries, not names)


if __name__ == "__main__":
    main(*sys.argv[1:])
