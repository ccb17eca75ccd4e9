"""The command ``lamina``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import lamina


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after ``lamina``, by default those of the process.

    Returns:
        The exit status: 0 if all went well, 1 if not.

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
    return _demo(chosen)


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
    return parser


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


if __name__ == "__main__":
    sys.exit(main())
