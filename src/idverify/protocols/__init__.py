"""Trials files, and loaders that make them from the folder layouts of published data sets.

No data is shipped and nothing is fetched: a loader is given the folder where a set lies and returns its trials with
the published split.

Public items: :class:`Trial`, :class:`Presentation`, :class:`Split`, :func:`read_trials`, :func:`write_trials`,
``PROTOCOLS``.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from idverify.protocols.comparison_sets import agedb, cfp, lfw
from idverify.protocols.liveness_sets import (
    casia_fasd,
    celeba_spoof,
    msu_mfsd,
    oulu_npu,
    replay_attack,
    replay_mobile,
    siw,
)
from idverify.protocols.trials import Presentation, Split, Trial, read_trials, write_trials

__all__ = ["PROTOCOLS", "Presentation", "Split", "Trial", "read_trials", "write_trials"]

# Name on the command line -> loader(root, **options) -> trials.
PROTOCOLS: Mapping[str, Callable[..., tuple[Trial, ...]]] = MappingProxyType(
    {
        "agedb": agedb,
        "casia-fasd": casia_fasd,
        "celeba-spoof": celeba_spoof,
        "cfp": cfp,
        "lfw": lfw,
        "msu-mfsd": msu_mfsd,
        "oulu-npu": oulu_npu,
        "replay-attack": replay_attack,
        "replay-mobile": replay_mobile,
        "siw": siw,
    }
)
