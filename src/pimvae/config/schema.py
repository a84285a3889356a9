"""Typed, strict configuration: one frozen model per part of a cell (no torch here: the DAG imports this)."""

__all__ = ["BimodalData", "Cell", "DataConfig", "DigitsData", "EvaluationConfig", "ImagesData", "LinearData",
           "ModelConfig", "MultimodalData", "ObjectiveConfig", "OwnData", "Replica", "TrainConfig"]  # fmt: skip

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_serializer

from pimvae.config.strict import AsList, Distinct, Strict


class LinearData(Strict):
    """x_s = W_s z + b_s + N(0, noise_variance) with dense or sparse (shared + private block) loadings."""

    kind: Literal["linear"] = "linear"
    loading: Literal["dense", "sparse"]
    modalities: PositiveInt = 5
    dim_low: PositiveInt = 30  # D_s is drawn from dim_low .. dim_high − 1
    dim_high: PositiveInt = 60
    latent: PositiveInt = 5  # size of z (dense), or of the shared and of each private block (sparse)
    samples: PositiveInt = 5000
    noise_variance: PositiveFloat = 1.0


class DigitsData(Strict):
    """The four 14×14 quadrants of real MNIST digits as four modalities."""

    kind: Literal["digits"] = "digits"
    latent: PositiveInt = 16
    samples: PositiveInt = 5000


class BimodalData(Strict):
    """Gaussian clusters in R², a mixed vector and its cluster label."""

    kind: Literal["bimodal"] = "bimodal"
    samples: PositiveInt = 4000
    test_samples: PositiveInt = 4000
    clusters: PositiveInt = 5
    latent: PositiveInt = 2
    noise: PositiveFloat = 0.1
    draws: Literal["default", "published"] = "default"


class MultimodalData(Strict):
    """Clustered sources seen through one mixing network per modality, some modalities missing."""

    kind: Literal["multimodal"] = "multimodal"
    samples: PositiveInt = 5000
    test_samples: PositiveInt = 5000
    modalities: PositiveInt = 5
    clusters: PositiveInt = 5
    latent: PositiveInt = 10
    dim: PositiveInt = 25
    layers: PositiveInt = 3
    noise: PositiveFloat = 0.5
    source: Literal["gaussian", "laplace"] = "gaussian"
    missing_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0
    split: Literal["random", "cluster_ordered"] = "random"
    draws: Literal["default", "published"] = "default"


class ImagesData(Strict):
    """Triples of a handwritten digit, a house number and the digit's English name (MNIST, SVHN, text)."""

    kind: Literal["images"] = "images"
    source: Literal["embedded", "full"] = "embedded"  # full: the real MNIST and SVHN, downloaded on first use
    data_dir: str | None = None  # local folder with the downloaded files; None: the cache of downloads
    mnist_side: Literal[14, 28] = 28
    svhn_side: Literal[16, 32] = 32  # halved sides: means of 2×2 pixels
    svhn_variation: Annotated[float, Field(ge=0, le=1)] = 1.0  # of embedded house numbers; 1: as photographs vary
    samples: PositiveInt | None = 20000  # training triples; None: matchings × base pairs
    test_samples: PositiveInt = 1000
    matchings: PositiveInt = 20  # of all base pairs


class OwnData(Strict):
    """The user's own modalities, from Python or the command line; no experiment file names them."""

    kind: Literal["own"] = "own"
    source: str  # files, or what they are called
    samples: PositiveInt
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of the samples that decides when training stops
    chooses_prior: bool = False  # whether these samples also decide between the standard prior and a mixture


DataConfig = Annotated[
    LinearData | DigitsData | BimodalData | MultimodalData | ImagesData | OwnData, Field(discriminator="kind")
]


class ModelConfig(Strict):
    """Encoders, aggregator, decoders and prior of one VAE."""

    aggregator: str
    latent: PositiveInt  # shared latent
    private_latent: Annotated[int, Field(ge=0)] = 0  # per modality
    family: Literal["gaussian", "laplace"] = "gaussian"
    networks: Literal["vector", "image_mlp", "image_conv", "mixed"] = "vector"  # of encoders and decoders
    encoder_widths: Annotated[tuple[PositiveInt, ...], AsList] = (256, 256)
    features: PositiveInt | None = None  # embedding width of learned aggregators; None: 2·latent
    pooling_width: PositiveInt = 256
    attention_blocks: PositiveInt = 1
    attention_heads: PositiveInt = 4
    components: PositiveInt = 5  # of the mixture aggregators
    expert_correlation: Annotated[float, Field(ge=0, lt=1)] = 0.5  # of the errors that CoDE supposes in its experts
    encoder_floor: PositiveFloat = 5e-4
    decoder: Literal["linear", "injective"] = "linear"
    decoder_scale: Literal["fixed", "learned"] = "fixed"  # learned: one log-scale vector, from log(noise_scale)
    noise_scale: PositiveFloat | Literal["data"] = 1.0  # "data": the data set's known noise scale
    decoder_floor: PositiveFloat = 5e-4
    # balanced: in the bound, log p(x_s|z) counts (largest number of pixels or positions) / (own number) times
    likelihood_weights: Literal["equal", "balanced"] = "equal"
    prior: Literal["standard", "mixture"] = "standard"
    prior_components: PositiveInt = 5
    auxiliary_prior: bool = False  # learned scales of the private latents that mmvae_plus does not infer


class ObjectiveConfig(Strict):
    """The variational bound that is maximised; β values share one stack."""

    name: str
    betas: Annotated[tuple[Annotated[float, Field(ge=0)], ...], AsList, Field(min_length=1), Distinct] = (1.0,)
    # Of objectives that have no law of their own; see pimvae.subsets.
    subset_law: Literal["uniform_size", "independent", "nonempty", "single", "powerset", "full", "all_subsets"] = (
        "uniform_size"
    )
    sticking_the_landing: bool = True
    importance_samples: PositiveInt = 1


class TrainConfig(Strict):
    """Adam on minibatches, in steps; the clip is for entries of the gradient of the *summed* batch loss."""

    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"  # cosine: falls to 0 at the last step
    clip: PositiveFloat | None = 100.0
    history_every: PositiveInt = 50  # steps that one row of history.csv averages
    patience: PositiveInt = 100  # steps with a non-finite loss in a row after which a replica is stopped
    noise_reuse: bool = False  # audit: one draw of noise and of subsets for all batches of an epoch
    # Horizon of averaged weights, as a share of the steps done so far; they are what is evaluated. None: no average.
    averaging: Annotated[float, Field(gt=0, lt=1)] | None = None
    start: Literal["framework", "centred", "standardised"] = "framework"  # of the weights: pimvae.training.start
    # Of the steps, after which metrics are taken.
    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], AsList] = (1.0,)
    # Of the step, by torch.compile; auto: where it pays. Never: the replayed step, which gives the same bits always.
    compile: Literal["auto", "always", "never"] = "never"
    # Of products of matrices: single precision, TF32 on CUDA, or those of encoders and decoders in bfloat16.
    precision: Literal["full", "tf32", "bf16"] = "full"

    @field_validator("shares")
    @classmethod
    def _ascending(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(set(shares)) or shares[-1:] != (1.0,):
            raise ValueError("must ascend and end with 1")
        return shares

    @model_serializer(mode="wrap")
    def _only_what_matters(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Without the two settings that change no bit as they are: records and checkpoints of before stay valid."""
        unchanged = {"compile": "never", "precision": "full"}.items()
        return {key: value for key, value in handler(self).items() if (key, value) not in unchanged}

    @property
    def marks(self) -> dict[int, float]:
        """The steps after which weights are kept, and the share of all steps that each of them is."""
        return {max(1, round(share * self.steps)): share for share in self.shares}


class EvaluationConfig(Strict):
    """Sample sizes of the evaluation."""

    samples: PositiveInt = 1000  # samples in metrics that visit every subset
    particles: PositiveInt = 512  # importance-sampling particles of the encoder as proposal
    refined_particles: PositiveInt = 1024  # of the near-exact log-likelihood
    refinement_steps: PositiveInt = 60  # natural-gradient steps of its proposals
    draws: PositiveInt = 64  # Monte-Carlo draws per component where no closed form exists
    llh_samples: PositiveInt = 1000  # samples in estimated log-likelihoods
    ceiling_particles: PositiveInt = 256  # importance-sampling particles under the true model
    by_size: bool = True  # recovery of the latents also by the number of modalities given
    published: bool = False  # audit: also the metrics of the released code, under names of their own


EVALUATORS = {"digits": "linear"}  # kinds of data that are evaluated as another kind is


class Replica(NamedTuple):
    """One member of a cell's stack."""

    seed: int
    beta: float


class Cell(Strict):
    """Everything that one training needs: all of its seeds (and β values) are trained as one stack."""

    experiment: str
    dataset: str
    data: DataConfig
    model: ModelConfig
    objective: ObjectiveConfig
    train: TrainConfig
    evaluation: EvaluationConfig
    seeds: Annotated[tuple[int, ...], AsList, Distinct]

    @property
    def members(self) -> list[Replica]:
        """The members of its stack in their order: every β of the first seed, then of the second …"""
        return [Replica(seed, beta) for seed in self.seeds for beta in self.objective.betas]

    @property
    def evaluator(self) -> str:
        """Name of the module of ``pimvae.evaluation`` that the kind of data calls for."""
        return EVALUATORS.get(self.data.kind, self.data.kind)

    @property
    def has_examples(self) -> bool:
        """Whether the evaluation also writes ``examples.npz``, the material of a figure."""
        return self.data.kind in ("digits", "bimodal", "images")

    @property
    def name(self) -> str:
        """Folder name of the cell, unique within its experiment."""
        parts = [self.dataset, self.model.aggregator, self.objective.name]
        if self.model.prior != "standard":
            parts.append(f"{self.model.prior}_prior")
        return "-".join(parts)
