"""How embeddings of remote columns come to the device that solves a row: one exchange a file.

`make_exchange(name)` is the registry. An exchange plans on the host, once, and its plan has a device part; see
`interface.py`.
"""

from alx_solver.exchange.auto import AutoExchange as AutoExchange
from alx_solver.exchange.interface import DeviceExchange as DeviceExchange
from alx_solver.exchange.interface import Exchange as Exchange
from alx_solver.exchange.interface import ExchangePlan as ExchangePlan
from alx_solver.exchange.interface import ExchangeRequest as ExchangeRequest
from alx_solver.exchange.original import OriginalExchange as OriginalExchange
from alx_solver.exchange.partial import PartialExchange as PartialExchange
from alx_solver.exchange.routed import RoutedExchange as RoutedExchange
from alx_solver.exchange.table import TableExchange as TableExchange

EXCHANGES: dict[str, Exchange] = {
    exchange.name: exchange
    for exchange in (AutoExchange(), TableExchange(), RoutedExchange(), PartialExchange(), OriginalExchange())
}


def make_exchange(name: str) -> Exchange:
    """The exchange of that name.

    Raises:
        ValueError: an unknown name; the message lists the valid ones.
    """
    if name not in EXCHANGES:
        raise ValueError(f"unknown exchange {name!r}; valid: {', '.join(EXCHANGES)}")
    return EXCHANGES[name]
