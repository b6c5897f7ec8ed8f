/* words.c - sentences are rows of a table with %-letters in them, the operator's own text has macros; both are put together by the same few
 * functions, which cut and clean what they put in. */
#include "words.h"

/* ---- pieces ---- */

static struct mw_slice cut(struct mw_slice text, size_t max)
{
    return text.len > max ? SLICE(text.ptr, max) : text;
}

static bool is_printable(char c)
{
    return c >= 0x20 && c < 0x7f;
}

static void put_printable(struct builder *out, struct mw_slice text)
{
    text = cut(text, out->cap - out->len);
    for (size_t i = 0; i < text.len; i++)
        out->ptr[out->len++] = is_printable(text.ptr[i]) ? text.ptr[i] : '?';
}

/* RFC 3986 2.3: all but the unreserved ones as %XX (RFC 7208 7.3 has it so for upper-case macros). */
static void put_url(struct builder *out, struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], low = text_lower(c);
        if ((low >= 'a' && low <= 'z') || text_is_digit(c) ||
            (c != '\0' && strchr("-._~", c) != NULL))
            builder_put(out, SLICE(text.ptr + i, 1));
        else
            builder_putf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

/* The text is about the name in HELO: a bounce has no other. */
static bool is_of_helo(const struct finding *finding)
{
    return finding->identity == IDENTITY_HELO || finding->is_null_sender;
}

static struct mw_slice result_name(const struct finding *finding)
{
    return slice_of(spf_result_name(finding->verdict.result));
}

/* The domain that was checked; where there was none to check, what stood in its place. */
static struct mw_slice domain_of(const struct scene *scene, const struct finding *finding)
{
    if (finding->verdict.domain.len > 0)
        return finding->verdict.domain;
    return is_of_helo(finding) ? scene->helo : text_domain(scene->sender);
}

struct mw_slice words_reason(const struct finding *finding, char out[WORDS_REASON_MAX])
{
    const struct spf_verdict *verdict = &finding->verdict;
    struct builder text = {.ptr = out, .cap = WORDS_REASON_MAX};
    if (verdict->problem.len > 0)
        put_printable(&text, verdict->problem);
    else if (text_is(verdict->mechanism, "default"))
        builder_put(&text, LIT("no mechanism matched"));
    else if (verdict->mechanism.len > 0) {
        builder_put(&text, LIT("mechanism "));
        put_printable(&text, cut(verdict->mechanism, 120));
        if (verdict->record_domain.len > 0) {
            builder_put(&text, LIT(" of "));
            put_printable(&text, verdict->record_domain);
        }
    } else if (verdict->result == SPF_NONE)
        builder_put(&text,
                    verdict->domain.len > 0 ? LIT("no SPF record") : LIT("no domain to check"));
    return SLICE(out, text.len);
}

/* ---- the reply ---- */

struct sentence {
    const char *of_sender, *of_helo; /* %i client, %d domain, %p problem */
};
/* clang-format off */
static const struct sentence sentences[SPF_RESULTS] = {
    [SPF_NONE] = {"SPF: %d has no SPF record, mail from it is not taken", "SPF: %d has no SPF record, this name is not taken in HELO"},
    [SPF_NEUTRAL] = {"SPF: %d does not say whether %i may send mail from it", "SPF: %d does not say whether it is %i"},
    [SPF_PASS] = {"SPF: mail from %d is not taken here", "SPF: mail from %d is not taken here"},
    [SPF_FAIL] = {"SPF: %i is not allowed to send mail from %d", "SPF: %i is not allowed to call itself %d"},
    [SPF_SOFTFAIL] = {"SPF: %i should not send mail from %d", "SPF: %i should not call itself %d"},
    [SPF_TEMPERROR] = {"SPF: the record of %d could not be looked up (%p)", "SPF: the record of %d could not be looked up (%p)"},
    [SPF_PERMERROR] = {"SPF: the record of %d cannot be used (%p)", "SPF: the record of %d cannot be used (%p)"},
};
/* clang-format on */

static void put_sentence(struct builder *out, const struct scene *scene,
                         const struct finding *finding)
{
    char address[ADDRESS_TEXT_MAX];
    const struct sentence *row = &sentences[finding->verdict.result];
    for (const char *at = is_of_helo(finding) ? row->of_helo : row->of_sender; *at != '\0'; at++) {
        if (*at != '%') {
            builder_put(out, SLICE(at, 1));
            continue;
        }
        at++;
        if (*at == 'i')
            builder_put(out, address_text(scene->client, address));
        else
            put_printable(out, *at == 'd' ? cut(domain_of(scene, finding), 255)
                                          : cut(finding->verdict.problem, 120));
    }
}

/* " (the domain says: ...)", whole: who reads it must see where the domain's words end. */
static void put_explanation(struct builder *out, struct mw_slice explanation)
{
    static const char head[] = " (the domain says: ";
    size_t least = out->len + sizeof head + 1;
    if (explanation.len == 0 || least + 10 > out->cap)
        return;
    builder_put(out, LIT(" (the domain says: "));
    put_printable(out, cut(explanation, out->cap - least));
    builder_put(out, LIT(")"));
}

/* ---- the operator's own text ---- */

/* A macro at the front of `text`: its length with the braces, its letter ('r' for "result"), 0 for anything else. */
static size_t macro_at(struct mw_slice text, char *out_letter)
{
    static const struct {
        const char *word;
        char letter;
    } macros[] = {{"%%", '%'},   {"%{i}", 'i'}, {"%{s}", 's'}, {"%{h}", 'h'}, {"%{d}", 'd'},
                  {"%{I}", 'I'}, {"%{S}", 'S'}, {"%{H}", 'H'}, {"%{D}", 'D'}, {"%{result}", 'r'}};
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        size_t len = strlen(macros[i].word);
        if (text.len >= len && memcmp(text.ptr, macros[i].word, len) == 0) {
            *out_letter = macros[i].letter;
            return len;
        }
    }
    return 0;
}

bool words_check_own(struct mw_slice text, size_t *out_bad)
{
    char letter;
    for (size_t at = 0; at < text.len;) {
        size_t len = text.ptr[at] == '%' ? macro_at(text_skip(text, at), &letter) : 1;
        if (len == 0 || !is_printable(text.ptr[at])) {
            *out_bad = at;
            return false;
        }
        at += len;
    }
    return true;
}

static void put_macro(struct builder *out, char letter, const struct scene *scene,
                      const struct finding *finding)
{
    char address[ADDRESS_TEXT_MAX];
    char low = text_lower(letter);
    struct mw_slice value = low == 'i'   ? address_text(scene->client, address)
                            : low == 's' ? scene->sender
                            : low == 'h' ? scene->helo
                            : low == 'd' ? domain_of(scene, finding)
                            : low == 'r' ? result_name(finding)
                                         : LIT("%");
    if (low == letter)
        put_printable(out, value);
    else
        put_url(out, value);
}

static void put_own(struct builder *out, const struct settings *settings, const struct scene *scene,
                    const struct finding *finding)
{
    struct mw_slice text = settings->own_explanation;
    while (text.len > 0) {
        char letter = '\0';
        size_t len = macro_at(text, &letter);
        if (len > 0)
            put_macro(out, letter, scene, finding);
        else
            put_printable(out, SLICE(text.ptr, 1));
        text = text_skip(text, len > 0 ? len : 1);
    }
}

/* RFC 7372 3.2: x.7.23 validation failed, x.7.24 validation error. The rest is this receiver's policy. */
static const char *dsn_of(enum spf_result result, enum action action)
{
    bool is_temporary = action == ACTION_DEFER;
    switch (result) {
    case SPF_FAIL:
    case SPF_SOFTFAIL:
        return is_temporary ? "4.7.23" : "5.7.23";
    case SPF_TEMPERROR:
    case SPF_PERMERROR:
        return is_temporary ? "4.7.24" : "5.7.24";
    case SPF_NONE:
    case SPF_NEUTRAL:
    case SPF_PASS:
    case SPF_RESULTS:
        break;
    }
    return is_temporary ? "4.7.1" : "5.7.1";
}

struct reply words_reply(const struct settings *settings, const struct scene *scene,
                         const struct finding *finding, enum action action,
                         char out[WORDS_REPLY_MAX])
{
    struct builder text = {.ptr = out, .cap = WORDS_REPLY_MAX};
    if (settings->explanation == EXPLANATION_OWN) {
        put_own(&text, settings, scene, finding);
    } else {
        put_sentence(&text, scene, finding);
        if (action == ACTION_DEFER)
            builder_put(&text, LIT(", try again later"));
        if (settings->explanation == EXPLANATION_ON)
            put_explanation(&text, finding->verdict.explanation);
    }
    return (struct reply){.code = action == ACTION_DEFER ? 451 : 550,
                          .dsn = dsn_of(finding->verdict.result, action),
                          .text = SLICE(out, text.len)};
}

/* ---- the header ---- */

void words_result(struct result *out, const struct scene *scene, const struct finding *finding,
                  struct mw_slice forwarder)
{
    char reason[WORDS_REASON_MAX], comment[WORDS_REASON_MAX + 300];
    struct builder text = {.ptr = comment, .cap = sizeof comment};
    result_begin(out, "spf", spf_result_name(finding->verdict.result), scene->is_utf8);
    if (forwarder.len > 0)
        builder_putf(&text, "forwarded by %.*s, ", (int)forwarder.len, forwarder.ptr);
    builder_put(&text, words_reason(finding, reason));
    result_comment(out, SLICE(comment, text.len));
    if (is_of_helo(finding))
        result_property(out, "smtp.helo", scene->helo);
    else
        result_property(out, "smtp.mailfrom", scene->sender);
}

/* clang-format off */
static const char *const remarks[SPF_RESULTS] = {
    [SPF_NONE] = "%d has no SPF record", [SPF_NEUTRAL] = "%i is neither permitted nor denied by %d", [SPF_PASS] = "%d designates %i as permitted sender",
    [SPF_FAIL] = "%d does not designate %i as permitted sender", [SPF_SOFTFAIL] = "%d discourages use of %i as sender",
    [SPF_TEMPERROR] = "error while the record of %d was looked up", [SPF_PERMERROR] = "the record of %d cannot be used"};
/* clang-format on */

/* A parenthesis in a comment would need quoting (RFC 5322 3.2.2). */
static void put_comment(struct builder *out, struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr("()\\", text.ptr[i]) != NULL)
            builder_put(out, LIT("_"));
        else
            put_printable(out, SLICE(text.ptr + i, 1));
}

static void put_remark(struct builder *out, const struct scene *scene,
                       const struct finding *finding)
{
    char address[ADDRESS_TEXT_MAX];
    for (const char *at = remarks[finding->verdict.result]; *at != '\0'; at++) {
        if (*at != '%') {
            builder_put(out, SLICE(at, 1));
            continue;
        }
        at++;
        put_comment(out, *at == 'i' ? address_text(scene->client, address)
                                    : cut(domain_of(scene, finding), 255));
    }
}

/* RFC 7208 9.1: a value is a dot-atom or quoted. Those of our own making are the former. */
static bool is_bare(struct mw_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i], low = text_lower(c);
        bool is_inside = i > 0 && i + 1 < value.len && value.ptr[i - 1] != '.';
        if (!text_is_digit(c) && (low < 'a' || low > 'z') && c != '-' && !(c == '.' && is_inside))
            return false;
    }
    return true;
}

static void put_pair(struct builder *out, const char *key, struct mw_slice value, bool is_utf8)
{
    if (value.len == 0)
        return;
    builder_putf(out, "\r\n\t%s=", key);
    if (is_bare(cut(value, 320)))
        builder_put(out, cut(value, 320));
    else
        result_quote(out, cut(value, 320), is_utf8);
    builder_put(out, LIT(";"));
}

struct mw_slice words_received(const struct scene *scene, const struct finding *finding,
                               char out[WORDS_RECEIVED_MAX])
{
    const struct spf_verdict *verdict = &finding->verdict;
    char address[ADDRESS_TEXT_MAX];
    struct builder text = {.ptr = out, .cap = WORDS_RECEIVED_MAX};
    builder_put(&text, result_name(finding));
    builder_put(&text, LIT(" ("));
    put_comment(&text, cut(scene->receiver, 255));
    builder_put(&text, LIT(": "));
    put_remark(&text, scene, finding);
    builder_put(&text, LIT(")"));
    put_pair(&text, "client-ip", address_text(scene->client, address), false);
    put_pair(&text, "envelope-from", scene->sender.len > 0 ? scene->sender : LIT("<>"),
             scene->is_utf8);
    put_pair(&text, "helo", scene->helo, scene->is_utf8);
    put_pair(&text, "receiver", scene->receiver, false);
    put_pair(&text, "identity", is_of_helo(finding) ? LIT("helo") : LIT("mailfrom"), false);
    put_pair(&text, "mechanism", cut(verdict->mechanism, 200), false);
    put_pair(&text, "problem", cut(verdict->problem, 200), false);
    return SLICE(out, text.len - 1); /* without the last ';' */
}
