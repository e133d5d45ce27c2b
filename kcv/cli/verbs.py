"""What each verb does: one call of the library, and lines about what came of it.

A verb imports what it needs itself: a page of help waits for none of it.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kcv.recipes import Recipe


def train(args) -> None:
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
        say(f"test {name.replace('_', ' ')} {test[name]:.4f} ({test['count']:,} images)")
    if low:
        say(f"{low['name']}: {low['accuracy']:.4f}")
    say(f"report: {run.path / 'report.html'}")


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


def test(args) -> None:
    from kcv import recipes
    from kcv.recipes.run import write_json

    _check_target(args.out, (".json",))
    metrics = recipes.evaluate(args.run, args.data, split=args.split, views=args.views)
    for name, value in metrics.items():
        say(f"{name:22} {value:.4f}" if isinstance(value, float) else f"{name:22} {value}")
    if args.out:
        write_json(Path(args.out), metrics)


def predict(args) -> None:
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
        say(f"{result['path']}: {best}")
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


def list_networks(args) -> None:
    from kcv import listing

    if args.weights:
        say(listing.weights_table(args.pattern))
        return
    found = listing.entries(args.pattern, sort=args.sort, max_parameters=args.max_parameters)
    say(listing.table(found))


def show(args) -> None:
    from kcv import listing, recipes

    recipe = recipes.get(args.name, args.setting)
    other = "published" if args.setting == "short" else "short"
    drawn = listing.stages(listing.sketch(args.name))
    note = f"Below: the {args.setting} recipe; --setting {other} prints the {other} one."
    # as comments, so that `kcv show NAME > recipe.toml` stays a recipe
    for line in f"{listing.paper(args.name)}: {drawn}\n\n{note}".splitlines():
        say(f"# {line}".rstrip())
    say("\n" + recipe.to_toml().rstrip())


def profile(args) -> None:
    from kcv import models, profiling
    from kcv.cost import cost

    changes = {} if args.image_size is None else {"image_size": args.image_size}
    model = models.build(args.name, **changes)
    counted = cost(model)
    say(counted.table() if args.layers else counted.summary())
    say("\n" + profiling.profile(model, args.batch).table())


def data_check(args) -> None:
    from kcv import data
    from kcv.data.inspection import advice

    findings = data.check(args.spec, args.out, fix=args.fix)
    say(advice.text(findings))
    say(f"page: {Path(args.out) / 'check.html'}")
    if args.fix:
        say(f"cleaned list, for --data: csv:{Path(args.out) / 'clean.csv'}")


def data_show(args) -> None:
    from kcv import data
    from kcv.recipes import settings

    recipe, folder = _recipe(args.recipe, args.setting)
    # for one batch no processes are worth their start
    changes = {"workers": 0, **_assignments(args.set)}
    # as `kcv train` would choose it for these images
    recipe, loaded = settings.resolve(recipe, args.spec, args.setting, changes, folder)
    say(f"page: {data.show(loaded, recipe, out=args.out)}")


def _recipe(word: str | None, setting: str) -> "tuple[str | Recipe, Path | None]":
    """Return what `--recipe` names, a model or its recipe, and the run folder it is of, if any."""
    from kcv import recipes
    from kcv.recipes.run import is_run

    if word is None:
        if setting != "auto":
            raise ValueError(f"--setting needs --recipe MODEL. Received: --setting {setting}.")
        return recipes.Recipe("", augment="none"), None
    path = Path(word)
    if word in recipes.RECIPES:
        return word, None
    if is_run(path):
        return recipes.Recipe.from_toml(path / "recipe.toml"), path
    if path.is_dir():
        raise FileNotFoundError(f"There is no run in {word}: it has no recipe.toml.")
    is_file = path.is_file() or path.suffix == ".toml" or len(path.parts) > 1
    return (recipes.Recipe.from_toml(path) if is_file else word), None


def doctor(args) -> None:
    from kcv import doctor

    for line in doctor.check():
        say(line)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
