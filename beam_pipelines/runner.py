"""Which Beam runner a run uses when none is named, or the local one."""

import logging
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from beam_pipelines.inputs import InputError

LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""Runs in this process, or with `--direct_running_mode=multi_processing` in several. Beam's own `DirectRunner` tries
to download another runner (Prism) before it comes to this one."""

_LOCAL_NAMES = (None, "", "DirectRunner", "FnApiRunner", "direct")


def pipeline_options(beam_args: Sequence[str]) -> PipelineOptions:
    """Parses Beam's options; without a runner, or with `DirectRunner`, the run is local and downloads nothing.

    Raises:
      InputError: an option of a local run that Beam does not know. Other runners' job servers may know more options.
    """
    options = PipelineOptions(list(beam_args))
    standard = options.view_as(StandardOptions)
    if standard.runner in _LOCAL_NAMES:
        unknown = sorted(
            set(options.get_all_options(retain_unknown_options=True, display_warnings=False))
            - set(options.get_all_options(display_warnings=False))
        )
        if unknown:
            names = ", ".join(f"--{name}" for name in unknown)
            raise InputError(f"{names}: no such option, neither here nor in Beam; see --help.")
        standard.runner = LOCAL_RUNNER
    # Beam logs every stage of every pipeline at INFO.
    logging.getLogger("apache_beam").setLevel(max(logging.WARNING, logging.getLogger().level))
    return options


def is_local_run(beam_args: Sequence[str]) -> bool:
    """Whether these options mean Beam's runner on this machine."""
    return PipelineOptions(list(beam_args)).view_as(StandardOptions).runner in _LOCAL_NAMES
