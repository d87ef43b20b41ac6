"""Repeated short tunings on random shares of the people, each validated on other people. `smilereel learning-curve` calls it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from torch.nn.functional import binary_cross_entropy_with_logits

from workers.gpu.models import SmileClassifier
from workers.training import detector
from workers.training.backbone import prepared
from workers.training.baselines import unlabelled_faces
from workers.training.classifiers import P_HAND, STEPS_PER_EPOCH, Crops, smile_material
from workers.training.datasets import Faces, scenes
from workers.training.learning import Plan, train
from workers.training.learning_curve import CurveRun
from workers.training.options import TrainingOptions
from workers.training.own_pictures import public_people

MEASURES = {"smile": "AUC", "detector": "mean F1"}
# The only check is the last one, so that no run is judged at its luckiest moment.
NEVER = 1e9


@dataclass(frozen=True, slots=True)
class Material:
    """What a curve draws from: whom each training picture shows, and a tuning on chosen pictures that gives its score."""

    people: list[str]
    tune: Callable[[list[int], TrainingOptions], float]


def material_of(model: str, options: TrainingOptions) -> Material:
    """The training pictures of `smile` or `detector`."""
    return _smile(options) if model == "smile" else _detector(options)


def _smile(options: TrainingOptions) -> Material:
    material = smile_material(options)
    crops, faces = material.crops, material.crops.faces
    known = {**public_people(options.data, "age"), **public_people(options.data, "smile")}

    def tune(chosen: list[int], short: TrainingOptions) -> float:
        some = Faces(
            faces.crops[chosen],
            faces.targets[chosen],
            [faces.files[index] for index in chosen],
            [faces.sources[index] for index in chosen],
        )
        later = None if crops.later is None else crops.later[chosen]
        dataset = Crops(some, crops.targets[chosen], crops.weights[chosen], short.seed, P_HAND, later)
        plan = Plan("smile", "smile-mobilenetv2-112", short, material.validate)
        return train(plan, prepared(SmileClassifier()), dataset, binary_cross_entropy_with_logits, STEPS_PER_EPOCH)

    return Material([known.get(file, file) for file in faces.files], tune)


def _detector(options: TrainingOptions) -> Material:
    ignored = unlabelled_faces(options.data, options.baselines, options.work)
    known, normal = list(scenes(options.data, ("train",), ignored)), list(scenes(options.data, ("valid",), ignored))
    people = public_people(options.data, "det")

    def tune(chosen: list[int], short: TrainingOptions) -> float:
        return detector.train_on(short, [known[index] for index in chosen], normal)

    return Material([people[scene.file] for scene in known], tune)


def chosen_people(people: Sequence[str], share: float, seed: int) -> list[int]:
    """The pictures of a random share of the people; with the same seed a larger share holds the smaller one's people.

    Args:
        people: whom each picture shows.
        share: above 0 to 1, of the people.
        seed: of the order in which people are drawn.
    """
    names = sorted(set(people))
    order = np.random.default_rng(seed).permutation(len(names))
    drawn = {names[index] for index in order[: max(round(share * len(names)), 1)]}
    return [index for index, person in enumerate(people) if person in drawn]


def run_curve(model: str, shares: Sequence[float], repeats: int, options: TrainingOptions) -> list[CurveRun]:
    """All tunings, `options.steps` each; those of an earlier call with the same steps are read from the work folder.

    Args:
        model: `smile` or `detector`.
        shares: of the people.
        repeats: tunings a share, each on other people and from another seed.
        options: of one tuning; nothing is exported.
    """
    kept = options.work / f"learning-curve-{model}-{options.steps}-{options.seed}.jsonl"
    runs = [CurveRun(**json.loads(line)) for line in kept.read_text(encoding="utf-8").splitlines()] if kept.exists() else []
    done = {(run.share, run.repeat) for run in runs}
    wanted = [(share, repeat) for repeat in range(repeats) for share in shares]
    missing = [key for key in wanted if key not in done]
    if missing:
        options.work.mkdir(parents=True, exist_ok=True)
        material = material_of(model, options)
        for number, (share, repeat) in enumerate(missing, 1):
            print(f"tuning {number} of {len(missing)}: {share:.0%} of the people, repeat {repeat + 1}", flush=True)
            runs.append(_one(material, share, repeat, options))
            with kept.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(runs[-1])) + "\n")
    return [run for run in runs if (run.share, run.repeat) in wanted]


def _one(material: Material, share: float, repeat: int, options: TrainingOptions) -> CurveRun:
    seed = options.seed + 1000 * repeat
    chosen = chosen_people(material.people, share, seed)
    short = replace(options, weights=None, resume=False, seed=seed, check_minutes=NEVER)
    score = material.tune(chosen, short)
    return CurveRun(share, repeat, len({material.people[index] for index in chosen}), len(chosen), score)
