"""The words that the `kcv` command takes: verbs, options, pages of help."""

import argparse
import difflib
import re

from kcv.cli import verbs

DESCRIPTION = """Image classification in Keras 3. kcv VERB --help shows options and an example;
--debug shows the traceback of an error."""
EPILOG = """examples:
  kcv train mobilenet_v2                     embedded data, minutes on a CPU
  kcv train resnet18 --data folder:flowers   a folder of photos for each class
  kcv predict runs/mobilenet_v2 shirt.png    what is on the picture"""
EXAMPLES = {
    "train": "kcv train mobilenet_v2 --data folder:flowers --epochs 30 --out runs/flowers",
    "test": "kcv test runs/flowers --data folder:flowers/test --out results.json",
    "predict": "kcv predict runs/flowers banana.png --top 3",
    "list": 'kcv list "mobilenet*" --sort macs',
    "show": "kcv show mobilenet_v2 > recipe.toml",
    "profile": "kcv profile resnet50 --batch 8",
    "data": "kcv data check folder:flowers --fix",
    "data check": "kcv data check folder:flowers --fix",
    "data show": "kcv data show folder:flowers --recipe resnet50 --set augment=augmix",
    "doctor": "kcv doctor",
}
HIDDEN = argparse.SUPPRESS
SPEC_HELP = "folder:PATH, csv:FILE, ... as for kcv train --data"
VIEWS_HELP = "average over views of each image: one (default), flip, three, six or ten"


class _Parser(argparse.ArgumentParser):
    """A mistake is one line here too, and a misspelt verb is given its near ones."""

    def error(self, message):
        wrong = re.search("invalid choice: '(.*?)' .choose from (.*).$", message)
        if wrong:
            known = [word.strip(" '") for word in wrong[2].split(",")]
            near = difflib.get_close_matches(wrong[1], known) or known
            message = f"there is no {wrong[1]!r}, did you mean {', '.join(near)}?"
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help shows the usage)\n")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; what it parses holds the function of the verb as `action`."""
    parser = _Parser(
        prog="kcv",
        usage="kcv [--version] [--debug] VERB ...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=_page,
        add_help=False,
    )
    # the description says what these do: the page of help is to fit a screen of 24 lines
    parser.add_argument("-h", "--help", action="help", help=HIDDEN)
    parser.add_argument("--debug", action="store_true", help=HIDDEN)
    parser.add_argument("--version", action="store_true", help=HIDDEN)
    group = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", prog="kcv")
    for add in (_train, _test, _predict, _list, _show, _profile, _data, _doctor):
        add(group)
    return parser


def _page(prog: str) -> argparse.HelpFormatter:
    page = argparse.RawDescriptionHelpFormatter(prog)
    page._action_max_length = 11  # argparse leaves hidden options out of it, and longer verbs too
    return page


def _verb(group, words: str, text: str, action=None) -> argparse.ArgumentParser:
    """Add a verb, or a task of one, with its example on its page of help."""
    parser = group.add_parser(
        words.split()[-1],
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=f"example: {EXAMPLES[words]}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(action=action)
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=HIDDEN)
    return parser


def _train(group) -> None:
    parser = _verb(group, "train", "train a network by recipe", verbs.train)
    parser.add_argument("model", nargs="?", help="model name, see kcv list")
    parser.add_argument("--data", help="fashion_mini (default), folder:PATH, csv:FILE, ...")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--seed", type=int, help="of weights, order and random changes")
    parser.add_argument("--threads", type=int, help="CPU threads; default all cores")
    _add_fields(parser, "other fields of the recipe")
    parser.add_argument("--config", metavar="TOML", help="recipe file, as kcv show prints it")
    parser.add_argument("--out", help="run folder; default runs/MODEL")
    parser.add_argument("--resume", metavar="auto|PATH", help="go on with a run")


def _add_fields(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help=text)
    parser.add_argument("--setting", default="auto", help="short, photos, published or auto")


def _test(group) -> None:
    parser = _verb(group, "test", "score a run on data", verbs.test)
    parser.add_argument("run", help="run folder")
    parser.add_argument("--data", help="what to score on; by default the run's own test part")
    parser.add_argument("--split", default="test", help="test, val, train or all")
    parser.add_argument("--views", default="one", help=VIEWS_HELP)
    parser.add_argument("--out", help="also write the figures to this JSON file")


def _predict(group) -> None:
    parser = _verb(group, "predict", "classify images", verbs.predict)
    parser.add_argument("run", help="run folder")
    parser.add_argument("images", nargs="+", help="image files or folders")
    parser.add_argument("--top", type=int, default=5, help="classes to show (default 5)")
    parser.add_argument("--views", default="one", help=VIEWS_HELP)
    text = "score from which a class is said, where images have several (default 0.5)"
    parser.add_argument("--threshold", type=float, default=0.5, help=text)
    parser.add_argument("--out", help="also write the answers to this .csv or .json file")


def _list(group) -> None:
    parser = _verb(group, "list", "list the networks", verbs.list_networks)
    parser.add_argument("pattern", nargs="?", default="*", help="shell pattern")
    parser.add_argument("--sort", default="name", help="name, parameters or macs")
    parser.add_argument("--weights", action="store_true", help="list published weights instead")
    parser.add_argument("--max-parameters", metavar="N", help="leave larger ones out, such as 5M")


def _show(group) -> None:
    parser = _verb(group, "show", "draw a network, print its recipe", verbs.show)
    parser.add_argument("name", help="model name")
    parser.add_argument("--setting", default="short", help="short, photos or published")


def _profile(group) -> None:
    parser = _verb(group, "profile", "count and time a network", verbs.profile)
    parser.add_argument("name", help="model name")
    parser.add_argument("--image-size", type=int, help="pixels; by default the network's own")
    parser.add_argument("--batch", type=int, default=1, help="images in a call (default 1)")
    text = "a line for each layer, not each stage"
    parser.add_argument("--layers", action="store_true", help=text)


def _data(group) -> None:
    data = _verb(group, "data", "check a data set, show what a network sees")
    tasks = data.add_subparsers(dest="task", metavar="TASK", required=True, prog="kcv data")
    text = "find broken files, duplicates, leaks between parts and suspicious labels"
    check = _verb(tasks, "data check", text, verbs.data_check)
    check.add_argument("spec", help=SPEC_HELP)
    check.add_argument("--fix", action="store_true", help="also write a cleaned list of files")
    check.add_argument("--out", default="data-check", help="folder for page and lists")
    text = "make a page of images as the network will see them, step by step"
    show = _verb(tasks, "data show", text, verbs.data_show)
    show.add_argument("spec", help=SPEC_HELP)
    text = "model name, recipe file or run folder; by default nothing is changed or mixed"
    show.add_argument("--recipe", metavar="MODEL|TOML|RUN", help=text)
    _add_fields(show, "fields of the recipe, as for kcv train")
    show.add_argument("--out", default="data-show.html", help="the page")


def _doctor(group) -> None:
    _verb(group, "doctor", "check the installation", verbs.doctor)
