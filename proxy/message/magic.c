/* magic.c - libmagic, kept to the octets that it is given, and what is a lie about a type.
 *
 * Its looks into compressed data, which may start programs, are off, as are those that decide by
 * text alone (encodings, JSON, CSV, tokens): they cost most and say least. */
#include "message/magic.h"

#include <magic.h>
#include <string.h>

struct mw_magic {
    magic_t cookie;
};

static void limit(magic_t cookie, int parameter, size_t value)
{
    (void)magic_setparam(cookie, parameter, &value); /* older versions do not know all of them */
}

struct mw_magic *mw_magic_new(const char **out_text)
{
    magic_t cookie = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_APPTYPE |
                                MAGIC_NO_CHECK_TOKENS | MAGIC_NO_CHECK_JSON | MAGIC_NO_CHECK_CSV);
    if (cookie == NULL) {
        *out_text = "libmagic cannot be used";
        return NULL;
    }
    if (magic_load(cookie, NULL) != 0) {
        magic_close(cookie);
        *out_text = "libmagic has no database that can be read (package libmagic-mgc)";
        return NULL;
    }
    limit(cookie, MAGIC_PARAM_INDIR_MAX, 10);
    limit(cookie, MAGIC_PARAM_NAME_MAX, 50);
    limit(cookie, MAGIC_PARAM_ELF_PHNUM_MAX, 64);
    limit(cookie, MAGIC_PARAM_ELF_SHNUM_MAX, 64);
    limit(cookie, MAGIC_PARAM_ELF_NOTES_MAX, 16);
    limit(cookie, MAGIC_PARAM_REGEX_MAX, 1024);
    limit(cookie, MAGIC_PARAM_BYTES_MAX, MW_MAGIC_HEAD);
    struct mw_magic *magic = mw_xcalloc(1, sizeof *magic);
    magic->cookie = cookie;
    return magic;
}

void mw_magic_free(struct mw_magic **magic)
{
    if (*magic == NULL)
        return;
    magic_close((*magic)->cookie);
    free(*magic);
    *magic = NULL;
}

struct mw_slice mw_magic_type(struct mw_magic *magic, struct mw_slice head)
{
    if (head.len == 0)
        return MW_EMPTY;
    head = mw_slice_take(head, MW_MAGIC_HEAD);
    struct mw_slice type = mw_slice_cstr(magic_buffer(magic->cookie, head.ptr, head.len));
    /* "application/octet-stream" is its way to say that it does not know. */
    bool is_known = mw_slice_find(type, '/') > 0 &&
                    !mw_slice_eq(type, MW_LIT("application/octet-stream"));
    return is_known ? type : MW_EMPTY;
}

/* ---- do they agree? ---- */

/* What octets are, as far as it matters here. Types and extensions of one class agree. */
enum class {
    CLASS_NONE = 0,
    CLASS_PROGRAM,
    CLASS_SCRIPT,
    CLASS_ARCHIVE,
    CLASS_OFFICE,
    CLASS_PDF,
    CLASS_HTML,
    CLASS_INNOCENT
};

struct rule {
    const char *text;
    enum class class;
};

/* Beginnings of types; the first that fits. */
static const struct rule types[] = {
    {"application/x-dosexec", CLASS_PROGRAM},
    {"application/vnd.microsoft.portable-executable", CLASS_PROGRAM},
    {"application/x-msdownload", CLASS_PROGRAM},
    {"application/x-msdos-program", CLASS_PROGRAM},
    {"application/x-executable", CLASS_PROGRAM},
    {"application/x-pie-executable", CLASS_PROGRAM},
    {"application/x-sharedlib", CLASS_PROGRAM},
    {"application/x-mach-binary", CLASS_PROGRAM},
    {"application/x-ms-shortcut", CLASS_PROGRAM},
    {"application/x-msi", CLASS_PROGRAM},
    {"application/x-java-applet", CLASS_PROGRAM},
    {"text/x-shellscript", CLASS_SCRIPT},
    {"text/x-msdos-batch", CLASS_SCRIPT},
    {"text/x-perl", CLASS_SCRIPT},
    {"text/x-php", CLASS_SCRIPT},
    {"text/x-python", CLASS_SCRIPT},
    {"text/x-script", CLASS_SCRIPT},
    {"application/javascript", CLASS_SCRIPT},
    {"application/zip", CLASS_ARCHIVE},
    {"application/x-zip", CLASS_ARCHIVE},
    {"application/gzip", CLASS_ARCHIVE},
    {"application/x-gzip", CLASS_ARCHIVE},
    {"application/x-7z-compressed", CLASS_ARCHIVE},
    {"application/x-rar", CLASS_ARCHIVE},
    {"application/vnd.rar", CLASS_ARCHIVE},
    {"application/x-tar", CLASS_ARCHIVE},
    {"application/x-gtar", CLASS_ARCHIVE},
    {"application/x-bzip2", CLASS_ARCHIVE},
    {"application/x-xz", CLASS_ARCHIVE},
    {"application/zstd", CLASS_ARCHIVE},
    {"application/x-lzma", CLASS_ARCHIVE},
    {"application/x-lz4", CLASS_ARCHIVE},
    {"application/x-ace", CLASS_ARCHIVE},
    {"application/x-arj", CLASS_ARCHIVE},
    {"application/vnd.ms-cab-compressed", CLASS_ARCHIVE},
    {"application/x-iso9660-image", CLASS_ARCHIVE},
    {"application/java-archive", CLASS_ARCHIVE},
    {"application/vnd.openxmlformats-officedocument", CLASS_OFFICE},
    {"application/vnd.oasis.opendocument", CLASS_OFFICE},
    {"application/msword", CLASS_OFFICE},
    {"application/vnd.ms-excel", CLASS_OFFICE},
    {"application/vnd.ms-powerpoint", CLASS_OFFICE},
    {"application/vnd.ms-office", CLASS_OFFICE},
    {"application/x-ole-storage", CLASS_OFFICE},
    {"application/cdfv2", CLASS_OFFICE},
    {"text/rtf", CLASS_OFFICE},
    {"application/rtf", CLASS_OFFICE},
    {"application/pdf", CLASS_PDF},
    {"text/html", CLASS_HTML},
    {"application/xhtml+xml", CLASS_HTML},
    {"image/svg+xml", CLASS_NONE}, /* text with scripts in it, in truth */
    {"text/plain", CLASS_INNOCENT},
    {"text/csv", CLASS_INNOCENT},
    {"text/calendar", CLASS_INNOCENT},
    {"text/vcard", CLASS_INNOCENT},
    {"text/x-vcard", CLASS_INNOCENT},
    {"image/", CLASS_INNOCENT},
    {"audio/", CLASS_INNOCENT},
    {"video/", CLASS_INNOCENT},
    {"font/", CLASS_INNOCENT},
};

/* Extensions that nobody fears. */
static const struct rule extensions[] = {
    {".txt", CLASS_INNOCENT},  {".log", CLASS_INNOCENT},  {".csv", CLASS_INNOCENT},
    {".ics", CLASS_INNOCENT},  {".vcf", CLASS_INNOCENT},  {".jpg", CLASS_INNOCENT},
    {".jpeg", CLASS_INNOCENT}, {".png", CLASS_INNOCENT},  {".gif", CLASS_INNOCENT},
    {".bmp", CLASS_INNOCENT},  {".tif", CLASS_INNOCENT},  {".tiff", CLASS_INNOCENT},
    {".webp", CLASS_INNOCENT}, {".heic", CLASS_INNOCENT}, {".mp3", CLASS_INNOCENT},
    {".wav", CLASS_INNOCENT},  {".ogg", CLASS_INNOCENT},  {".mp4", CLASS_INNOCENT},
    {".mov", CLASS_INNOCENT},  {".avi", CLASS_INNOCENT},  {".pdf", CLASS_PDF},
    {".doc", CLASS_OFFICE},    {".docx", CLASS_OFFICE},   {".docm", CLASS_OFFICE},
    {".xls", CLASS_OFFICE},    {".xlsx", CLASS_OFFICE},   {".xlsm", CLASS_OFFICE},
    {".ppt", CLASS_OFFICE},    {".pptx", CLASS_OFFICE},   {".rtf", CLASS_OFFICE},
    {".odt", CLASS_OFFICE},    {".ods", CLASS_OFFICE},    {".odp", CLASS_OFFICE},
};

static enum class class_of_type(struct mw_slice type) {
    for (size_t i = 0; i < sizeof types / sizeof *types;
         i++) if (mw_slice_istarts(type, mw_slice_cstr(types[i].text))) return types[i]
        .class;
    return CLASS_NONE;
}

static enum class class_of_name(struct mw_slice name) {
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions;
         i++) if (mw_slice_iends(name, mw_slice_cstr(extensions[i].text))) return extensions[i]
        .class;
    return CLASS_NONE;
}

/* Is `is` something else than `claim` and worse than it? A claim that says nothing is no lie. Text
 * of all kinds is sent as text/plain, so scripts and HTML lie only as pictures, documents and the
 * like; an office document is a zip, or in parts one for libmagic. */
static bool is_lie(enum class is, enum class claim, bool is_text)
{
    if (claim == CLASS_NONE || is == claim || is == CLASS_NONE || is == CLASS_INNOCENT)
        return false;
    if (is == CLASS_SCRIPT || is == CLASS_HTML)
        return !is_text &&
               (claim == CLASS_INNOCENT || claim == CLASS_PDF || claim == CLASS_OFFICE) &&
               !(is == CLASS_HTML && claim == CLASS_OFFICE); /* as "Save as web page" does */
    if (claim == CLASS_OFFICE && (is == CLASS_ARCHIVE || is == CLASS_PDF))
        return false;
    if (claim == CLASS_ARCHIVE)
        return is == CLASS_PROGRAM;
    return claim == CLASS_INNOCENT || claim == CLASS_PDF || is == CLASS_PROGRAM;
}

bool mw_magic_agrees(struct mw_slice magic_type, struct mw_slice declared, struct mw_slice name)
{
    enum class is = class_of_type(magic_type);
    enum class by_type = class_of_type(declared), by_name = class_of_name(name);
    bool is_text = mw_slice_istarts(declared, MW_LIT("text/")) ||
                   mw_slice_iends(name, MW_LIT(".txt")) || mw_slice_iends(name, MW_LIT(".log")) ||
                   mw_slice_iends(name, MW_LIT(".csv"));
    return !is_lie(is, by_type, is_text) && !is_lie(is, by_name, is_text);
}
