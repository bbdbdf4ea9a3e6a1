"""Protocols: the folder of a published data set, or a file of trials, in; trials with their split out.

In: a folder as its publishers laid it out, or CSV. Out: :class:`Trial` rows, also written as CSV. No data is shipped
and nothing is fetched. A loader adds nothing of its own: pairs, classes and splits are those that were published.
Read :mod:`~idverify.protocols.trials` first, then ``comparison_sets`` and ``liveness_sets``.
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
