"""What is said where an optional package is missing: one sentence with a remedy that works from a checkout too."""


def install_command(extra: str) -> str:
    """How to install an extra: from the folder of the source, or from a package index that has the project."""
    return f"pip install '.[{extra}]' in a checkout, or pip install 'alx-webgraph[{extra}]' from an index that has it"


def missing_extra(what: str, extra: str, error: ImportError) -> str:
    """Says that `what` needs a package that is not installed, or that cannot be imported.

    Args:
      what: the beginning of the sentence, such as "the command 'build'".
      extra: the extra that brings the package.
      error: of the import that failed.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        fault = f"the package {error.name.partition('.')[0]}, which is not installed"
    else:
        fault = f"a package that cannot be imported ({' '.join(str(error).split())})"
    return f"{what} needs {fault}; run: {install_command(extra)}"
