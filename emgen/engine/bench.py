"""What every step needs, and the one way in which a step is performed: through the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.artifacts import Artifact
from emgen.engine.cache import Draft, Store
from emgen.engine.crew import Crew
from emgen.engine.failures import translate
from emgen.engine.losses import LossLog
from emgen.engine.progress import Progress
from emgen.engine.recipe import Maker, Recipe, by_contents, plugin_maker
from emgen.engine.record import RunRecord
from emgen.engine.seeds import step_seed
from emgen.engine.stop import Stop
from emgen.errors import Interrupted
from emgen.registration import AUGMENTATIONS, Kind, StageConfig, StagePlugin
from emgen.spec.check import uses_simulated_weights
from emgen.stages import Context, Polarity, Precision

if TYPE_CHECKING:
    from emgen.host import Host, Registered
    from emgen.spec import Spec

Facts = Mapping[str, Any]
Produce = Callable[[Draft, Context], Facts]


@dataclass(frozen=True)
class Chosen:
    """A plugin with its settings: what stands in a slot, or what made an artifact."""

    registered: Registered
    config: StageConfig
    key_settings: Mapping[str, Any]

    @property
    def plugin(self) -> StagePlugin:
        assert isinstance(self.registered.plugin, StagePlugin)
        return self.registered.plugin

    @property
    def maker(self) -> Maker:
        return plugin_maker(self.plugin.name, self.registered)

    @property
    def simulated(self) -> bool:
        """True when it brings weights that were trained on simulated images."""
        return uses_simulated_weights(self.plugin, self.config)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to be made.

    Attributes
    ----------
    label: its name in this run; each label once.
    kind: of artifact: micrographs, labels, crops, images, model, scores.
    inputs: the artifacts it is made from; their facts are inherited.
    produce: fills the draft and returns the artifact's own facts.
    who: the plugin it is done with, ``None`` for emgen's own steps.
    """

    label: str
    kind: str
    slot: str
    maker: Maker
    produce: Produce
    config: Mapping[str, Any] = field(default_factory=dict)
    full_config: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    input_keys: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Artifact] = ()
    seed_name: str | None = None
    who: Registered | None = None
    simulated: bool = False


@dataclass(kw_only=True)
class Bench:
    """A run's tools. ``resume`` is the command that takes the run up again, ``suffix`` ends the label of every step."""

    spec: Spec
    host: Host
    store: Store
    record: RunRecord
    progress: Progress
    stop: Stop
    device: str
    precision: Precision
    polarity: Polarity
    resume: str
    taught: Artifact | None = None
    """What the rough segmenter has learnt from this stack, once it has; ``None`` for one that learns nothing."""
    suffix: str = ""
    crew: Crew = field(default_factory=Crew)
    """The processes that share the trainings."""

    @property
    def folder(self) -> Path:
        return self.record.folder

    @property
    def augmentations(self) -> tuple[str, ...]:
        """Those that the modality allows."""
        modality: Any = self.host.find("modality", self.spec.modality).plugin
        return tuple(modality.augmentations)

    def chosen(self, slot: Kind) -> Chosen:
        """What the spec puts into a slot."""
        return self.of_slot_value(slot, self.spec.stages()[slot])

    def of_slot_value(self, kind: Kind, value: Any) -> Chosen:
        from emgen.spec.slots import plugin_config, settings_for_key

        config = plugin_config(value)
        return Chosen(self.host.find(kind, value.uses), config, by_contents(config, settings_for_key(value)))

    def maker_of(self, artifact: Artifact, kind: Kind) -> Chosen:
        """The plugin, with its settings, that made an artifact of this or another run."""
        recipe = artifact.manifest["recipe"]
        registered = self.host.find(kind, recipe["maker"]["plugin"])
        assert isinstance(registered.plugin, StagePlugin)
        return Chosen(registered, registered.plugin.config(**artifact.manifest["config"]), recipe["config"])

    def stage(self, chosen: Chosen, context: Context) -> Any:
        return chosen.registered.create(chosen.config, context)

    def rough_segmenter(self, context: Context) -> Any:
        """The one of the spec, with what it has learnt."""
        stage = self.stage(self.chosen("rough_segmenter"), context)
        if self.taught:
            stage.load(self.taught.path("model"))
        return stage

    def trained(self, artifact: Artifact, kind: Kind, context: Context) -> Any:
        """The stage that an artifact holds, loaded."""
        stage = self.stage(self.maker_of(artifact, kind), context)
        stage.load(artifact.path("model"))
        return stage

    def with_plugin(self, chosen: Chosen) -> dict[str, Any]:
        """The fields of a ``Step`` that is done with a plugin."""
        return {
            "maker": chosen.maker,
            "config": chosen.key_settings,
            "full_config": chosen.config.model_dump(mode="json"),
            "settings": {"precision": self.precision, "polarity": self.polarity, **self._ruled_out()},
            "who": chosen.registered,
            "simulated": chosen.simulated,
        }

    def _ruled_out(self) -> dict[str, Any]:
        """Changes that the modality rules out, for the key; most rule out none."""
        out = sorted(set(AUGMENTATIONS) - set(self.augmentations))
        return {"ruled_out": out} if out else {}

    def perform(self, step: Step) -> Artifact:
        """The step's artifact, from the store if it stands there, else made. Raises what ``translate`` makes."""
        step = replace(step, label=step.label + self.suffix)
        recipe = Recipe(
            slot=step.slot,
            maker=step.maker,
            config=step.config,
            settings=step.settings,
            inputs=step.input_keys,
            seed=None if step.seed_name is None else step_seed(self.spec.seed, step.seed_name),
        )
        began = time.monotonic()
        if self.stop():
            raise Interrupted(f"stopped before {step.label}. Resume with:\n  {self.resume}")
        found = self.store.find(recipe)
        artifact = found or self._make(step, recipe)
        self._finished(step.label, artifact, cached=found is not None, wall_s=time.monotonic() - began)
        return artifact

    def _make(self, step: Step, recipe: Recipe) -> Artifact:
        self.progress.begin(step.label)
        self.host.notify("emgen_stage_started", run=self.folder, stage=step.label)
        try:
            return self._produced(step, recipe)
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            partial = self.store.partial_path(recipe)
            wanted = translate(error, label=step.label, who=step.who, partial=partial, resume=self.resume)
            self.progress.fail(step.label)
            self.host.notify("emgen_stage_failed", run=self.folder, stage=step.label, error=wanted)
            if wanted is error:
                raise
            raise wanted from error

    def _produced(self, step: Step, recipe: Recipe) -> Artifact:
        waiting = lambda: self.progress.note(f"{step.label}: another process is making it; waiting")
        with self.store.draft(recipe, should_stop=self.stop, waiting=waiting) as draft:
            if draft is None:
                found = self.store.find(recipe)
                assert found is not None
                return found
            with LossLog(draft.folder) as losses:
                facts = step.produce(draft, self._context(step.label, draft, losses))
            return self.store.commit(
                draft,
                kind=step.kind,
                config=step.full_config,
                facts={**_inherited(step.inputs), **facts},
                simulated=step.simulated or any(artifact.simulated for artifact in step.inputs),
                device=self.device,
            )

    def _context(self, label: str, draft: Draft, losses: LossLog) -> Context:
        def log(step: int, values: Mapping[str, float]) -> None:
            plain = {name: float(value) for name, value in values.items()}
            if plain:
                losses.add(step, plain)
            self.progress.log(label, step, plain)
            self.host.notify("emgen_stage_logged", run=self.folder, stage=label, step=step, values=plain)

        return Context(
            seed=draft.recipe.seed or 0,
            device=self.device,
            precision=self.precision,
            polarity=self.polarity,
            augmentations=self.augmentations,
            scratch=draft.scratch,
            plan=lambda total: self.progress.plan(label, total),
            log=log,
            should_stop=self.stop,
        )

    def _finished(self, label: str, artifact: Artifact, *, cached: bool, wall_s: float) -> None:
        self.progress.end(label, cached=cached, seconds=wall_s)
        self.record.add(label, artifact, cached=cached, wall_s=wall_s)
        self.host.notify("emgen_stage_finished", run=self.folder, stage=label, artifact=artifact.folder, cached=cached)


def _inherited(inputs: Sequence[Artifact]) -> dict[str, Any]:
    """What later steps must know of earlier ones, such as the working diameter; a later input wins."""
    return {name: value for artifact in inputs for name, value in artifact.facts.items()}
