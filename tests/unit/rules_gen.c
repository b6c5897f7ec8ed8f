#include "rules_gen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static uint64_t next(struct gen *gen)
{
    if (gen->octets != NULL) {
        if (gen->left == 0)
            return 99; /* no chance: what is under way comes to an end */
        gen->left--;
        return *gen->octets++;
    }
    gen->state ^= gen->state >> 12;
    gen->state ^= gen->state << 25;
    gen->state ^= gen->state >> 27;
    return gen->state * UINT64_C(2685821657736338717) >> 20;
}

uint64_t gen_below(struct gen *gen, uint64_t limit)
{
    return next(gen) % limit;
}

static bool chance(struct gen *gen, uint64_t percent)
{
    return gen_below(gen, 100) < percent;
}

#define PICK(gen, array) (array)[gen_below(gen, sizeof(array) / sizeof *(array))]

/* ---- the alphabet ---- */

static const char *const words[] = {"abc", "abca", "bcab", "cab", "aab",
                                    "b",   "ABC",  "a b",  "ca",  "bbc"};
static const char *const hosts[] = {"a.example", "b.a.example", "abc.example",
                                    "cab.test",  "A.Example",   "bca.test"};
static const char *const mails[] = {"a@a.example", "b@a.example", "abc@abc.example", "cab@cab.test",
                                    "A@a.example", "a@A.EXAMPLE", "ab@b.a.example"};
static const char *const ips[] = {"10.0.0.1", "10.0.1.2", "192.0.2.7", "10.9.9.9"};
static const char *const header_names[] = {"X-A", "X-B", "Subject", "x-a"};
static const char *const names[] = {"abc.exe", "cab.pdf", "abca.tar.gz", "b", "ABC.Exe"};
static const char *const spfs[] = {"pass", "fail", "softfail"};
static const char *const tags[] = {"ta", "tb"};
static const char *const vars[] = {"va", "vb"};
static const char *const scores[] = {"", "sa"};
static const char *const stages[] = {"helo", "mail",           "rcpt",
                                     "data", "end-of-headers", "end-of-message"};

/* ---- building texts ---- */

struct out {
    char *ptr;
    size_t len, cap;
};

static void put(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct out *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out->ptr + out->len, out->cap - out->len, format, args);
    va_end(args);
    out->len += (size_t)len < out->cap - out->len ? (size_t)len : out->cap - out->len - 1;
}

/* ---- patterns ---- */

static void put_atom(struct gen *gen, struct out *out, unsigned depth);

static void put_sequence(struct gen *gen, struct out *out, unsigned depth)
{
    for (uint64_t left = 1 + gen_below(gen, 3); left > 0; left--)
        put_atom(gen, out, depth);
}

static void put_atom(struct gen *gen, struct out *out, unsigned depth)
{
    static const char *const plain[] = {"a",    "b",    "c", "abc",   "bca", "cab", "abca",
                                        "[ab]", "[^a]", ".", "[a-c]", "\\w", "\\.", "@"};
    static const char *const times[] = {"*", "+", "?", "{1,2}", "{2}", "*?", ""};
    if (depth > 0 && chance(gen, 30)) {
        put(out, "%s", chance(gen, 60) ? "(" : "(?:");
        put_sequence(gen, out, depth - 1);
        for (; chance(gen, 35); put_sequence(gen, out, depth - 1))
            put(out, "|");
        put(out, ")");
    } else {
        put(out, "%s", PICK(gen, plain));
    }
    if (chance(gen, 20))
        put(out, "%s", PICK(gen, times));
}

/* What the index lives on: words, one of several, something behind. */
static void put_literals(struct gen *gen, struct out *out)
{
    static const char *const long_words[] = {"abc", "abca", "bcab", "cab",
                                             "aab", "bbc",  "exe",  "test"};
    static const char *const behind[] = {"", "", ".", "c*", "(.*)", "[abc]+", "$"};
    bool is_choice = chance(gen, 40);
    put(out, "/%s%s", is_choice ? "(" : "", PICK(gen, long_words));
    if (is_choice)
        put(out, "|%s)", PICK(gen, long_words));
    put(out, "%s/%s", PICK(gen, behind), chance(gen, 40) ? "i" : "");
}

static void put_regex(struct gen *gen, struct out *out)
{
    static const char *const flags[] = {"", "", "i", "m", "s", "im"};
    if (chance(gen, 60)) {
        put_literals(gen, out);
        return;
    }
    put(out, "/%s", chance(gen, 15) ? "^" : "");
    put_sequence(gen, out, 2);
    if (chance(gen, 20)) {
        put(out, "|");
        put_sequence(gen, out, 1);
    }
    put(out, "%s/%s", chance(gen, 10) ? "$" : "", PICK(gen, flags));
}

/* ---- conditions ---- */

enum form { F_IP, F_NUMBER, F_SIZE, F_HOST, F_MAIL, F_TEXT, F_NAME, F_SCORE, F_TAG, F_SPF };
struct known {
    const char *name;
    enum form form;
    bool has_fold, is_many, is_of_rcpt;
};
static const struct known fields[] = {
    {"client.ip", F_IP, false, false, false},
    {"client.port", F_NUMBER, false, false, false},
    {"client.name", F_HOST, true, false, false},
    {"listener", F_TEXT, true, false, false},
    {"helo", F_HOST, true, false, false},
    {"auth.user", F_TEXT, true, false, false},
    {"session.messages", F_NUMBER, false, false, false},
    {"sender", F_MAIL, true, false, false},
    {"sender.local", F_TEXT, true, false, false},
    {"sender.domain", F_HOST, true, false, false},
    {"sender.param(\"SIZE\")", F_NUMBER, false, false, false},
    {"rcpt", F_MAIL, true, false, true},
    {"rcpt", F_MAIL, true, false, true},
    {"rcpt.local", F_TEXT, true, false, true},
    {"rcpt.domain", F_HOST, true, false, true},
    {"spf.result", F_SPF, false, false, false},
    {"dkim.passed", F_HOST, true, true, false},
    {"dkim.signatures", F_NUMBER, false, false, false},
    {"header(\"X-A\")", F_TEXT, true, true, false},
    {"header(\"X-B\")", F_TEXT, true, true, false},
    {"subject", F_TEXT, true, true, false},
    {"raw.header(\"X-A\")", F_TEXT, false, true, false},
    {"header.count(\"X-A\")", F_NUMBER, false, false, false},
    {"from.address", F_MAIL, true, true, false},
    {"from.domain", F_HOST, true, true, false},
    {"from.name", F_TEXT, true, true, false},
    {"to.address", F_MAIL, true, true, false},
    {"body.text", F_TEXT, true, true, false},
    {"body.html", F_TEXT, true, true, false},
    {"body.line", F_TEXT, false, true, false},
    {"raw.body", F_TEXT, false, false, false},
    {"url", F_TEXT, true, true, false},
    {"url.host", F_HOST, true, true, false},
    {"attachment.name", F_TEXT, true, true, false},
    {"attachment.ext", F_NAME, true, true, false},
    {"attachment.type", F_NAME, true, true, false},
    {"attachment.size", F_SIZE, false, true, false},
    {"attachment.count", F_NUMBER, false, false, false},
    {"mime.parts", F_NUMBER, false, false, false},
    {"mime.defects", F_NAME, false, true, false},
    {"message.size", F_SIZE, false, false, false},
    {"score", F_SCORE, false, false, false},
    {"score.sa", F_SCORE, false, false, false},
    {"tag", F_TAG, false, true, false},
    {"var(\"va\")", F_TEXT, true, false, false},
    {"var(\"vb\")", F_TEXT, true, false, false},
    /* these change by themselves, or with any edit */
    {"header.names", F_NAME, false, true, false},
    {"header.count", F_NUMBER, false, false, false},
    {"raw.header.lines", F_TEXT, false, true, false},
    {"rcpt.count", F_NUMBER, false, false, false},
    {"rcpt.accepted", F_NUMBER, false, false, false},
    {"rcpt.refused", F_NUMBER, false, false, false},
};

static const char *word_for(struct gen *gen, enum form form)
{
    static const char *const types[] = {
        "application/octet-stream", "text/html", "x-a", "Subject", "exe", "pdf", "empty-boundary"};
    switch (form) {
    case F_HOST:
        return PICK(gen, hosts);
    case F_MAIL:
        return PICK(gen, mails);
    case F_NAME:
        return PICK(gen, types);
    case F_SPF:
        return PICK(gen, spfs);
    case F_TAG:
        return PICK(gen, tags);
    case F_IP:
        return PICK(gen, ips);
    case F_TEXT:
    case F_NUMBER:
    case F_SIZE:
    case F_SCORE:
        break;
    }
    return PICK(gen, words);
}

static void put_ordering(struct gen *gen, struct out *out, enum form form)
{
    static const char *const signs[] = {"<", "<=", ">", ">=", "==", "!="};
    uint64_t number = gen_below(gen, 5);
    put(out, " %s %llu", PICK(gen, signs),
        (unsigned long long)(form == F_SIZE ? number * 300 : number));
}

static void put_in(struct gen *gen, struct out *out, enum form form)
{
    put(out, " %sin ", chance(gen, 25) ? "not " : "");
    if (chance(gen, 40) && form != F_TAG && form != F_SPF && form != F_NAME) {
        put(out, "%s",
            form == F_IP     ? "nets"
            : form == F_HOST ? "doms"
            : form == F_MAIL ? "people"
                             : "texts");
        return;
    }
    put(out, "(\"%s\"", word_for(gen, form));
    if (chance(gen, 60))
        put(out, ", \"%s\"",
            form == F_IP     ? "10.0.0.0/16"
            : form == F_HOST ? ".example"
            : form == F_MAIL ? "@a.example"
                             : word_for(gen, form));
    put(out, ")");
}

static void put_check(struct gen *gen, struct out *out, const struct known *field)
{
    enum form form = field->form;
    if (form == F_NUMBER || form == F_SIZE || form == F_SCORE) {
        put_ordering(gen, out, form);
        return;
    }
    uint64_t which = gen_below(gen, 100);
    if (form == F_TAG && which < 60)
        which = 60;
    if (which < 50 && form != F_IP && form != F_TAG) {
        put(out, " %s ", chance(gen, 20) ? "!~" : "=~");
        put_regex(gen, out);
    } else if (which < 75) {
        put(out, " %s %s%s%s", chance(gen, 25) ? "!=" : "==", form == F_IP ? "" : "\"",
            word_for(gen, form), form == F_IP ? "" : "\"");
    } else if (which < 90) {
        put_in(gen, out, form);
    } else {
        put(out, " is %sempty", chance(gen, 50) ? "not " : "");
    }
}

static void put_group(struct gen *gen, struct out *out)
{
    static const char *const groups[][4] = {{"attachment", "name", "ext", "size"},
                                            {"url", "host", "scheme", "text"},
                                            {"from", "name", "domain", "address"}};
    static const enum form forms[][3] = {
        {F_TEXT, F_NAME, F_SIZE}, {F_HOST, F_NAME, F_TEXT}, {F_TEXT, F_HOST, F_MAIL}};
    uint64_t which = chance(gen, 50) ? 0 : gen_below(gen, 3);
    bool has_own = false; /* something in the braces must speak of the thing */
    put(out, "%s { ", groups[which][0]);
    for (uint64_t left = 1 + gen_below(gen, 2);; put(out, chance(gen, 70) ? " and " : " or ")) {
        uint64_t item = gen_below(gen, 4);
        static const struct known outside = {"client.name", F_HOST, true, false, false};
        struct known field = {.form = item < 3 ? forms[which][item] : F_HOST};
        put(out, "%s%s", chance(gen, 10) ? "not " : "",
            item == 3 && left == 1 && has_own ? outside.name : groups[which][1 + item % 3]);
        if (item == 3 && !(left == 1 && has_own))
            field.form = forms[which][0];
        has_own = true;
        put_check(gen, out, &field);
        if (--left == 0)
            break;
    }
    put(out, " }");
}

/* A score, a tag, a variable. */
static bool is_written(const char *text)
{
    return strstr(text, "score") != NULL || strstr(text, "tag") != NULL ||
           strstr(text, "var(") != NULL;
}

static void put_test(struct gen *gen, struct out *out)
{
    static const char *const quantifiers[] = {"any", "all", "none"};
    size_t count = sizeof fields / sizeof *fields - (gen->has_tallies    ? 0
                                                     : gen->has_feedback ? 3
                                                                         : 6);
    size_t which = chance(gen, 65) ? PICK(gen, gen->focus) : gen_below(gen, count);
    const struct known *field = &fields[which % count];
    if (is_written(field->name) && !gen->may_read)
        field = &fields[0];
    bool is_group = chance(gen, 12);
    bool is_quantified = (is_group || field->is_many || field->is_of_rcpt) && chance(gen, 20);
    if (is_quantified)
        put(out, "%s(", PICK(gen, quantifiers));
    if (is_group) {
        put_group(gen, out);
    } else {
        put(out, "%s%s", field->name, field->has_fold && chance(gen, 15) ? ".fold" : "");
        put_check(gen, out, field);
    }
    if (is_quantified)
        put(out, ")");
}

static void put_condition(struct gen *gen, struct out *out, unsigned depth)
{
    uint64_t which = gen_below(gen, 100);
    if (depth == 0 || which < 35) {
        put_test(gen, out);
    } else if (which < 45) {
        put(out, "not (");
        put_condition(gen, out, depth - 1);
        put(out, ")");
    } else {
        put(out, "(");
        put_condition(gen, out, depth - 1);
        put(out, which < 80 ? " and " : " or ");
        put_condition(gen, out, depth - 1);
        put(out, ")");
    }
}

/* ---- actions ---- */

static const char *insert_for(struct gen *gen)
{
    static const char *const inserts[] = {"x",
                                          "${sender}",
                                          "${rcpt}",
                                          "${header('X-A')}",
                                          "${score}",
                                          "${client.ip}",
                                          "${attachment.name}",
                                          "${url.host}",
                                          "${var('va')}",
                                          "${helo}",
                                          "${subject}",
                                          "${rcpt.count}",
                                          "${tag}",
                                          "${1}",
                                          "${1}",
                                          "${attachment.size}",
                                          "${from.name}"};
    const char *insert = PICK(gen, inserts);
    return is_written(insert) && !gen->may_read ? "y" : insert;
}

static void put_edit(struct gen *gen, struct out *out)
{
    static const char *const own[] = {"X-Own", "X-Other"};
    const char *header = gen->has_feedback ? PICK(gen, header_names) : PICK(gen, own);
    switch (gen_below(gen, gen->has_feedback ? 9 : 5)) {
    case 0:
    case 1:
        put(out, "add header \"%s: %s %s\"", header, PICK(gen, words), insert_for(gen));
        break;
    case 2:
        put(out, "set header \"%s: %s\"", header, insert_for(gen));
        break;
    case 3:
        put(out, "delete header \"%s\"", header);
        break;
    case 4:
        put(out, "add rcpt <%s>", PICK(gen, mails));
        break;
    case 5:
        put(out, "delete rcpt");
        break;
    case 6:
        put(out, "rewrite sender \"%s\"", chance(gen, 20) ? "" : PICK(gen, mails));
        break;
    default:
        put(out, "rewrite rcpt \"%s\"",
            chance(gen, 20) ? "${rcpt.local}@cab.test" : PICK(gen, mails));
        break;
    }
}

static void put_action(struct gen *gen, struct out *out)
{
    const char *name;
    switch (gen->may_write ? gen_below(gen, 8) : 4 + gen_below(gen, 4)) {
    case 0:
    case 1:
        put(out, "score %s %s%llu.5", PICK(gen, scores), chance(gen, 30) ? "-" : "",
            (unsigned long long)gen_below(gen, 4));
        break;
    case 2:
        name = PICK(gen, tags);
        put(out, "tag \"%s\"", name);
        break;
    case 3:
        name = PICK(gen, vars);
        put(out, "set var \"%s\" \"%s%s\"", name, PICK(gen, words), insert_for(gen));
        break;
    case 4:
        put(out, "log \"%s %s\"", insert_for(gen), insert_for(gen));
        break;
    default:
        put_edit(gen, out);
        break;
    }
}

static void put_verdict(struct gen *gen, struct out *out)
{
    switch (gen_below(gen, 12)) {
    case 0:
    case 1:
    case 2:
        put(out, "reject 55%llu 5.7.1 \"no %s\"", (unsigned long long)gen_below(gen, 4),
            insert_for(gen));
        break;
    case 3:
        put(out, "reject");
        break;
    case 4:
    case 5:
        put(out, "defer 451 4.7.1 \"later %s\"", insert_for(gen));
        break;
    case 6:
    case 7:
    case 8:
        put(out, "accept");
        break;
    case 9:
        put(out, "discard");
        break;
    case 10:
        put(out, "quarantine <q%llu@q.example>", (unsigned long long)gen_below(gen, 2));
        break;
    default:
        put(out, "disconnect");
        break;
    }
}

static void put_modes(struct gen *gen, struct out *out)
{
    static const char *const observes[] = {"observe ", "observe 40% ", "observe until 2001-01-01 ",
                                           "observe until 2199-01-01 "};
    if (chance(gen, 10))
        put(out, " at %s", PICK(gen, stages));
    put(out, ": ");
    if (chance(gen, 10))
        put(out, "%s", PICK(gen, observes));
    if (chance(gen, 10))
        put(out, "early ");
}

static void put_rule(struct gen *gen, struct out *out, size_t number)
{
    bool has_verdict = chance(gen, 55);
    put(out, "r%zu", number);
    put_modes(gen, out);
    if (has_verdict)
        put_verdict(gen, out);
    for (uint64_t left = has_verdict ? gen_below(gen, 6) / 4 : 1 + gen_below(gen, 2); left > 0;
         left--) {
        if (has_verdict)
            put(out, ", ");
        has_verdict = true;
        put_action(gen, out);
    }
    if (chance(gen, 15)) {
        put(out, " on_error ");
        if (chance(gen, 40))
            put(out, "match");
        else
            put_verdict(gen, out);
    }
    if (chance(gen, 10))
        put(out, " reason \"why %s\"", insert_for(gen));
    put(out, " when ");
    if (chance(gen, 5))
        put(out, "always");
    else
        put_condition(gen, out, (unsigned)gen_below(gen, 4));
}

/* ---- mail ---- */

static void set_text(struct gen *gen, char *out, size_t size, const char *const *from, size_t count)
{
    snprintf(out, size, "%s", from[gen_below(gen, count)]);
}
#define SET(gen, out, array) set_text(gen, out, sizeof(out), array, sizeof(array) / sizeof *(array))

static void make_facts(struct gen *gen, struct gen_case *out)
{
    static const char *const texts[] = {"listener", "auth.user"};
    struct gen_fact *fact = out->facts;
    *fact = (struct gen_fact){.name = "client.ip", .kind = chance(gen, 90) ? GEN_IP : GEN_ERROR};
    SET(gen, fact->text, ips);
    *++fact = (struct gen_fact){
        .name = "client.port", .kind = GEN_NUMBER, .number = gen_below(gen, 5)};
    *++fact = (struct gen_fact){
        .name = "client.name",
        .kind = (enum gen_fact_kind[]){GEN_TEXT, GEN_TEXT, GEN_NONE, GEN_ERROR}[gen_below(gen, 4)]};
    SET(gen, fact->text, hosts);
    for (size_t i = 0; i < 2; i++) {
        *++fact = (struct gen_fact){.name = texts[i],
                                    .kind = chance(gen, 60) ? GEN_TEXT : GEN_NONE};
        SET(gen, fact->text, words);
    }
    *++fact = (struct gen_fact){
        .name = "session.messages", .kind = GEN_NUMBER, .number = gen_below(gen, 3)};
    *++fact = (struct gen_fact){
        .name = "spf.result",
        .kind = (enum gen_fact_kind[]){GEN_TEXT, GEN_TEXT, GEN_NONE, GEN_ERROR}[gen_below(gen, 4)]};
    SET(gen, fact->text, spfs);
    *++fact = (struct gen_fact){
        .name = "dkim.passed",
        .kind = (enum gen_fact_kind[]){GEN_TEXT, GEN_TEXT, GEN_NONE, GEN_ERROR}[gen_below(gen, 4)]};
    snprintf(fact->text, sizeof fact->text, "%s%s%s", PICK(gen, hosts),
             (const char *[]){"", " ", "  "}[gen_below(gen, 3)], PICK(gen, hosts));
    *++fact = (struct gen_fact){.name = "dkim.signatures",
                                .kind = chance(gen, 80) ? GEN_NUMBER : GEN_NONE,
                                .number = gen_below(gen, 3)};
}

static void put_words(struct gen *gen, struct out *out)
{
    for (uint64_t left = gen_below(gen, 6); left > 0; left--)
        put(out, "%s%s", PICK(gen, words), chance(gen, 20) ? "" : " ");
    if (chance(gen, 20))
        put(out, " http://%s/%s ", PICK(gen, hosts), "abc");
}

static void make_body(struct gen *gen, struct gen_transaction *transaction, bool is_multipart)
{
    struct out out = {.ptr = transaction->body, .cap = GEN_BODY_LEN};
    transaction->body[0] = '\0';
    for (uint64_t part = is_multipart ? 1 + gen_below(gen, 4) : 1; part > 0; part--) {
        bool is_attached = is_multipart && chance(gen, 50),
             is_html = is_multipart && chance(gen, 40);
        if (is_multipart)
            put(&out, "--bound\r\nContent-Type: %s\r\n",
                is_html       ? "text/html"
                : is_attached ? "application/octet-stream"
                              : "text/plain");
        if (is_attached)
            put(&out, "Content-Disposition: attachment; filename=\"%s\"\r\n", PICK(gen, names));
        if (is_multipart)
            put(&out, "\r\n");
        for (uint64_t lines = gen_below(gen, 4); lines > 0; lines--) {
            if (is_html && chance(gen, 40))
                put(&out, "<p><a href=\"http://%s/b\">%s</a> ", PICK(gen, hosts), PICK(gen, words));
            put_words(gen, &out);
            put(&out, "\r\n");
        }
    }
    if (is_multipart && chance(gen, 90))
        put(&out, "--bound--\r\n");
    transaction->body_len = out.len;
}

static void add_header(struct gen_transaction *transaction, const char *name, const char *value)
{
    size_t at = transaction->header_count++;
    snprintf(transaction->headers[at].name, sizeof transaction->headers[at].name, "%s", name);
    snprintf(transaction->headers[at].value, sizeof transaction->headers[at].value, "%s", value);
}

static void make_headers(struct gen *gen, struct gen_transaction *transaction, bool is_multipart)
{
    char value[160];
    for (uint64_t left = gen_below(gen, 5); left > 0; left--) {
        struct out out = {.ptr = value, .cap = sizeof value};
        value[0] = '\0';
        put(&out, " ");
        put_words(gen, &out);
        add_header(transaction, PICK(gen, header_names), value);
    }
    for (uint64_t left = gen_below(gen, 3); left > 0; left--) {
        snprintf(value, sizeof value, " %s <%s>, %s", "abc", PICK(gen, mails), PICK(gen, mails));
        add_header(transaction, chance(gen, 70) ? "From" : "To", value);
    }
    if (is_multipart)
        add_header(transaction, "Content-Type", " multipart/mixed; boundary=bound");
}

/* What edits change, and what groups are made of. */
static const char *const favourites[] = {"header(\"X-A\")", "subject", "sender", "rcpt",
                                         "attachment.name", "url.host"};

static size_t field_named(const char *name)
{
    size_t i = 0;
    while (strcmp(fields[i].name, name) != 0)
        i++;
    return i;
}

static void make_transaction(struct gen *gen, struct gen_transaction *transaction)
{
    bool is_multipart = chance(gen, 60);
    if (chance(gen, 85))
        SET(gen, transaction->sender, mails);
    if (chance(gen, 50))
        snprintf(transaction->params, sizeof transaction->params, "SIZE=%llu",
                 (unsigned long long)gen_below(gen, 6));
    transaction->rcpt_count = 1 + gen_below(gen, GEN_RCPTS);
    for (size_t i = 0; i < transaction->rcpt_count; i++) {
        SET(gen, transaction->rcpts[i], mails);
        transaction->is_refused[i] = chance(gen, 10);
    }
    make_headers(gen, transaction, is_multipart);
    make_body(gen, transaction, is_multipart);
}

void gen_make(struct gen *gen, struct gen_case *out)
{
    memset(out, 0, sizeof *out);
    snprintf(out->lists, sizeof out->lists,
             "list nets = 10.0.0.0/24, 192.0.2.7\nlist doms = a.example, .a.example, .test\n"
             "list people = a@a.example, @abc.example\nlist texts = abc, \"a b\", cab\n");
    make_facts(gen, out);
    out->helo_count = chance(gen, 30) ? 2 : 1;
    for (size_t i = 0; i < 3; i++)
        gen->focus[i] = gen_below(gen, sizeof fields / sizeof *fields);
    if (chance(gen, 50))
        gen->focus[0] = gen->focus[1] = field_named(PICK(gen, favourites));
    SET(gen, out->helos[0], hosts);
    SET(gen, out->helos[1], hosts);
    out->transaction_count = chance(gen, 15) ? 2 : 1;
    for (size_t i = 0; i < out->transaction_count; i++)
        make_transaction(gen, &out->transactions[i]);
    uint64_t most = chance(gen, 20) ? 4 : chance(gen, 30) ? 12 : GEN_RULES;
    out->rule_count = 1 + gen_below(gen, most);
    for (size_t i = 0; i < out->rule_count; i++) {
        struct out rule = {.ptr = out->rules[i], .cap = GEN_RULE_LEN};
        gen->may_write = gen->has_feedback || i < out->rule_count / 2;
        gen->may_read = gen->has_feedback || i >= out->rule_count / 2;
        put_rule(gen, &rule, i);
    }
}

void gen_text(const struct gen_case *from, char out[GEN_TEXT_LEN], int out_lines[GEN_LINES])
{
    struct out text = {.ptr = out, .cap = GEN_TEXT_LEN};
    size_t line = 0;
    out[0] = '\0';
    put(&text, "%s", from->lists);
    for (const char *at = from->lists; (at = strchr(at, '\n')) != NULL; at++)
        out_lines[line++] = -1;
    for (size_t i = 0; i < from->rule_count; i++) {
        if (from->is_off[i])
            continue;
        put(&text, "%s\n", from->rules[i]);
        out_lines[line++] = (int)i;
    }
    while (line < GEN_LINES)
        out_lines[line++] = -1;
}
