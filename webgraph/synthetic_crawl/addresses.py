"""Canonical URLs by construction: of the pages of a host, of what was not crawled, and of other sites.

Every function here is pure: a page's address follows from its host and number alone, so that any page can link
to any other without either being held in memory.
"""

import dataclasses

from webgraph.synthetic_crawl.hosts import Host, UrlStyle

_EXTERNAL_TLDS = ("com", "de", "org", "in", "net", "co.uk")


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """A canonical URL in its parts: scheme://authority + directory + name + query."""

    scheme: str
    authority: str  # host, and the port where it is not the default one
    display_host: str  # the host as people write it
    directory: str  # starts and ends with "/", percent-encoded
    name: str  # after the last "/", may be empty
    query: str  # with its "?", or empty
    url: str  # the canonical URL
    title: str

    @property
    def path(self) -> str:
        """Directory and name, percent-encoded."""
        return self.directory + self.name

    @property
    def origin(self) -> str:
        """scheme://authority."""
        return f"{self.scheme}://{self.authority}"


def make_address(host: Host, directory: str, name: str, query: str, title: str) -> Address:
    """An address on a crawled host."""
    url = f"{host.scheme}://{host.name}{directory}{name}{query}"
    return Address(host.scheme, host.name, host.display_name, directory, name, query, url, title)


def page_address(host: Host, page: int) -> Address:
    """The address of a numbered page; numbers from `host.size` on are pages that were not crawled."""
    if page == 0:
        return make_address(host, "/", "", "", "Home")
    section = f"/section-{host.topic(page)}/"
    title = f"Page {page}"
    if host.style == UrlStyle.FILES:
        return make_address(host, section, f"page-{page}.html", "", title)
    if host.style == UrlStyle.FOLDERS:
        return make_address(host, f"{section}page/{page}/", "", "", title)
    if host.style == UrlStyle.QUERIES:
        return make_address(host, section, "view.php", f"?page={page}&lang=en", title)
    return make_address(host, section, f"k%C3%A4se%20{page}.html", "", f"Käse {page}")


def external_address(number: int) -> Address:
    """A page of a site that was not crawled: names, an IP address, a port, a host with a trailing dot."""
    tld = _EXTERNAL_TLDS[number % len(_EXTERNAL_TLDS)]
    scheme = "http" if number % 4 == 1 else "https"
    kind = number % 11
    if kind == 3:
        authority = f"192.0.2.{number % 254 + 1}"
    elif kind == 5:
        authority = f"www.external-{number}.{tld}."
    elif kind == 7:
        authority = f"www.external-{number}.{tld}:8443"
    else:
        authority = f"www.external-{number}.{tld}"
    name = "" if number % 3 else f"item-{number}.html"
    query = "?a=1&b=two" if number % 9 == 6 else ""
    url = f"{scheme}://{authority}/{name}{query}"
    return Address(scheme, authority, authority, "/", name, query, url, f"External {number}")
