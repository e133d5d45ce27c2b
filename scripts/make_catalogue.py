"""Write kcv/weights/catalogue.csv out of what the reference libraries say of their checkpoints.

    python scripts/make_catalogue.py timm_cfgs.json tv_weights.json mm.json keras.json \
        results-imagenet.csv

The first four files hold timm 1.0.31's pretrained configurations, torchvision 0.28.0's weights
metadata, mmpretrain 1.2.0's configurations (test pipeline and preprocessor of each model of its
index) and the addresses and hashes of keras.applications of Keras 3.15.1. No licence is stated
by the last three for single checkpoints, so that column is empty for them. The fifth is the table
of validation results in timm's repository (`results/`, commit aa4b5850).
"""

import csv
import json
import math
import re
import sys
from pathlib import Path

FIGURES = Path(__file__).parents[1] / "kcv/models/figures.csv"
OUT = Path(__file__).parents[1] / "kcv/weights/catalogue.csv"
COLUMNS = [
    "source",
    "model",
    "place",
    "hash",
    "size",
    "mean",
    "std",
    "interpolation",
    "crop_pct",
    "crop_mode",
    "classes",
    "license",
    "top1",
    "mib",
]
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)


def by_rules(name, rules):
    """Return kcv's name of an architecture, None if it has none."""
    for pattern, ours in rules:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    return None


SIZED = "tiny|small|base|large|xlarge"
TIMM = [
    (rf"(convnext_(?:atto|femto|pico|nano|{SIZED}))", r"\1"),
    (r"deit_(tiny|small)_distilled_patch16_224", r"deit_\1_distilled_16"),
    (r"deit_(tiny|small|base)_patch16_(?:224|384)", r"vit_\1_16"),
    (r"vit_(tiny|small|base|large)_patch(16|32)_(?:224|384|448)", r"vit_\1_\2"),
    (r"(?:tf_)?(efficientnet_b[0-7])", r"\1"),
    (r"(inception_v3|resnet(?:18|34|50|101|152)|resnet(?:18|34|50|101|152)d|resnet50c)", r"\1"),
    (r"(resnext50_32x4d|resnext101_(?:32x4d|32x8d|64x4d)|wide_resnet50_2)", r"\1"),
    (r"(seresnet(?:18|34|50|101|152)|seresnext50_32x4d)", r"\1"),
    (r"(mnasnet_100|mnasnet_050|mnasnet_075)", r"\1"),
    (r"mobilenetv1_100", "mobilenet_v1"),
    (r"mobilenetv2_100", "mobilenet_v2"),
    (r"mobilenetv2_(035|050|075|140)", r"mobilenet_v2_\1"),
    (r"mobilenetv3_(large|small)_100", r"mobilenet_v3_\1"),
    (r"mobilenetv3_(large|small)_075", r"mobilenet_v3_\1_075"),
    (r"tf_mobilenetv3_(large|small)_100", r"mobilenet_v3_\1"),
    (r"tf_mobilenetv3_(large|small)_075", r"mobilenet_v3_\1_075"),
    (r"nasnetalarge", "nasnet_large"),
    (rf"swin_({SIZED})_patch4_window(?:7|12)_(?:224|384)", r"swin_\1"),
    (r"(vgg(?:11|13|16|19)(?:_bn)?)", r"\1"),
]
TORCHVISION = [
    (r"vit_(b|l)_(16|32)", r"vit_{\1}_\2"),
    (r"swin_(t|s|b)", r"swin_{\1}"),
    (r"mnasnet(\d)_(\d)", r"mnasnet_\1\g<2>0"),
    (r"mnasnet(\d)_(\d\d)", r"mnasnet_\1\2"),
    (r"shufflenet_v2_x(\d)_(\d)", r"shufflenet_v2_\1\g<2>0"),
    (r"((?:alexnet|googlenet|inception_v3|squeezenet|vgg|resnet|resnext|convnext_).*)", r"\1"),
    (r"(efficientnet_b[0-7]|mobilenet_v2|mobilenet_v3_.*|wide_resnet50_2)", r"\1"),
]
LETTERS = {"{t}": "tiny", "{s}": "small", "{b}": "base", "{l}": "large"}
MMPRETRAIN = [
    (r"mobilenet-v2_.*", "mobilenet_v2"),
    (r"mobilenet-v3-(large|small)_.*", r"mobilenet_v3_\1"),
    (r"mobilenet-v3-small-075_.*", "mobilenet_v3_small_075"),
    (r"resnet(18|34|50|101|152)_.*_in1k", r"resnet\1"),
    (r"resnet50_8xb8_cub", "resnet50"),
    (r"resnetv1([cd])(\d+)_.*", r"resnet\2\1"),
    (r"resnext(50|101)-(32x4d|32x8d)_.*", r"resnext\1_\2"),
    (r"(seresnet(?:50|101))_.*", r"\1"),
    (r"shufflenet-v1-1x_.*", "shufflenet_v1_g3"),
    (r"shufflenet-v2-1x_.*", "shufflenet_v2_100"),
    (r"vgg(11|13|16|19)bn_.*", r"vgg\1_bn"),
    (r"(vgg(?:11|13|16|19))_.*", r"\1"),
    (r"wide-resnet50_.*", "wide_resnet50_2"),
    (r"inception-v3_.*", "inception_v3"),
    (r"(efficientnet)-(b[0-7])_.*", r"\1_\2"),
    (r"deit-(tiny|small)-distilled_3rd.*", r"deit_\1_distilled_16"),
    (r"deit-(tiny|small|base)_.*", r"vit_\1_16"),
    (r"vit-(base|large)-p(16|32)_(?!.*sam-pre).*", r"vit_\1_\2"),
    (r"swin-(tiny|small|base|large)_.*", r"swin_\1"),
    (rf"convnext-({SIZED})_.*", r"convnext_\1"),
]
KERAS = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "ResNet50": "resnet50",
    "ResNet101": "resnet101",
    "ResNet152": "resnet152",
    "MobileNet": "mobilenet_v1",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV2_0.35": "mobilenet_v2_035",
    "MobileNetV2_0.5": "mobilenet_v2_050",
    "MobileNetV2_0.75": "mobilenet_v2_075",
    "MobileNetV2_1.4": "mobilenet_v2_140",
    "MobileNetV3Large": "mobilenet_v3_large",
    "MobileNetV3Small": "mobilenet_v3_small",
    "MobileNetV3Large_0.75": "mobilenet_v3_large_075",
    "MobileNetV3Small_0.75": "mobilenet_v3_small_075",
    "NASNetLarge": "nasnet_large",
    "NASNetMobile": "nasnet_mobile",
    **{f"EfficientNetB{n}": f"efficientnet_b{n}" for n in range(8)},
    "InceptionV3": "inception_v3",
    **{
        f"ConvNeXt{n}": f"convnext_{n.lower()}"
        for n in ("Tiny", "Small", "Base", "Large", "XLarge")
    },
}


def fraction(crop, resize):
    """Return crop / resize so that floor(crop / fraction) is the resize again."""
    value = crop / resize
    while math.floor(crop / value) < resize:
        value = math.nextafter(value, 0)
    return value


def row(source, model, size, stats, interpolation, crop_pct, mode="crop", classes=1000, **more):
    mean, std = (" ".join(f"{v:.8g}" for v in values) for values in stats)
    return {
        "source": source,
        "model": model,
        "size": size,
        "mean": mean,
        "std": std,
        "interpolation": interpolation,
        "crop_pct": f"{crop_pct:.17g}" if crop_pct != round(crop_pct, 4) else f"{crop_pct:g}",
        "crop_mode": mode,
        "classes": classes,
        **{k: v for k, v in more.items() if v is not None},
    }


def timm_top1(path):
    """Return {(checkpoint, size): accuracy} of timm's table of results."""
    with open(path, newline="", encoding="utf-8") as file:
        return {(r["model"], int(r["img_size"])): float(r["top1"]) for r in csv.DictReader(file)}


def timm(path, mib, top1):
    for name, c in json.loads(Path(path).read_text()).items():
        model = by_rules(c["architecture"], TIMM)
        if model is None or not c.get("hf_hub_id") or not c["num_classes"]:
            continue
        if c["num_classes"] == 640:  # towers of CLIP: an embedding, no classes
            continue
        if c["hf_hub_id"] != f"timm/{name}":
            sys.stderr.write(
                " ".join(
                    map(
                        str,
                        (
                            "other place:",
                            name,
                            c["hf_hub_id"],
                        ),
                    )
                )
                + "\n"
            )
            continue
        squash = "squash" if c["crop_pct"] == 1 else "squash_crop"
        mode = {"center": "crop", "squash": squash}[c["crop_mode"]]
        yield row(
            f"timm/{name}", model, c["input_size"][1], (c["mean"], c["std"]), c["interpolation"],
            c["crop_pct"], mode, c["num_classes"], license=c.get("license"),
            mib=mib.get(model) if c["num_classes"] == 1000 else None,
            top1=top1.get((name, c["input_size"][1])),
        )  # fmt: skip


def torchvision(path):
    for name, w in json.loads(Path(path).read_text()).items():
        model = by_rules(w["model"], TORCHVISION)
        model = re.sub(r"\{.\}", lambda m: LETTERS[m.group()], model) if model else None
        if model is None or model not in KNOWN:
            continue
        (resize,), (crop,) = w["resize"], w["crop"]
        # these two change normalised images once more inside (transform_input): together it is this
        inside = model in ("googlenet", "inception_v3")
        stats = HALF if inside else (w["mean"], w["std"])
        yield row(
            f"torchvision/{w['model']}.{name.split('.')[1]}", model, crop, stats,
            w["interp"].split(".")[1].lower(), fraction(crop, resize), place=w["url"],
            top1=w["acc1"], mib=round(w["mb"]),
        )  # fmt: skip


def mmpretrain(path, mib):
    for name, c in json.loads(Path(path).read_text()).items():
        model = by_rules(name, MMPRETRAIN)
        if model is None or model not in KNOWN or "arcface" in name:
            continue
        classes = (c["head"] or {}).get("num_classes") or (1000 if c["ds"] == "ImageNet" else None)
        steps = {s["type"]: s for s in c["pipeline"]}
        pre = c["mpre"] if c["mpre"] and "mean" in c["mpre"] else c["pre"]
        stats = [[v / 255 for v in pre[key]] for key in ("mean", "std")]
        if c["backbone"].get("pre_norm") or c["backbone"].get("out_type") == "avg_featmap":
            continue  # other networks than kcv's
        if not classes or not pre["to_rgb"]:
            sys.stderr.write(
                " ".join(
                    map(
                        str,
                        (
                            "left out:",
                            name,
                            classes,
                            pre["to_rgb"],
                        ),
                    )
                )
                + "\n"
            )
            continue
        mode, how = "crop", "bilinear"
        if "EfficientNetCenterCrop" in steps:
            size = steps["EfficientNetCenterCrop"]["crop_size"]
            pct, how, mode = size / (size + 32), "bicubic", "crop_first"
        elif "Resize" in steps and "CenterCrop" in steps:
            size = steps["CenterCrop"]["crop_size"]
            pct, mode = fraction(size, steps["Resize"]["scale"]), "squash_crop"
        elif "Resize" in steps:
            size, pct, mode = steps["Resize"]["scale"], 1.0, "squash"
            how = steps["Resize"].get("interpolation", how)
        elif "ResizeEdge" in steps:
            size = steps["CenterCrop"]["crop_size"]
            pct = fraction(size, steps["ResizeEdge"]["scale"])
            how = steps["ResizeEdge"].get("interpolation", how)
        else:
            size, pct = 224, 0.875  # in21k models: no test pipeline is published
        found = [r["Metrics"].get("Top 1 Accuracy") for r in c["metrics"] or [] if r.get("Metrics")]
        yield row(
            f"mmpretrain/{name}", model, size, stats, how, pct, mode, classes, place=c["weights"],
            top1=found[0] if found else None, mib=mib.get(model) if classes == 1000 else None,
        )  # fmt: skip


def keras(path, mib):
    for name, (url, md5) in json.loads(Path(path).read_text()).items():
        if name not in KERAS:  # kcv has no table of its names
            continue
        model = KERAS[name]
        size = {"inception_v3": 299, "nasnet_large": 331}.get(model)
        size = size or (
            [224, 240, 260, 300, 380, 456, 528, 600][int(name[-1])] if "B" in name[-2:] else 224
        )
        stats = HALF
        if name.startswith(("VGG", "ResNet")):
            stats = ([v / 255 for v in (123.68, 116.779, 103.939)], [1 / 255] * 3)
        elif name.startswith(("Efficient", "ConvNeXt")):
            stats = IMAGENET
        kind = "sha256" if md5 and len(md5) == 64 else "md5"
        yield row(
            f"keras/{name}", model, size, stats, "bicubic", 0.875, place=url,
            hash=f"{kind}:{md5}" if md5 else None, mib=mib.get(model),
        )  # fmt: skip


def main():
    timm_file, tv_file, mm_file, keras_file, results = sys.argv[1:6]
    figures = list(csv.DictReader(FIGURES.open()))
    KNOWN.update(f["name"] for f in figures)
    mib = {
        f["name"]: round((int(f["parameters"]) + int(f["bn_statistics"])) * 4 / 2**20)
        for f in figures
    }
    rows = [
        *timm(timm_file, mib, timm_top1(results)),
        *torchvision(tv_file),
        *mmpretrain(mm_file, mib),
    ]
    rows += keras(keras_file, mib)
    rows.sort(key=lambda r: (r["model"], r["source"]))
    with OUT.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    missing = sorted(KNOWN - {r["model"] for r in rows})
    sys.stdout.write(f"{len(rows)} rows, {OUT.stat().st_size} bytes; without any: {missing}\n")


KNOWN = set()
if __name__ == "__main__":
    main()
