# What the package offers, for type checkers and for lazy_loader, which imports a name when it is
# first used: `lossmeta --help` needs no torch.

from .analysis import (
    loss_figure as loss_figure,
    save_figure as save_figure,
)
from .artifacts import (
    Artifact as Artifact,
    ArtifactError as ArtifactError,
    LearnedLoss as LearnedLoss,
    get_loss as get_loss,
    hf_loss as hf_loss,
    load_loss as load_loss,
)
from .callbacks import (
    AttackedAccuracy as AttackedAccuracy,
    CalibrationFitness as CalibrationFitness,
    CandidateCurves as CandidateCurves,
    FGSMFitness as FGSMFitness,
    Fitness as Fitness,
    GradientEquivalence as GradientEquivalence,
    InjectLoss as InjectLoss,
    InvariantCheck as InvariantCheck,
    LearningRateFactor as LearningRateFactor,
    LossLandscape as LossLandscape,
    LossNormalisation as LossNormalisation,
    MetaCallback as MetaCallback,
    NoisyAccuracy as NoisyAccuracy,
    PGDFitness as PGDFitness,
    RejectionFilter as RejectionFilter,
    SampleAttraction as SampleAttraction,
    SearchCheckpoint as SearchCheckpoint,
    SearchFront as SearchFront,
    SearchHistory as SearchHistory,
    SearchLogger as SearchLogger,
    SearchProgress as SearchProgress,
    SuspiciousLabels as SuspiciousLabels,
    SymbolicArchive as SymbolicArchive,
    TimeBudget as TimeBudget,
    TrainingProgress as TrainingProgress,
)
from .candidate import (
    Candidate as Candidate,
)
from .comparison import (
    ComparisonConfig as ComparisonConfig,
    Report as Report,
    RunStore as RunStore,
    compare_losses as compare_losses,
)
from .data import (
    Augmentation as Augmentation,
    CIFAR100DataModule as CIFAR100DataModule,
    CIFAR10DataModule as CIFAR10DataModule,
    CaliforniaHousingDataModule as CaliforniaHousingDataModule,
    Clothing1MDataModule as Clothing1MDataModule,
    DiabetesDataModule as DiabetesDataModule,
    DigitsDataModule as DigitsDataModule,
    ClassPools as ClassPools,
    EpisodeData as EpisodeData,
    EpisodeDataModule as EpisodeDataModule,
    FashionMNISTDataModule as FashionMNISTDataModule,
    ImageDataModule as ImageDataModule,
    ImageFolderDataModule as ImageFolderDataModule,
    InstanceNoise as InstanceNoise,
    JPEGArchiveDataModule as JPEGArchiveDataModule,
    KMNISTDataModule as KMNISTDataModule,
    LabelFileNoise as LabelFileNoise,
    LabelNoise as LabelNoise,
    MNISTDataModule as MNISTDataModule,
    PairFlipNoise as PairFlipNoise,
    ResampledSplits as ResampledSplits,
    SVHNDataModule as SVHNDataModule,
    SymmetricNoise as SymmetricNoise,
    TableClassificationDataModule as TableClassificationDataModule,
    TableDataModule as TableDataModule,
    TensorDataModule as TensorDataModule,
    TransitionNoise as TransitionNoise,
    empirical_transition as empirical_transition,
    estimate_transition as estimate_transition,
)
from .evaluation import (
    Evaluation as Evaluation,
    Status as Status,
)
from .evaluators import (
    AutoEvaluator as AutoEvaluator,
    Evaluator as Evaluator,
    PopulationEvaluator as PopulationEvaluator,
    ProcessEvaluator as ProcessEvaluator,
    RayEvaluator as RayEvaluator,
    SubmititEvaluator as SubmititEvaluator,
    TrainerEvaluator as TrainerEvaluator,
)
from .families import (
    ExpressionFamily as ExpressionFamily,
    ExpressionLoss as ExpressionLoss,
    HandMadeFamily as HandMadeFamily,
    LossFamily as LossFamily,
    MetaLossNetworkFamily as MetaLossNetworkFamily,
    NetworkFamily as NetworkFamily,
    NetworkLoss as NetworkLoss,
    PowerFamily as PowerFamily,
    PowerLoss as PowerLoss,
    Space as Space,
    TaylorFamily as TaylorFamily,
    TaylorLoss as TaylorLoss,
    VectorSpace as VectorSpace,
)
from .local_search import (
    GradientRefiner as GradientRefiner,
    Refiner as Refiner,
)
from .losses import (
    BinaryCrossEntropy as BinaryCrossEntropy,
    CrossEntropy as CrossEntropy,
    Identity as Identity,
    LossFunction as LossFunction,
    MeanSquaredError as MeanSquaredError,
    ProgressDependentLoss as ProgressDependentLoss,
    Sigmoid as Sigmoid,
    Softmax as Softmax,
    set_progress as set_progress,
)
from .models import (
    AlexNet as AlexNet,
    AllCNNC as AllCNNC,
    CNN4 as CNN4,
    JoCoRNet as JoCoRNet,
    LeNet5 as LeNet5,
    LogisticRegression as LogisticRegression,
    MLP as MLP,
    PreActResNet as PreActResNet,
    PyramidNet as PyramidNet,
    ResNet18 as ResNet18,
    SqueezeNet as SqueezeNet,
    VGG as VGG,
    WideResNet as WideResNet,
    penultimate as penultimate,
)
from .modules import (
    ActiveNegative as ActiveNegative,
    AdversarialTraining as AdversarialTraining,
    CoTeaching as CoTeaching,
    EarlyLearning as EarlyLearning,
    ForwardCorrected as ForwardCorrected,
    JoCoR as JoCoR,
    PopulationModule as PopulationModule,
    SupervisedModule as SupervisedModule,
    TrainingMethod as TrainingMethod,
)
from .search import (
    Allocation as Allocation,
    Finalists as Finalists,
    FixedSeeds as FixedSeeds,
    MetaLossTrainer as MetaLossTrainer,
    RacedSeeds as RacedSeeds,
    SearchError as SearchError,
    SearchResult as SearchResult,
)
from .searchers import (
    CMAESSearcher as CMAESSearcher,
    EvolutionStrategySearcher as EvolutionStrategySearcher,
    GeneticProgrammingSearcher as GeneticProgrammingSearcher,
    GradientSearcher as GradientSearcher,
    NSGA2Searcher as NSGA2Searcher,
    ProposedExpressionSearcher as ProposedExpressionSearcher,
    Proposer as Proposer,
    RestartedSearcher as RestartedSearcher,
    Searcher as Searcher,
)
from .task import (
    Horizons as Horizons,
    Objective as Objective,
    Session as Session,
    Task as Task,
)
from .training import (
    MachineError as MachineError,
)
