"""How embeddings of remote columns come to the device that solves a row: one exchange a file.

`make_exchange(name)` is the registry. An exchange answers two questions: on the host, where an entry's embedding will
stand in what a device gathers from; on the device, how to get that.
"""

from alx_solver.exchange.interface import Exchange as Exchange
from alx_solver.exchange.table import TableExchange as TableExchange

EXCHANGES: dict[str, type[TableExchange]] = {TableExchange.name: TableExchange}


def make_exchange(name: str) -> Exchange:
    """The exchange of that name.

    Raises:
        ValueError: an unknown name; the message lists the valid ones.
    """
    if name not in EXCHANGES:
        raise ValueError(f"unknown exchange {name!r}; valid: {', '.join(EXCHANGES)}")
    return EXCHANGES[name]()
