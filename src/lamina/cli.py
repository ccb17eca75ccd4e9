"""The command ``lamina``."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lamina


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after ``lamina``, by default those of the process.

    Returns:
        The exit status: 0 if all went well, 1 if not, 2 if a file cannot be read or written.

    >>> main(["--version"])  # doctest: +SKIP
    lamina 0.1.0
    """
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.version:
        print(f"lamina {lamina.__version__}")
        return 0
    if chosen.command is None:
        parser.print_help()
        return 0
    return _COMMANDS[chosen.command](chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lamina", description="The Keras layer API as one small package on JAX."
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", title="commands")
    demo = commands.add_parser(
        "demo",
        help="train a network on handwritten digits and draw what it learned",
        description="Train a small convolutional network on 1,437 handwritten digits that come "
        "with the package, test it on 360 others, and draw curves and predictions.",
    )
    demo.add_argument("--seed", type=_whole(0), default=0, help="of all randomness (default 0)")
    demo.add_argument("--epochs", type=_whole(1), default=None, help="rounds over the data")
    demo.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="folder of the picture (default demo-output)",
    )
    demo.add_argument(
        "--no-picture", action="store_true", help="draw nothing (matplotlib is not needed then)"
    )
    _add_files(commands)
    return parser


def _add_files(commands: Any) -> None:
    """The commands that read model files."""
    texts = {
        "summary": "print the layers, shapes and sizes of a model file",
        "inspect": "tell what is in a file, without building the model",
        "convert": "write a model file in another format",
    }
    found = {name: commands.add_parser(name, help=text) for name, text in texts.items()}
    for name, command in found.items():
        command.description = f"{texts[name].capitalize()}. Nothing in a file is run."
        command.add_argument("file", metavar="IN" if name == "convert" else "FILE")
    convert = found["convert"]
    convert.add_argument(
        "target", metavar="OUT", help="ends in .keras, .h5, .weights.h5, .safetensors or .json"
    )
    convert.add_argument(
        "--model",
        metavar="CONFIG",
        help="the JSON config of the model, if IN holds weights alone",
    )
    convert.add_argument("--force", action="store_true", help="replace OUT if it is there")
    convert.add_argument(
        "--no-optimizer", action="store_true", help="leave out how the model was trained"
    )


def _whole(smallest: int):
    """A reader of whole numbers from `smallest` on, for argparse."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = smallest - 1
        if not smallest <= value < 2**32:
            raise argparse.ArgumentTypeError(f"needs a whole number from {smallest}, got {text!r}")
        return value

    return read


def _demo(chosen: argparse.Namespace) -> int:
    from lamina import demo

    picture = None if chosen.no_picture else chosen.output / "digits.png"
    if picture is not None and not demo.can_draw():
        print(
            "The picture needs matplotlib, which is not installed. Install it with "
            "`pip install 'lamina[plot]'`, or leave the picture out: lamina demo --no-picture",
            file=sys.stderr,
        )
        return 1
    demo.run(seed=chosen.seed, epochs=chosen.epochs or demo.EPOCHS, picture=picture)
    return 0


def _reading(command: Callable[[argparse.Namespace], None]) -> Callable[..., int]:
    """A command that reads files: errors and warnings are one line each on standard error."""

    def run(chosen: argparse.Namespace) -> int:
        failure: Exception | None = None
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            try:
                command(chosen)
            except (OSError, ValueError, TypeError, ImportError) as error:
                failure = error
        for warning in given:
            _complain("warning", str(warning.message))
        if failure is not None:
            _complain("error", str(failure))
        return 0 if failure is None else 2

    return run


def _complain(kind: str, text: str) -> None:
    from lamina.saving.inspection import printable

    print(f"lamina: {kind}: {printable(' '.join(text.split()), 2000)}", file=sys.stderr)


def _summary(chosen: argparse.Namespace) -> None:
    _model(chosen.file, compiled=False).summary()


def _inspect(chosen: argparse.Namespace) -> None:
    from lamina.saving.inspection import inspect

    for line in inspect(chosen.file).lines():
        print(line)


def _convert(chosen: argparse.Namespace) -> None:
    target, ending = chosen.target, chosen.target.lower()
    if not ending.endswith((".keras", ".h5", ".hdf5", ".safetensors", ".json")):
        raise ValueError(
            f"OUT must end in .keras, .h5, .hdf5, .weights.h5, .safetensors or .json, got {target}."
        )
    if Path(target).exists() and not chosen.force:
        raise FileExistsError(f"{target} is there already; --force replaces it.")
    model = _model(chosen.file, compiled=not chosen.no_optimizer, config=chosen.model)
    if ending.endswith(".json"):
        from lamina.saving.atomic import replacing

        with replacing(target) as file:
            file.write(model.to_json().encode())
    elif ending.endswith((".weights.h5", ".safetensors")):
        model.save_weights(target)
    else:
        model.save(target, include_optimizer=not chosen.no_optimizer)


def _model(file: str, *, compiled: bool, config: str | None = None) -> Any:
    """The model of a file: a whole one, a config, or weights with a config beside them."""
    if config is not None:
        model = _of_config(config)
        model.load_weights(file)
        return model
    if file.lower().endswith(".json"):
        return _of_config(file)
    return lamina.models.load_model(file, compile=compiled)


def _of_config(file: str) -> Any:
    from lamina.saving import config
    from lamina.saving.weights import existing

    return config.read_json(Path(existing(file)).read_bytes(), what=file)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "demo": _demo,
    "summary": _reading(_summary),
    "inspect": _reading(_inspect),
    "convert": _reading(_convert),
}


if __name__ == "__main__":
    sys.exit(main())
