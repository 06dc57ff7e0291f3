"""GLASS and USCRN: directory listings as different servers write them."""

import datetime as dt

import pytest

from sm_core.errors import NotYetDownloadableError, SchemaDriftError, SourceUnavailableError
from tasks.adapters.fetch.glass import Glass
from tasks.adapters.fetch.listing import Entry, directory
from tasks.adapters.fetch.protocol import Query
from tasks.adapters.fetch.uscrn import Uscrn

APACHE_PLAIN = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><head><title>Index of /archive</title></head><body><h1>Index of /archive</h1>
<pre><img src="/icons/blank.gif" alt="Icon "> <a href="?C=N;O=D">Name</a>  <a href="?C=M;O=A">Last modified</a><hr>
<img src="/icons/back.gif" alt="[DIR]"> <a href="/">Parent Directory</a>                             -
<img src="/icons/folder.gif" alt="[DIR]"> <a href="2020/">2020/</a>                   2023-03-05 09:10    -
<img src="/icons/unknown.gif" alt="[   ]"> <a href="a%20b.hdf">a b.hdf</a>                 2023-03-06 10:11  1.2M
<img src="/icons/unknown.gif" alt="[   ]"> <a href="tiny.txt">tiny.txt</a>                2023-03-06 10:11  512
<hr></pre><address>Apache</address></body></html>"""
APACHE_TABLE = """<html><head><title>Index of /archive</title></head><body><table>
<tr><td><a href="/x/">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td></tr>
<tr><td valign="top"></td><td><a href="2020/">2020/</a></td><td align="right">2023-03-05 09:10  </td><td>  - </td></tr>
<tr><td valign="top"></td><td><a href="a%20b.hdf">a b.hdf</a></td><td align="right">2023-03-06 10:11  </td>
<td align="right">1.2M</td><td>&nbsp;</td></tr>
<tr><td></td><td><a href="tiny.txt">tiny.txt</a></td><td>2023-03-06 10:11  </td><td align="right">512 </td></tr>
</table></body></html>"""
NGINX = """<html><head><title>Index of /archive/</title></head><body><h1>Index of /archive/</h1><hr><pre>
<a href="../">../</a>
<a href="2020/">2020/</a>                               05-Mar-2023 09:10                   -
<a href="a%20b.hdf">a b.hdf</a>                             06-Mar-2023 10:11             1258291
<a href="tiny.txt">tiny.txt</a>                            06-Mar-2023 10:11                 512
</pre><hr></body></html>"""


@pytest.mark.parametrize(("page", "size"), [(APACHE_PLAIN, None), (APACHE_TABLE, None), (NGINX, 1258291)])
def test_listing(http, loopback, reply, page, size):
    server = loopback(lambda request: reply(page.encode()))
    noon = dt.datetime(2023, 3, 6, 10, 11, tzinfo=dt.UTC)
    assert directory(http, f"{server.url}/archive/") == (
        Entry(name="2020", directory=True, modified=dt.datetime(2023, 3, 5, 9, 10, tzinfo=dt.UTC)),
        Entry(name="a b.hdf", directory=False, modified=noon, size=size),
        Entry(name="tiny.txt", directory=False, modified=noon, size=512),
    )


@pytest.mark.parametrize("href", [
    "../../etc/passwd", "..%2Fpasswd", "%2e%2e/", "//evil.example.org/a", "http://evil.example.org/a", "a%00b", "a\\b",
    "a%0Ab", "", "javascript:x",
])
def test_links_that_lead_elsewhere_are_not_followed(http, loopback, reply, href):
    page = f'<title>Index of /</title><a href="{href}">a</a> 2023-03-06 10:11 1</html>'
    server = loopback(lambda request: reply(page.encode()))
    assert directory(http, server.url) == ()


def test_other_page_is_no_empty_folder(http, loopback, reply):
    server = loopback(lambda request: reply(b"<title>We are sorry</title><a href='2020/'>2020</a>"))
    with pytest.raises(SourceUnavailableError, match="not a directory listing"):
        directory(http, server.url)


def test_folder_that_is_not_there(http, loopback, reply):
    assert directory(http, loopback(lambda request: reply(status=404)).url) is None


class Tree:
    """Serves nested dictionaries as listings and bytes as files."""

    def __init__(self, reply, tree, dated="2024-05-01 10:00"):
        self.reply, self.tree, self.dated = reply, tree, dated

    def __call__(self, request):
        node = self.tree
        for part in request.path.strip("/").split("/"):
            node = node.get(part) if isinstance(node, dict) else None
        if node is None:
            return self.reply(status=404)
        if isinstance(node, bytes):
            return self.reply(node)
        lines = [f'<a href="{name}{"/" if isinstance(inside, dict) else ""}">{name}</a> {self.dated}  9.9M\n'
                 for name, inside in node.items()]
        return self.reply(f"<title>Index of {request.path}</title><pre>{''.join(lines)}</pre></html>".encode())


def ndvi(year, day, made="2023064"):
    return f"GLASS13B01.V10.A{year}{day:03d}.{made}.hdf"


def lst(year, day, tile):
    return f"GLASS06A01.V01.A{year}{day:03d}.{tile}.2022021.hdf"


def asked(server):
    return [request.path for request in server.requests]


def test_glass_by_year_under_the_first_folder_that_is_there(http, loopback, reply):
    years = {str(year): {ndvi(year, day): b"x", ndvi(year, day) + ".xml": b"x"} for year in (2019, 2020, 2021)
             for day in (1, 361)}
    server = loopback(Tree(reply, {"archive": {"NDVI": {"MODIS": {"0.05": years}}}}))
    query = Query(source_id="GLASS13B01.V10", first=dt.date(2020, 12, 30), last=dt.date(2021, 1, 3))
    found = list(Glass(http, f"{server.url}/archive/").listed(query))
    assert [listed.name for listed in found] == [ndvi(2020, 361)]         # 26 December to 2 January
    assert found[0].published == dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)
    assert found[0].url == f"{server.url}/archive/NDVI/MODIS/0.05/2020/{ndvi(2020, 361)}"
    folder = "/archive/NDVI/MODIS/0.05"
    assert asked(server) == [f"{folder}D/", f"{folder}/", f"{folder}/2020/", f"{folder}/2021/"]
    with Glass(http, f"{server.url}/archive").open(found[0]) as body:
        assert b"".join(body.blocks()) == b"x"


def test_glass_by_day_and_tile(http, loopback, reply):
    days = {f"{day:03d}": {lst(2020, day, tile): b"x" for tile in ("h27v05", "h28v05")} for day in range(1, 60)}
    tree = {"archive": {"LST": {"MODIS": {"Daily": {"1KM": {"2020": days, "readme": {}}}}}}}
    server = loopback(Tree(reply, tree))
    query = Query(source_id="GLASS06A01.V01", first=dt.date(2020, 2, 1), last=dt.date(2020, 2, 3), tiles=("h28v05",))
    found = list(Glass(http, f"{server.url}/archive").listed(query))
    assert [listed.name for listed in found] == [lst(2020, day, "h28v05") for day in (32, 33, 34)]
    assert not any(path.endswith(("/2020/035/", "/2020/001/")) for path in asked(server))


def test_glass_new_processing_is_another_name(http, loopback, reply):
    files = {ndvi(2020, 1): b"x", ndvi(2020, 1, "2026057"): b"x"}
    server = loopback(Tree(reply, {"NDVI": {"MODIS": {"0.05D": {"2020": files}}}}))
    query = Query(source_id="GLASS13B01.V10", first=dt.date(2020, 1, 1), last=dt.date(2020, 1, 1))
    assert len(list(Glass(http, server.url).listed(query))) == 2


def test_glass_overwritten_file_is_another_edition(http, loopback, reply):
    tree = Tree(reply, {"NDVI": {"MODIS": {"0.05D": {"2020": {ndvi(2020, 1): b"x"}}}}})
    server = loopback(tree)
    query = Query(source_id="GLASS13B01.V10", first=dt.date(2020, 1, 1), last=dt.date(2020, 1, 1))
    (before,) = Glass(http, server.url).listed(query)
    tree.dated = "2025-01-12 08:00"
    (after,) = Glass(http, server.url).listed(query)
    assert before.name == after.name
    assert after.revision > before.revision


def test_glass_without_dates_goes_by_the_name(http, loopback, reply):
    server = loopback(Tree(reply, {"NDVI": {"MODIS": {"0.05D": {"2020": {ndvi(2020, 1): b"x"}}}}}, dated=""))
    query = Query(source_id="GLASS13B01.V10", first=dt.date(2020, 1, 1), last=dt.date(2020, 1, 1))
    (listed,) = Glass(http, server.url).listed(query)
    assert listed.published == dt.datetime(2023, 3, 5, tzinfo=dt.UTC)


def test_glass_that_has_moved_is_told(http, loopback, reply):
    server = loopback(lambda request: reply(status=404))
    query = Query(source_id="GLASS08B31.V40", first=dt.date(2020, 1, 1), last=dt.date(2020, 1, 1))
    with pytest.raises(SchemaDriftError, match="gone"):
        list(Glass(http, server.url).listed(query))


def test_glass_file_that_is_listed_but_not_there(http, loopback, reply):
    tree = Tree(reply, {"NDVI": {"MODIS": {"0.05D": {"2020": {ndvi(2020, 1): b"x"}}}}})
    server = loopback(tree)
    client = Glass(http, server.url)
    (listed,) = client.listed(Query(source_id="GLASS13B01.V10", first=dt.date(2020, 1, 1), last=dt.date(2020, 1, 1)))
    tree.tree = {}
    with pytest.raises(NotYetDownloadableError), client.open(listed):
        pass


def hourly(year, station):
    return f"CRNH0203-{year}-{station}.txt"


def test_uscrn(http, loopback, reply):
    stations = ("AZ_Tucson_11_W", "AK_Barrow_4_ENE")
    years = {str(year): {hourly(year, station): b"line" for station in stations} for year in (2024, 2025, 2026)}
    server = loopback(Tree(reply, {"products": {"hourly02": years | {"snapshots": {}}}}, dated="2026-11-23 07:30"))
    query = Query(source_id="USCRN.hourly02", first=dt.date(2024, 12, 31), last=dt.date(2025, 1, 1))
    found = list(Uscrn(http, f"{server.url}/products", ("AZ_Tucson_11_W",)).listed(query))
    assert [listed.name for listed in found] == [hourly(2024, stations[0]), hourly(2025, stations[0])]
    assert found[0].revision == "20261123T073000Z-0000000000000"
    assert len(list(Uscrn(http, f"{server.url}/products/").listed(query))) == 4
    assert not any("2026" in path for path in asked(server))


def test_uscrn_year_that_has_not_begun(http, loopback, reply):
    server = loopback(Tree(reply, {"hourly02": {"2026": {}}}))
    query = Query(source_id="USCRN.hourly02", first=dt.date(2026, 12, 31), last=dt.date(2027, 1, 1))
    assert list(Uscrn(http, server.url).listed(query)) == []


def test_uscrn_without_dates_is_told(http, loopback, reply):
    server = loopback(Tree(reply, {"hourly02": {"2026": {hourly(2026, "AZ_Tucson_11_W"): b""}}}, dated=""))
    query = Query(source_id="USCRN.hourly02", first=dt.date(2026, 1, 1), last=dt.date(2026, 1, 1))
    with pytest.raises(SchemaDriftError):
        list(Uscrn(http, server.url).listed(query))
