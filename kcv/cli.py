"""The `kcv` command: every verb is one call of the library."""

import argparse
import contextlib
import difflib
import logging
import re
import sys
from pathlib import Path

DESCRIPTION = """Image classification in Keras 3. kcv VERB --help shows options and an example;
--debug shows the traceback of an error."""
EPILOG = """examples:
  kcv train mobilenet_v2                     embedded data, minutes on a CPU
  kcv train resnet18 --data folder:flowers   a folder of photos for each class
  kcv predict runs/mobilenet_v2 shirt.png    what is on the picture"""
HIDDEN = argparse.SUPPRESS


class _Parser(argparse.ArgumentParser):
    """A mistake is one line here too, and a misspelt verb is given its near ones."""

    def error(self, message):
        wrong = re.search("invalid choice: '(.*?)' .choose from (.*).$", message)
        if wrong:
            known = [word.strip(" '") for word in wrong[2].split(",")]
            near = difflib.get_close_matches(wrong[1], known) or known
            message = f"there is no {wrong[1]!r}, did you mean {', '.join(near)}?"
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help shows the usage)\n")


def _page(prog: str) -> argparse.HelpFormatter:
    page = argparse.RawDescriptionHelpFormatter(prog)
    page._action_max_length = 11  # argparse leaves hidden options out of it, and longer verbs too
    return page


def _parser() -> argparse.ArgumentParser:
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
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", prog="kcv")
    _train_options(_verb(verbs, "train", "train a network by recipe", _train, EXAMPLES["train"]))
    test = _verb(verbs, "test", "score a run on data", _test, EXAMPLES["test"])
    test.add_argument("run", help="run folder")
    test.add_argument("--data", help="what to score on; by default the run's own test part")
    test.add_argument("--split", default="test", help="test, val, train or all")
    test.add_argument("--views", default="one", help=VIEWS_HELP)
    test.add_argument("--out", help="also write the figures to this JSON file")
    _predict_options(_verb(verbs, "predict", "classify images", _predict, EXAMPLES["predict"]))
    names = _verb(verbs, "list", "list the networks", _list, EXAMPLES["list"])
    names.add_argument("pattern", nargs="?", default="*", help="shell pattern")
    names.add_argument("--sort", default="name", help="name, parameters or macs")
    names.add_argument("--weights", action="store_true", help="list published weights instead")
    names.add_argument("--max-parameters", metavar="N", help="leave larger ones out, such as 5M")
    show = _verb(verbs, "show", "draw a network, print its recipe", _show, EXAMPLES["show"])
    show.add_argument("name", help="model name")
    show.add_argument("--setting", default="short", help="short, photos or published")
    prof = _verb(verbs, "profile", "count and time a network", _profile, EXAMPLES["profile"])
    prof.add_argument("name", help="model name")
    prof.add_argument("--image-size", type=int, help="pixels; by default the network's own")
    prof.add_argument("--batch", type=int, default=1, help="images in a call (default 1)")
    prof.add_argument("--layers", action="store_true", help="a line for each layer, not each stage")
    data = _verb(
        verbs, "data", "check a data set, show what a network sees", None, EXAMPLES["data"]
    )
    tasks = data.add_subparsers(dest="task", metavar="TASK", required=True, prog="kcv data")
    _data_options(tasks)
    _verb(verbs, "doctor", "check the installation", _doctor, EXAMPLES["doctor"])
    return parser


EXAMPLES = {
    "train": "kcv train mobilenet_v2 --data folder:flowers --epochs 30 --out runs/flowers",
    "test": "kcv test runs/flowers --data folder:flowers/test --out results.json",
    "predict": "kcv predict runs/flowers banana.png --top 3",
    "list": 'kcv list "mobilenet*" --sort macs',
    "show": "kcv show mobilenet_v2 > recipe.toml",
    "profile": "kcv profile resnet50 --batch 8",
    "data": "kcv data check folder:flowers --fix",
    "doctor": "kcv doctor",
}


def _verb(verbs, name: str, text: str, action, example: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(action=action)
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=HIDDEN)
    return parser


VIEWS_HELP = "average over views of each image: one (default), flip, three, six or ten"


def _train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="model name, see kcv list")
    parser.add_argument("--data", help="fashion_mini (default), folder:PATH, csv:FILE, ...")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--seed", type=int, help="of weights, order and random changes")
    parser.add_argument("--threads", type=int, help="CPU threads; default all cores")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="FIELD=VALUE", help="other fields of the recipe"
    )
    parser.add_argument("--config", metavar="TOML", help="recipe file, as kcv show prints it")
    parser.add_argument("--setting", default="auto", help="short, photos, published or auto")
    parser.add_argument("--out", help="run folder; default runs/MODEL")
    parser.add_argument("--resume", metavar="auto|PATH", help="go on with a run")


def _data_options(tasks) -> None:
    text = "find broken files, duplicates, leaks between parts and suspicious labels"
    check = _verb(tasks, "check", text, _data_check, EXAMPLES["data"])
    check.add_argument("spec", help="folder:PATH, csv:FILE, ... as for kcv train --data")
    check.add_argument("--fix", action="store_true", help="also write a cleaned list of files")
    check.add_argument("--out", default="data-check", help="folder for page and lists")
    text = "make a page of images as the network will see them, step by step"
    show = _verb(tasks, "show", text, _data_show, "kcv data show folder:flowers --recipe resnet50")
    show.add_argument("spec", help="folder:PATH, csv:FILE, ... as for kcv train --data")
    show.add_argument("--recipe", metavar="MODEL", help="whose augmentation to show")
    show.add_argument("--out", default="data-show.html", help="the page")


def _predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="run folder")
    parser.add_argument("images", nargs="+", help="image files or folders")
    parser.add_argument("--top", type=int, default=5, help="classes to show (default 5)")
    parser.add_argument("--views", default="one", help=VIEWS_HELP)
    text = "score from which a class is said, where images have several (default 0.5)"
    parser.add_argument("--threshold", type=float, default=0.5, help=text)
    parser.add_argument("--out", help="also write the answers to this .csv or .json file")


def _train(args) -> None:
    from kcv import recipes

    changes = _assignments(args.set)
    for name in ("epochs", "seed", "threads"):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name)
    recipe = args.model
    if args.config:
        recipe = recipes.Recipe.from_toml(args.config)
        if args.model and args.model != recipe.model:
            raise ValueError(
                f"{args.config} is a recipe for {recipe.model}. Received: {args.model}."
            )
    if recipe is None:
        raise ValueError("kcv train needs a model name or --config. kcv list shows the names.")
    run = recipes.train(
        recipe,
        args.data,
        out=args.out,
        resume=args.resume,
        setting=args.setting,
        **changes,
    )
    test, low = run.metrics.get("test"), run.metrics.get("floor")
    if test:
        name = "accuracy" if "accuracy" in test else "mean_average_precision"
        _say(f"test {name.replace('_', ' ')} {test[name]:.4f} ({test['count']:,} images)")
    if low:
        _say(f"{low['name']}: {low['accuracy']:.4f}")
    _say(f"report: {run.path / 'report.html'}")


def _assignments(words: list[str]) -> dict:
    """Return {"field": "value"} of words like `field=value`; `network.width=0.5` nests."""
    changes: dict = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"--set needs FIELD=VALUE. Received: {word!r}.")
        table, dot, key = name.partition(".")
        if dot and table == "network":
            changes.setdefault("network", {})[key] = _number(value)
        else:
            changes[name] = value
    return changes


def _number(value: str):
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(value.lower(), value)


def _test(args) -> None:
    from kcv import recipes
    from kcv.recipes.run import write_json

    _check_target(args.out, (".json",))
    metrics = recipes.evaluate(args.run, args.data, split=args.split, views=args.views)
    for name, value in metrics.items():
        _say(f"{name:22} {value:.4f}" if isinstance(value, float) else f"{name:22} {value}")
    if args.out:
        write_json(Path(args.out), metrics)


def _predict(args) -> None:
    from kcv import inference

    _check_target(args.out, (".csv", ".json"))
    images = args.images[0] if len(args.images) == 1 else args.images
    results = inference.predict(
        args.run, images, top=args.top, views=args.views, threshold=args.threshold
    )
    for result in results:
        if "error" in result:
            continue  # the log has said those
        best = ", ".join(f"{t['class']} {t['score']:.3f}" for t in result["top"])
        if "pred_classes" in result:
            best = f"{', '.join(result['pred_classes']) or 'no class'} ({best})"
        _say(f"{result['path']}: {best}")
    if args.out:
        save = inference.save_json if args.out.endswith(".json") else inference.save_csv
        save(results, args.out)
    if results and all("error" in result for result in results):
        raise ValueError(f"None of the {len(results)} images could be read.")


def _check_target(name: str | None, endings: tuple[str, ...]) -> None:
    """Refuse a file that could not be written in the end, before anything is computed."""
    if name is None:
        return
    path = Path(name)
    if path.suffix not in endings or path.is_dir():
        raise ValueError(f"--out needs a file {' or '.join(endings)}. Received: {name}.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"--out needs a folder that exists. Received: {name}.")


def _list(args) -> None:
    from kcv import listing

    if args.weights:
        _say(listing.weights_table(args.pattern))
        return
    found = listing.entries(args.pattern, sort=args.sort, max_parameters=args.max_parameters)
    _say(listing.table(found))


def _show(args) -> None:
    from kcv import listing, recipes

    recipe = recipes.get(args.name, args.setting)
    other = "published" if args.setting == "short" else "short"
    drawn = listing.stages(listing.sketch(args.name))
    note = f"Below: the {args.setting} recipe; --setting {other} prints the {other} one."
    # as comments, so that `kcv show NAME > recipe.toml` stays a recipe
    for line in f"{listing.paper(args.name)}: {drawn}\n\n{note}".splitlines():
        _say(f"# {line}".rstrip())
    _say("\n" + recipe.to_toml().rstrip())


def _profile(args) -> None:
    from kcv import models
    from kcv.cost import cost
    from kcv.profiling import profile

    changes = {} if args.image_size is None else {"image_size": args.image_size}
    model = models.build(args.name, **changes)
    counted = cost(model)
    _say(counted.table() if args.layers else counted.summary())
    _say("\n" + profile(model, args.batch).table())


def _data_check(args) -> None:
    from kcv import data
    from kcv.data.inspection import advice

    findings = data.check(args.spec, args.out, fix=args.fix)
    _say(advice.text(findings))
    _say(f"page: {Path(args.out) / 'check.html'}")
    if args.fix:
        _say(f"cleaned list, for --data: csv:{Path(args.out) / 'clean.csv'}")


def _data_show(args) -> None:
    from kcv import data
    from kcv.recipes import settings

    # as `kcv train` would choose it for these images
    recipe = settings.resolve(args.recipe, args.spec, "auto", {})[0] if args.recipe else None
    _say(f"page: {data.show(args.spec, recipe, out=args.out)}")


def _doctor(args) -> None:
    from kcv import doctor

    for line in doctor.check():
        _say(line)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


@contextlib.contextmanager
def _spoken_log():
    """Say on standard error what kcv logs, unless a notebook's session says it already."""
    log, handler = logging.getLogger("kcv"), logging.StreamHandler(sys.stderr)
    if log.handlers:
        yield
        return
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def main(argv: list[str] | None = None) -> int:
    """Run the command; return 0, 2 for a mistake of the user's, 1 for a failure, 130 for Ctrl-C."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.version:
        from kcv.version import __version__

        _say(f"kcv {__version__}")
        return 0
    if args.verb is None:
        parser.print_help()
        return 0
    try:
        with _spoken_log():
            args.action(args)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if args.debug:
            raise
        sys.stderr.write(f"kcv: {_one_line(error)}\n")
        return 2 if isinstance(error, MISTAKES) else 1
    return 0


# what a person can mend by other words; a full disk or an error of the program is a failure
MISTAKES = (
    ValueError,
    TypeError,
    ImportError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename}" if error.filename else ""
        return f"{error.strerror}:{where}" if where else error.strerror
    text = " ".join(str(error).split())
    return text or f"{type(error).__name__} (run again with --debug)"
