/* record.c - see record.h. The version is looked at first; behind it, each piece between two ';' stands for itself: one that is broken
 * takes nothing else with it. That is why taglist.h, where one bad tag spoils the list, is not used here.
 *
 * Left open by RFC 9989, and decided here: names of tags count without case (its ABNF strings do, those of RFC 6376 do not); of a tag that is
 * there twice the first one counts, for the second is an error of syntax. */
#include "record.h"

enum tag_id { TAG_P = 0, TAG_SP, TAG_NP, TAG_PSD, TAG_T, TAG_ADKIM, TAG_ASPF, TAG_RUA, TAG_COUNT };
static const char *const tag_names[TAG_COUNT] = {
    [TAG_P] = "p", [TAG_SP] = "sp",       [TAG_NP] = "np",     [TAG_PSD] = "psd",
    [TAG_T] = "t", [TAG_ADKIM] = "adkim", [TAG_ASPF] = "aspf", [TAG_RUA] = "rua"};

/* What was found; .ptr NULL: nothing. */
struct tags {
    struct mw_slice values[TAG_COUNT];
    const char *problem;
};

const char *policy_name(enum policy policy)
{
    static const char *const names[] = {"none", "quarantine", "reject"};
    return names[policy];
}

static bool word_is(struct mw_slice text, const char *word)
{
    return text_ieq(text, slice_of(word));
}

static void note(const char **problem, const char *text)
{
    if (*problem == NULL)
        *problem = text;
}

/* ---- taking apart ---- */

/* WSP of RFC 5234; line ends are none here. */
static struct mw_slice trim(struct mw_slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = text_skip(text, 1);
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* The text up to the next ';', which is taken off `rest` with it. */
static struct mw_slice next_piece(struct mw_slice *rest)
{
    ptrdiff_t end = text_find(*rest, ';');
    struct mw_slice piece = end < 0 ? *rest : SLICE(rest->ptr, (size_t)end);
    *rest = end < 0 ? EMPTY : text_skip(*rest, (size_t)end + 1);
    return piece;
}

/* "name = value"; false: it is no tag. */
static bool split(struct mw_slice piece, struct mw_slice *name, struct mw_slice *value)
{
    ptrdiff_t equals = text_find(piece, '=');
    if (equals < 0)
        return false;
    *name = trim(SLICE(piece.ptr, (size_t)equals));
    *value = trim(text_skip(piece, (size_t)equals + 1));
    return true;
}

/* RFC 9989 4.8 dmarc-version, with nothing in front of it: "If the tag is not the first in the list ... the entire record MUST be ignored". */
static bool is_version(struct mw_slice piece)
{
    struct mw_slice name, value;
    if (piece.len == 0 || text_lower(piece.ptr[0]) != 'v' || !split(piece, &name, &value))
        return false;
    return name.len == 1 && text_is(value, "DMARC1");
}

/* RFC 9989 4.8 dmarc-value; a tab is taken for a blank. */
static bool is_value(struct mw_slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((value.ptr[i] < 0x20 || value.ptr[i] > 0x7e) && value.ptr[i] != '\t')
            return false;
    return value.len > 0;
}

static void take_piece(struct tags *tags, struct mw_slice piece)
{
    struct mw_slice name, value;
    if (!split(piece, &name, &value) || !is_value(value)) {
        note(&tags->problem, "something in it is no tag");
        return;
    }
    for (int i = 0; i < TAG_COUNT; i++) {
        if (!word_is(name, tag_names[i]))
            continue;
        if (tags->values[i].ptr == NULL)
            tags->values[i] = value;
        else
            note(&tags->problem, "a tag is there twice");
    }
}

/* ---- rua ---- */

static bool is_alpha(char c)
{
    return text_lower(c) >= 'a' && text_lower(c) <= 'z';
}

/* "scheme:" (RFC 3986 3.1). Length with the colon, 0: none. */
static size_t scheme_len(struct mw_slice uri)
{
    if (uri.len == 0 || !is_alpha(uri.ptr[0]))
        return 0;
    for (size_t i = 1; i < uri.len; i++) {
        if (uri.ptr[i] == ':')
            return i + 1;
        if (!is_alpha(uri.ptr[i]) && !text_is_digit(uri.ptr[i]) &&
            memchr("+-.", uri.ptr[i], 3) == NULL)
            return 0;
    }
    return 0;
}

/* Without the "!10m" that older records have (obs-dmarc-report-size). */
static struct mw_slice without_size(struct mw_slice uri)
{
    ptrdiff_t mark = text_rfind(uri, '!');
    if (mark < 0)
        return uri;
    struct mw_slice size = text_skip(uri, (size_t)mark + 1);
    if (size.len > 1 && memchr("kmgt", text_lower(size.ptr[size.len - 1]), 4) != NULL)
        size.len--;
    uint64_t number;
    return text_number(size, UINT64_MAX, &number) ? SLICE(uri.ptr, (size_t)mark) : uri;
}

static bool is_hex(char c)
{
    return text_is_digit(c) || (text_lower(c) >= 'a' && text_lower(c) <= 'f');
}

/* RFC 3986 2, and '!' only encoded (RFC 9989 4.8). */
static bool is_uri(struct mw_slice uri)
{
    static const char others[] = "-._~:/?#[]@$&'()*+;=";
    uri = without_size(uri);
    size_t scheme = scheme_len(uri);
    if (scheme == 0 || scheme == uri.len)
        return false;
    for (size_t i = scheme; i < uri.len; i++) {
        char c = uri.ptr[i];
        bool is_code = c == '%' && i + 2 < uri.len && is_hex(uri.ptr[i + 1]) &&
                       is_hex(uri.ptr[i + 2]);
        if (!is_code && !is_alpha(c) && !text_is_digit(c) &&
            memchr(others, c, sizeof others - 1) == NULL)
            return false;
    }
    return true;
}

/* "contains at least one syntactically valid reporting URI" (RFC 9989 4.10.1). */
static bool wants_reports(struct mw_slice rua)
{
    while (rua.len > 0) {
        ptrdiff_t comma = text_find(rua, ',');
        if (is_uri(trim(comma < 0 ? rua : SLICE(rua.ptr, (size_t)comma))))
            return true;
        rua = comma < 0 ? EMPTY : text_skip(rua, (size_t)comma + 1);
    }
    return false;
}

/* ---- values ---- */

static bool read_policy(struct mw_slice value, enum policy *out)
{
    for (int i = POLICY_NONE; i <= POLICY_REJECT; i++)
        if (word_is(value, policy_name((enum policy)i))) {
            *out = (enum policy)i;
            return true;
        }
    return false;
}

/* sp or np, which may be left out. */
static bool read_inherited(struct mw_slice value, enum policy otherwise, enum policy *out)
{
    *out = otherwise;
    return value.ptr == NULL || read_policy(value, out);
}

static const char *read_policies(const struct tags *tags, struct dmarc_record *out)
{
    if (tags->values[TAG_P].ptr == NULL)
        return "no p=";
    if (!read_policy(tags->values[TAG_P], &out->p))
        return "p= has a value that is none";
    if (!read_inherited(tags->values[TAG_SP], out->p, &out->sp))
        return "sp= has a value that is none";
    if (!read_inherited(tags->values[TAG_NP], out->sp, &out->np))
        return "np= has a value that is none";
    return NULL;
}

/* One of two letters; anything else is the default. */
static bool read_flag(const struct tags *tags, enum tag_id tag, const char *is_set,
                      const char *is_default, const char **problem)
{
    struct mw_slice value = tags->values[tag];
    if (value.ptr == NULL || word_is(value, is_default))
        return false;
    if (word_is(value, is_set))
        return true;
    note(problem, "a tag has a value that is none");
    return false;
}

static enum psd read_psd(const struct tags *tags, const char **problem)
{
    struct mw_slice value = tags->values[TAG_PSD];
    if (value.ptr != NULL && word_is(value, "n"))
        return PSD_NO;
    return read_flag(tags, TAG_PSD, "y", "u", problem) ? PSD_YES : PSD_UNKNOWN;
}

bool record_parse(struct mw_slice text, struct dmarc_record *out)
{
    if (!is_version(next_piece(&text)))
        return false;
    struct tags tags = {.problem = NULL};
    while (text.len > 0) {
        struct mw_slice piece = next_piece(&text);
        if (trim(piece).len > 0)
            take_piece(&tags, piece);
    }
    struct dmarc_record record = {.is_usable = true};
    record.problem = read_policies(&tags, &record);
    if (record.problem !=
        NULL) { /* "act as if a record containing p=none was retrieved", or not at all (4.10.1) */
        record.p = record.sp = record.np = POLICY_NONE;
        record.is_usable = wants_reports(tags.values[TAG_RUA]);
    }
    note(&record.problem, tags.problem);
    record.psd = read_psd(&tags, &record.problem);
    record.is_testing = read_flag(&tags, TAG_T, "y", "n", &record.problem);
    record.is_dkim_strict = read_flag(&tags, TAG_ADKIM, "s", "r", &record.problem);
    record.is_spf_strict = read_flag(&tags, TAG_ASPF, "s", "r", &record.problem);
    *out = record;
    return true;
}

enum record_found record_select(const struct mw_slice *texts, size_t count,
                                struct dmarc_record *out)
{
    size_t found = 0;
    struct dmarc_record record = {0};
    for (size_t i = 0; i < count && found < 2; i++)
        found += record_parse(texts[i], &record);
    if (found == 1)
        *out = record;
    return found == 0 ? RECORD_NONE : found == 1 ? RECORD_ONE : RECORD_SEVERAL;
}

enum policy record_policy(const struct dmarc_record *record, enum subject subject)
{
    enum policy policy = subject == SUBJECT_ITSELF  ? record->p
                         : subject == SUBJECT_BELOW ? record->sp
                                                    : record->np;
    return record->is_testing && policy > POLICY_NONE ? policy - 1 : policy;
}
