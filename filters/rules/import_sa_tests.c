/* import_sa_tests.c - SpamAssassin's header, body, rawbody and uri rules as conditions: where each
 * looks, its pattern in the engine's words, and what has no equal. */
#include "import_sa_priv.h"

/* ---- patterns ---- */

struct sa_pattern {
    struct import_pattern pattern;
    char room[5];
    const char *flags;
    struct mw_slice rest; /* behind it */
};

/* /re/flags, or m{re}flags with any delimiter. */
static bool read_pattern(struct draft *draft, struct mw_slice text, struct sa_pattern *out)
{
    if (text.len > 1 && text.ptr[0] == 'm' && text.ptr[1] != ' ')
        text = text_skip(text, 1);
    if (text.len < 2)
        return import_sa_fail(draft, "expected a pattern");
    char open = text.ptr[0];
    char close = open == '{'   ? '}'
                 : open == '(' ? ')'
                 : open == '<' ? '>'
                 : open == '[' ? ']'
                               : open;
    if (close == open && open != '/' && strchr("!#%,|~@;:", open) == NULL)
        return import_sa_fail(draft, "expected a pattern");
    size_t end = 1, nesting = 0, behind;
    for (; end < text.len; end++) {
        if (text.ptr[end] == '\\')
            end++;
        else if (text.ptr[end] == close && nesting == 0)
            break;
        else if (close != open && text.ptr[end] == open)
            nesting++;
        else if (close != open && text.ptr[end] == close)
            nesting--;
    }
    if (end >= text.len)
        return import_sa_fail(draft, "the pattern is not closed");
    for (behind = end + 1; behind < text.len && text.ptr[behind] >= 'a' && text.ptr[behind] <= 'z';)
        behind++;
    out->rest = text_trim(text_skip(text, behind));
    const char *why = import_pattern_perl(draft->sa->import, SLICE(text.ptr + 1, end - 1),
                                          SLICE(text.ptr + end + 1, behind - end - 1),
                                          &out->pattern);
    out->flags = import_pattern_flags(&out->pattern, out->room);
    if (why == NULL && open != '/' && open != '{' && memchr(text.ptr + 1, '\\', end - 1) != NULL &&
        strchr("!#%,~@;:<", open) == NULL)
        why = "its delimiter has a meaning of its own in the pattern";
    return why == NULL || import_sa_fail(draft, why);
}

static void put(void *draft, struct mw_slice text)
{
    import_sa_put(draft, text);
}

static void put_match(struct draft *draft, const char *field, const struct sa_pattern *pattern,
                      bool is_utf)
{
    const char *why = import_pattern_check(draft->sa->import, pattern->pattern.text, pattern->flags,
                                           is_utf);
    if (why != NULL)
        import_sa_fail(draft, why);
    draft->factors += 3; /* with a parenthesis, and `is empty` */
    import_sa_put(draft, slice_of(field));
    import_sa_put(draft, LIT(" =~ "));
    import_each_of_regex(pattern->pattern.text, pattern->flags, put, draft);
}

/* ---- header ---- */

struct place_of {
    const char *fields[3]; /* in the language; any of them */
    bool is_utf;
};

static const char *header_field(struct import *import, struct mw_slice name, bool is_raw)
{
    struct mw_slice parts[] = {is_raw ? LIT("raw.header(") : LIT("header("),
                               import_quote(import, name), LIT(")")};
    return import_join(import, parts, 3).ptr;
}

static bool find_address(struct draft *draft, struct mw_slice name, struct place_of *out)
{
    static const char *const known[][2] = {{"From", "from.address"},
                                           {"To", "to.address"},
                                           {"Cc", "cc.address"},
                                           {"Reply-To", "reply_to.address"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_ieq(name, slice_of(known[i][0]))) {
            out->fields[0] = known[i][1];
            return true;
        }
    return import_sa_fail(draft, ":addr is known for From, To, Cc and Reply-To");
}

static bool find_place(struct draft *draft, struct mw_slice field, struct place_of *out)
{
    struct import *import = draft->sa->import;
    ptrdiff_t colon = text_find(field, ':');
    struct mw_slice name = colon < 0 ? field : SLICE(field.ptr, (size_t)colon);
    struct mw_slice how = colon < 0 ? EMPTY : text_skip(field, (size_t)colon + 1);
    bool is_raw = text_is(how, "raw");
    *out = (struct place_of){.is_utf = !is_raw};
    if (text_is(how, "addr"))
        return find_address(draft, name, out);
    if (how.len > 0 && !is_raw)
        return import_sa_fail(
            draft, "of what may stand behind a header's name, :raw and :addr are known here");
    if (text_is(name, "ALL") || text_is(name, "ALL-TRUSTED") || text_is(name, "ALL-EXTERNAL"))
        return import_sa_fail(draft, "it looks at all header fields as one text");
    if (name.len > 14 && memcmp(name.ptr, "X-Spam-Relays-", 14) == 0)
        return import_sa_fail(draft,
                              "what SpamAssassin makes of the Received fields is not known here");
    if (text_is(name, "EnvelopeFrom")) {
        out->fields[0] = "sender";
        out->is_utf = true;
    } else if (text_is(name, "ToCc")) {
        out->fields[0] = header_field(import, LIT("To"), is_raw);
        out->fields[1] = header_field(import, LIT("Cc"), is_raw);
    } else if (text_is(name, "MESSAGEID")) {
        out->fields[0] = header_field(import, LIT("Message-Id"), is_raw);
        out->fields[1] = header_field(import, LIT("Resent-Message-Id"), is_raw);
        out->fields[2] = header_field(import, LIT("X-Message-Id"), is_raw);
    } else {
        out->fields[0] = header_field(import, name, is_raw);
    }
    return true;
}

/* "[if-unset: VALUE]" behind the pattern. */
static bool read_unset(struct draft *draft, struct sa_pattern *pattern, struct mw_slice *out)
{
    struct mw_slice rest = pattern->rest;
    *out = EMPTY;
    if (rest.len < 11 || memcmp(rest.ptr, "[if-unset:", 10) != 0)
        return true;
    ptrdiff_t end = text_find(rest, ']');
    if (end < 0)
        return import_sa_fail(draft, "[if-unset: is not closed");
    *out = text_trim(SLICE(rest.ptr + 10, (size_t)end - 10));
    pattern->rest = text_trim(text_skip(rest, (size_t)end + 1));
    return true;
}

/* The field matches; where it is missing, its stand-in does. */
static void put_header_test(struct draft *draft, const struct place_of *place,
                            const struct sa_pattern *pattern, struct mw_slice unset)
{
    bool takes_unset = import_pattern_matches(pattern->pattern.text, pattern->flags, place->is_utf,
                                              unset);
    for (size_t i = 0; i < 3 && place->fields[i] != NULL; i++) {
        import_sa_put(draft, i > 0 ? LIT(" or ") : EMPTY);
        put_match(draft, place->fields[i], pattern, place->is_utf);
    }
    if (!takes_unset)
        return;
    import_sa_put(draft, LIT(" or ("));
    for (size_t i = 0; i < 3 && place->fields[i] != NULL; i++) {
        import_sa_put(draft, i > 0 ? LIT(" and ") : EMPTY);
        import_sa_put(draft, slice_of(place->fields[i]));
        import_sa_put(draft, LIT(" is empty"));
    }
    import_sa_put(draft, LIT(")"));
}

static bool is_field_name(struct mw_slice name)
{
    bool is_good = name.len > 0 && name.len <= 76;
    for (size_t i = 0; i < name.len; i++)
        is_good &= name.ptr[i] > ' ' && name.ptr[i] < 0x7f && !strchr("\"\\{}()", name.ptr[i]);
    return is_good;
}

bool import_sa_header(struct draft *draft, struct mw_slice text)
{
    struct mw_slice rest, field = import_word(text, &rest), unset;
    struct mw_slice behind, op = import_word(rest, &behind);
    struct sa_pattern pattern;
    struct place_of place;
    if (field.len > 7 && memcmp(field.ptr, "exists:", 7) == 0) {
        if (!is_field_name(text_skip(field, 7)) || text_find(field, ':') != 6)
            return import_sa_fail(draft, "exists: needs a header field's name");
        import_sa_put(draft, LIT("header.names == "));
        import_sa_put(draft, import_quote(draft->sa->import, text_skip(field, 7)));
        return true;
    }
    if (field.len > 5 && memcmp(field.ptr, "eval:", 5) == 0)
        return import_sa_fail(draft, "eval: calls SpamAssassin's own code");
    bool is_negated = text_is(op, "!~");
    if (!is_field_name(field) || (!is_negated && !text_is(op, "=~")))
        return import_sa_fail(draft, "expected a header field, =~ or !~ and a pattern");
    if (!find_place(draft, field, &place) || !read_pattern(draft, behind, &pattern) ||
        !read_unset(draft, &pattern, &unset))
        return false;
    if (pattern.rest.len > 0)
        return import_sa_fail(draft, "there is something behind the pattern");
    import_sa_put(draft, is_negated ? LIT("not (") : EMPTY);
    put_header_test(draft, &place, &pattern, unset);
    import_sa_put(draft, is_negated ? LIT(")") : EMPTY);
    return true;
}

/* ---- body, uri ---- */

/* ^ and $ outside classes, not escaped. */
static bool has_anchor(struct mw_slice text)
{
    bool is_class = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\') {
            if (i + 1 < text.len && strchr("AzZG", text.ptr[i + 1]) != NULL)
                return true;
            i++;
        } else if (is_class) {
            is_class = c != ']';
        } else if (c == '[') {
            is_class = true;
            i += i + 1 < text.len && text.ptr[i + 1] == '^';
            i += i + 1 < text.len && text.ptr[i + 1] == ']';
        } else if (c == '^' || c == '$') {
            return true;
        }
    }
    return false;
}

/* SpamAssassin joins a paragraph's lines and makes one blank of several: so a blank in the pattern
 * takes any number of blanks and line ends here. */
static void widen_blanks(struct draft *draft, struct import_pattern *pattern)
{
    struct mw_slice in = pattern->text;
    size_t cap = in.len * 3 + 1;
    struct builder to = {.ptr = import_alloc(draft->sa->import, cap), .cap = cap};
    bool is_class = false;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i], behind = i + 1 < in.len ? in.ptr[i + 1] : '\0';
        if (c == '\\' && behind != '\0') {
            builder_put(&to, SLICE(in.ptr + i++, 2));
            continue;
        }
        is_class = is_class ? c != ']' : c == '[';
        bool is_blank = c == ' ' && !is_class && !pattern->is_extended &&
                        (behind == '\0' || strchr("*+?{ ", behind) == NULL);
        builder_put(&to, is_blank ? LIT("\\s+") : SLICE(in.ptr + i, 1));
    }
    pattern->text = SLICE(to.ptr, to.len);
}

bool import_sa_text(struct draft *draft, enum sa_type type, struct mw_slice text)
{
    struct sa_pattern pattern;
    if (text.len > 5 && memcmp(text.ptr, "eval:", 5) == 0)
        return import_sa_fail(draft, "eval: calls SpamAssassin's own code");
    if (!read_pattern(draft, text, &pattern))
        return false;
    if (pattern.rest.len > 0)
        return import_sa_fail(draft, "there is something behind the pattern");
    if (type == SA_URI) {
        put_match(draft, "url", &pattern, true);
        return true;
    }
    if (has_anchor(pattern.pattern.text))
        return import_sa_fail(
            draft, "^ and $ speak of paragraphs and chunks that exist in SpamAssassin only");
    if (type == SA_BODY)
        widen_blanks(draft, &pattern.pattern);
    put_match(draft, type == SA_BODY ? "subject" : "body.html", &pattern, true);
    import_sa_put(draft, LIT(" or "));
    put_match(draft, "body.text", &pattern, true);
    return true;
}
