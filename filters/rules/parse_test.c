/* clang-format off */
/* parse_test.c - test blocks.
 *
 *   test    = "test" TEXT "{" { item } "}"
 *   item    = "client" IP [ "port" N ] [ "name" HOST ] | "listener" NAME | "helo" HOST | "auth" USER [ MECHANISM ]
 *           | "from" ADDRESS [ "params" TEXT ] | "to" ADDRESS { "," ADDRESS }
 *           | "message" "file" TEXT | "header" TEXT | "body" TEXT | "fact" FIELD TEXT
 *           | "listed" VALUE ZONE [ CODE | "fails" ] [ TEXT ] | "expect" expected
 *   expected = ( "accept" | "discard" | "quarantine" | ( "reject" | "defer" | "disconnect" ) [ CODE ] ) [ "by" RULE ] [ "for" ADDRESS ]
 *           | ( "hit" | "miss" ) RULE | [ "no" ] "header" TEXT | [ "no" ] "rcpt" ADDRESS | "sender" ADDRESS
 *           | SCORE ( "==" | "<" | "<=" | ">" | ">=" ) NUMBER | "tag" TEXT */
/* clang-format on */
#include <stdio.h>

#include "parse.h"

enum { MESSAGE_MAX = 32 << 20 };

static void add_line(struct parser *parser, struct line **lines, struct mw_slice text)
{
    struct line *line = rules_keep(parser->rules, sizeof *line);
    line->text = text;
    while (*lines != NULL)
        lines = &(*lines)->next;
    *lines = line;
}

/* A bare value: host name, address, user. */
static bool parse_value(struct parser *parser, const char *what, struct mw_slice *out)
{
    struct mw_token token = rules_next(parser, MW_LEX_LITERAL);
    if (token.kind != MW_TOKEN_WORD && !token_is_text(&token))
        return rules_expected(parser, &token, what);
    *out = rules_copy(parser, token.value);
    return true;
}

static bool parse_address(struct parser *parser, struct mw_slice *out)
{
    struct mw_token token = rules_next(parser, MW_LEX_ADDRESS);
    if (token.kind != MW_TOKEN_ADDRESS)
        return rules_expected(parser, &token, "an address: <a@example.org>");
    *out = rules_copy(parser, token.value);
    return true;
}

/* ---- what happens ---- */

static bool parse_client(struct parser *parser, struct test_block *test)
{
    struct mw_token token = rules_next(parser, MW_LEX_LITERAL);
    uint32_t prefix = 0;
    uint64_t port;
    if ((token.kind != MW_TOKEN_WORD && !token_is_text(&token)) ||
        !parser->lang->parse_network(token.value, test->client_ip, &prefix) || prefix != 128)
        return rules_expected(parser, &token, "an IP address");
    if (rules_take(parser, "port")) {
        token = rules_next(parser, MW_LEX_EXPR);
        if (token.kind != MW_TOKEN_NUMBER || !text_number(token.text, 65535, &port))
            return rules_expected(parser, &token, "a port");
        test->client_port = (uint32_t)port;
    }
    return !rules_take(parser, "name") || parse_value(parser, "a host name", &test->client_name);
}

static bool parse_auth(struct parser *parser, struct test_block *test)
{
    test->mechanism = LIT("PLAIN");
    if (!parse_value(parser, "a user name", &test->user))
        return false;
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    bool is_upper = token.kind == MW_TOKEN_WORD && token.text.ptr[0] >= 'A' &&
                    token.text.ptr[0] <= 'Z';
    return !is_upper || parse_value(parser, "a mechanism", &test->mechanism);
}

static bool parse_from(struct parser *parser, struct test_block *test)
{
    struct place place;
    return parse_address(parser, &test->sender) &&
           (!rules_take(parser, "params") ||
            rules_expect_text(parser, "ESMTP parameters in quotes", &test->params, &place));
}

static bool parse_to(struct parser *parser, struct test_block *test)
{
    do {
        struct mw_slice address;
        if (!parse_address(parser, &address))
            return false;
        add_line(parser, &test->rcpts, address);
    } while (rules_take(parser, ","));
    return true;
}

static bool parse_message(struct parser *parser, struct test_block *test)
{
    struct mw_slice path;
    struct place place;
    const char *error = NULL;
    if (!rules_expect(parser, "file", "'file'") ||
        !rules_expect_text(parser, "the message's file name in quotes", &path, &place))
        return false;
    const char *beside = rules_beside(parser, path);
    test->message = parser->lang->file_read(beside, MESSAGE_MAX, &test->message_len, &error);
    if (test->message == NULL) {
        rules_error(parser->rules, &place, NULL, "cannot read %s: %s", beside,
                    error ? error : "unknown error");
        return false;
    }
    struct file_text *kept = rules_keep(parser->rules, sizeof *kept);
    kept->text = test->message;
    kept->next = parser->rules->texts;
    parser->rules->texts = kept;
    return true;
}

static bool parse_text_line(struct parser *parser, struct line **lines, bool is_header)
{
    struct mw_slice text;
    struct place place;
    if (!rules_expect_text(parser, is_header ? "\"Name: value\"" : "a line of the body in quotes",
                           &text, &place))
        return false;
    if (is_header && text_find(text, ':') <= 0) {
        rules_error(parser->rules, &place, NULL, "a header field is \"Name: value\"");
        return false;
    }
    add_line(parser, lines, text);
    return true;
}

/* What another filter would have found out: fact spf.result "fail". */
static bool parse_fact(struct parser *parser, struct test_block *test)
{
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    struct mw_slice value;
    struct place place = rules_place(parser, &token);
    const struct field *field = token.kind == MW_TOKEN_WORD ? rules_field_find(token.text) : NULL;
    if (field == NULL || !(field->flags & FLAG_FILTER)) {
        rules_error(parser->rules, &place, NULL,
                    "expected a fact of another filter, such as spf.result, found '%.*s'",
                    (int)token.text.len, token.text.ptr);
        return false;
    }
    if (!rules_expect_text(parser, "its value in quotes", &value, &place))
        return false;
    size_t cap = token.text.len + 1 + value.len;
    struct builder out = {.ptr = rules_keep(parser->rules, cap), .cap = cap};
    builder_put(&out, token.text);
    builder_put(&out, LIT("="));
    builder_put(&out, value);
    add_line(parser, &test->facts, SLICE(out.ptr, out.len));
    return true;
}

/* 127.0.0.2, or `fails`; neither: 127.0.0.2. */
static bool parse_code(struct parser *parser, struct listing *listing)
{
    struct mw_token token = rules_peek(parser, MW_LEX_LITERAL);
    unsigned char address[16];
    uint32_t prefix = 0;
    memcpy(listing->code, "\x7f\0\0\x02", sizeof listing->code);
    listing->has_failed = token_is(&token, "fails");
    bool is_code = token.kind == MW_TOKEN_WORD && text_is_digit(token.text.ptr[0]);
    if (!listing->has_failed && !is_code)
        return true;
    rules_next(parser, MW_LEX_LITERAL);
    if (listing->has_failed)
        return true;
    if (!parser->lang->parse_network(token.text, address, &prefix) || prefix != 128 ||
        text_find(token.text, '.') < 0)
        return rules_expected(parser, &token, "a code such as 127.0.0.2, or fails");
    memcpy(listing->code, address + 12, sizeof listing->code);
    return true;
}

/* What a zone of a DNS list says: listed 192.0.2.1 "zen.example" 127.0.0.4 "See https://..." */
static bool parse_listed(struct parser *parser, struct test_block *test)
{
    struct listing *listing = rules_keep(parser->rules, sizeof *listing), **tail = &test->listings;
    struct mw_token token = rules_peek(parser, MW_LEX_LITERAL);
    struct place place;
    if (!parse_value(parser, "the value that is listed: an address or a domain", &listing->value))
        return false;
    token = rules_peek(parser, MW_LEX_LITERAL);
    listing->place = rules_place(parser, &token);
    if (!parse_value(parser, "the zone that lists it", &listing->zone) ||
        !parse_code(parser, listing))
        return false;
    token = rules_peek(parser, MW_LEX_LITERAL);
    if (token_is_text(&token) &&
        !rules_expect_text(parser, "its value in quotes", &listing->text, &place))
        return false;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = listing;
    return true;
}

/* ---- what is expected ---- */

static bool parse_rule_name(struct parser *parser, struct expect *expect)
{
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    if (token.kind != MW_TOKEN_WORD)
        return rules_expected(parser, &token, "a rule's name");
    expect->place = rules_place(parser, &token);
    expect->rule = rules_copy(parser, token.text);
    return true;
}

static bool parse_expect_verdict(struct parser *parser, struct expect *expect)
{
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    uint64_t code;
    if (token.kind == MW_TOKEN_NUMBER) {
        rules_next(parser, MW_LEX_EXPR);
        if (!text_number(token.text, 599, &code))
            return rules_expected(parser, &token, "a reply code");
        expect->code = (uint32_t)code;
    }
    if (rules_take(parser, "by") && !parse_rule_name(parser, expect))
        return false;
    expect->has_rcpt = rules_take(parser, "for");
    return !expect->has_rcpt || parse_address(parser, &expect->text);
}

static bool parse_expect_score(struct parser *parser, struct expect *expect, struct mw_slice name)
{
    static const char *const signs[] = {"==", NULL, "<", "<=", ">", ">="};
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    size_t op = 0;
    while (op < 6 && (signs[op] == NULL || !token_is(&token, signs[op])))
        op++;
    if (op == 6)
        return rules_expected(parser, &token, "== < <= > or >=");
    expect->kind = EXPECT_SCORE;
    expect->op = (enum test_op)op;
    expect->name = name.len > 6 ? rules_copy(parser, text_skip(name, 6)) : LIT("default");
    bool is_negative = rules_take(parser, "-");
    token = rules_next(parser, MW_LEX_EXPR);
    if (token.kind != MW_TOKEN_NUMBER || !rules_decimal(token.text, &expect->number))
        return rules_expected(parser, &token, "a score");
    if (is_negative)
        expect->number = -expect->number;
    return true;
}

static bool parse_expect_header(struct parser *parser, struct expect *expect, bool is_absent)
{
    struct mw_slice text;
    struct place place;
    expect->kind = is_absent ? EXPECT_NO_HEADER : EXPECT_HEADER;
    if (!rules_expect_text(parser, is_absent ? "a header's name in quotes" : "\"Name: value\"",
                           &text, &place))
        return false;
    ptrdiff_t colon = text_find(text, ':');
    expect->name = colon < 0 ? text : SLICE(text.ptr, (size_t)colon);
    expect->text = colon < 0 ? EMPTY : text_trim(text_skip(text, (size_t)colon + 1));
    if (colon >= 0 || is_absent)
        return true;
    rules_error(parser->rules, &place, NULL, "a header field is \"Name: value\"");
    return false;
}

static bool parse_expect_address(struct parser *parser, struct expect *expect,
                                 enum expect_kind kind)
{
    expect->kind = kind;
    return parse_address(parser, &expect->text);
}

static bool parse_expectation(struct parser *parser, struct expect *expect)
{
    static const char *const verdicts[] = {"accept",  "reject",     "defer",
                                           "discard", "disconnect", "quarantine"};
    struct place place;
    bool is_absent = rules_take(parser, "no");
    struct mw_token token = rules_next(parser, MW_LEX_EXPR);
    if (token_is(&token, "header"))
        return parse_expect_header(parser, expect, is_absent);
    if (token_is(&token, "rcpt"))
        return parse_expect_address(parser, expect, is_absent ? EXPECT_NO_RCPT : EXPECT_RCPT);
    if (is_absent)
        return rules_expected(parser, &token, "'header' or 'rcpt'");
    if (token_is(&token, "sender"))
        return parse_expect_address(parser, expect, EXPECT_SENDER);
    if (token_is(&token, "hit") || token_is(&token, "miss")) {
        expect->kind = token_is(&token, "hit") ? EXPECT_HIT : EXPECT_MISS;
        return parse_rule_name(parser, expect);
    }
    if (token_is(&token, "tag")) {
        expect->kind = EXPECT_TAG;
        return rules_expect_text(parser, "the tag in quotes", &expect->text, &place);
    }
    if (token.kind == MW_TOKEN_WORD && token.text.len >= 5 &&
        memcmp(token.text.ptr, "score", 5) == 0 &&
        (token.text.len == 5 || token.text.ptr[5] == '.'))
        return parse_expect_score(parser, expect, token.text);
    for (unsigned i = 0; i < 6; i++) {
        if (!token_is(&token, verdicts[i]))
            continue;
        expect->kind = (enum expect_kind)i;
        return parse_expect_verdict(parser, expect);
    }
    return rules_expected(parser, &token,
                          "accept, reject, defer, discard, disconnect, quarantine, hit, miss, "
                          "header, rcpt, "
                          "sender, score or tag");
}

static bool parse_expect(struct parser *parser, struct test_block *test)
{
    struct expect *expect = rules_keep(parser->rules, sizeof *expect);
    struct mw_token token = rules_peek(parser, MW_LEX_EXPR);
    expect->place = rules_place(parser, &token);
    if (!parse_expectation(parser, expect))
        return false;
    struct expect **tail = &test->expects;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = expect;
    return true;
}

/* ---- the block ---- */

static bool parse_item(struct parser *parser, struct test_block *test, const struct mw_token *word)
{
    static const char *const names[] = {"client", "listener", "helo",   "auth", "from",
                                        "to",     "message",  "header", "body", "expect",
                                        "fact",   "listed",   NULL};
    if (token_is(word, "client"))
        return parse_client(parser, test);
    if (token_is(word, "listener"))
        return parse_value(parser, "a listener's name", &test->listener);
    if (token_is(word, "helo"))
        return parse_value(parser, "a host name", &test->helo);
    if (token_is(word, "auth"))
        return parse_auth(parser, test);
    if (token_is(word, "from"))
        return parse_from(parser, test);
    if (token_is(word, "to"))
        return parse_to(parser, test);
    if (token_is(word, "message"))
        return parse_message(parser, test);
    if (token_is(word, "header"))
        return parse_text_line(parser, &test->headers, true);
    if (token_is(word, "body"))
        return parse_text_line(parser, &test->body, false);
    if (token_is(word, "fact"))
        return parse_fact(parser, test);
    if (token_is(word, "listed"))
        return parse_listed(parser, test);
    if (token_is(word, "expect"))
        return parse_expect(parser, test);
    if (word->kind != MW_TOKEN_WORD)
        return rules_expected(
            parser, word,
            "client, helo, auth, from, to, message, header, body, fact, listed, expect or '}'");
    struct place place = rules_place(parser, word);
    rules_error(parser->rules, &place, rules_near(parser, word->text, names),
                "unknown word \"%.*s\" in a test", (int)word->text.len, word->text.ptr);
    return false;
}

static void add_test(struct rules *rules, struct test_block *test)
{
    if (rules->last_test == NULL)
        rules->tests = test;
    else
        rules->last_test->next = test;
    rules->last_test = test;
}

bool rules_parse_test(struct parser *parser, const struct mw_token *keyword)
{
    struct test_block *test = rules_keep(parser->rules, sizeof *test);
    struct mw_slice name;
    struct place place;
    static const unsigned char nobody[16] = {0, 0, 0,    0,    0,   0, 0, 0,
                                             0, 0, 0xff, 0xff, 192, 0, 2, 1};
    memcpy(test->client_ip, nobody, sizeof nobody);
    test->client_port = 50000;
    test->helo = LIT("client.example.net");
    test->place = rules_place(parser, keyword);
    if (!rules_expect_text(parser, "the test's name in quotes", &name, &place) ||
        !rules_expect(parser, "{", "'{'"))
        return false;
    test->name = name.ptr;
    while (!rules_take(parser, "}")) {
        struct mw_token word = rules_next(parser, MW_LEX_EXPR);
        if (!parse_item(parser, test, &word))
            return false;
    }
    if (test->message != NULL && (test->headers != NULL || test->body != NULL))
        rules_error(parser->rules, &test->place, NULL,
                    "a test has a message file or header and body lines, not both");
    if (test->expects == NULL)
        rules_error(parser->rules, &test->place, NULL, "test \"%s\" expects nothing", test->name);
    add_test(parser->rules, test);
    return true;
}
