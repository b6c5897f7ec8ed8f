"""docs/content.md cannot go stale: its table of defects is proxy/message/defects.def, its limits are those of the headers."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402


def read(*path):
    with open(os.path.join(harness.SOURCE_ROOT, *path), encoding="utf-8") as file:
        return file.read()


class ContentDocs(unittest.TestCase):
    maxDiff = None

    def test_defects(self):
        rows = re.findall(r'^DEFECT\(\w+, +"([^"]+)", +(\w+), +"((?:[^"\\]|\\.)*)"\)$', read("proxy", "message", "defects.def"), re.M)
        self.assertGreater(len(rows), 20)
        table = read("docs", "content.md").partition("<!-- defects.def")[2].partition("<!-- end -->")[0]
        found = re.findall(r"^\| `([^`]+)` \| (\w+) \| (.*) \|$", table, re.M)
        self.assertEqual(found, [(name, severity.lower(), meaning.replace('\\"', '"')) for name, severity, meaning in rows])

    def test_limits(self):
        headers = "".join(read("proxy", "message", name) for name in ("mime.h", "content.h", "archive.h", "magic.h", "address.h"))
        table = read("docs", "content.md").partition("## Limits\n")[2].partition("\n## ")[0]
        for constant, value, words in (
                ("MW_MIME_DEPTH_MAX", "32", "| containers around a part | 32 |"),
                ("MW_MIME_PARTS_MAX", "1000", "| parts, alternatives included | 1,000 |"),
                ("MW_MIME_HEADER_MAX", "256 * 1024", "| 256 KiB; 1 MiB |"), ("MW_MIME_HEADERS_MAX", "1024 * 1024", "| 256 KiB; 1 MiB |"),
                ("MW_MIME_FIELDS_MAX", "1000", "| fields of a block | 1,000 |"), ("MW_MIME_PARAMS_MAX", "100", "| 100 |"),
                ("MW_MIME_BOUNDARY_MAX", "255", "| 255 octets |"), ("MW_MIME_NAMES_MAX", "16", "| 16; 1,024 |"),
                ("MW_MIME_NAME_MAX", "1024", "| 16; 1,024 |"), ("MW_CONTENT_TEXT_MAX", "1024 * 1024", "| 1 MiB; 4 MiB"),
                ("MW_CONTENT_TEXTS_MAX", "4 * 1024 * 1024", "| 1 MiB; 4 MiB"), ("MW_CONTENT_URLS_MAX", "1000", "| links | 1,000 |"),
                ("MW_CONTENT_ARCHIVE_MAX", "8 * 1024 * 1024", "| 8 MiB; 16 MiB |"),
                ("MW_CONTENT_ARCHIVES_MAX", "16 * 1024 * 1024", "| 8 MiB; 16 MiB |"),
                ("MW_CONTENT_MAGIC_MAX", "64", "| 64, 4 KiB of each |"), ("MW_MAGIC_HEAD", "4096", "| 64, 4 KiB of each |"),
                ("MW_ADDRESSES_MAX", "1000", "| addresses of a header field | 1,000 |")):
            self.assertRegex(headers, r"\b%s = %s\b" % (constant, re.escape(value)))
            self.assertIn(words, table, constant)
        self.assertIn("/* 1,000; 32 MiB; 100; 50 ms */", headers)


if __name__ == "__main__":
    harness.main()
