/* Settings of words: lines, lists, places, complaints; over the configuration's own lexer table. */
#include "reader.h"

#include "base/lex.h"
#include "fake_settings.h"
#include "fake_text.h"
#include "test.h"

enum { RULES = 6 };
static const struct mw_setting rules[RULES] = {
    WORDS("on", "", "lines"),
    WORDS("networks", "127.0.0.0/8 ::1", "a list with a default"),
    SETTING(MW_SETTING_DURATION, "time", "10s", .help = "a number"),
    SETTING(MW_SETTING_TEXT, "quarantine-address", "", .help = "an address"),
    WORDS("domains", "", "words"),
    WORDS("people", "", "recipients")};

struct mw_instance {
    struct fake_chunk *chunks;
    struct fake_settings settings;
    char diags[8192];
};

static const struct mw_setting_value *host_setting(struct mw_instance *instance, const char *name)
{
    return fake_settings_find(&instance->settings, name);
}

static void host_diag(struct mw_instance *instance, const struct mw_diag *diag)
{
    fake_append_diag(instance->diags, sizeof instance->diags, diag);
}

static void *host_alloc(struct mw_instance *instance, size_t size)
{
    return fake_keep(&instance->chunks, size);
}

static const struct mw_host host = {.size = sizeof host,
                                    .setting = host_setting,
                                    .diag = host_diag,
                                    .lang = &mw_lang_table,
                                    .instance_alloc = host_alloc};

static struct mw_instance instance;
static struct reader reader;

static void begin(const char *text)
{
    fake_release(&instance.chunks);
    instance.diags[0] = '\0';
    fake_settings_read(&instance.settings, rules, RULES, "a.conf", text);
    reader = (struct reader){.host = &host, .instance = &instance};
}

static struct piece word(const char *name, size_t index)
{
    return piece_at(reader_value(&reader, name), index);
}

#define CHECK_DIAGS(count, text)                     \
    do {                                             \
        CHECK_INT(reader.errors, count);             \
        CHECK_SLICE(slice_of(instance.diags), text); \
    } while (0)

TEST(values)
{
    begin("time 3s\nquarantine-address q@example.net\n");
    struct mw_setting_place place = reader_place(&reader, "quarantine-address");
    CHECK_INT(reader_number(&reader, "time"), 3000);
    CHECK_SLICE(reader_text(&reader, "quarantine-address"), "q@example.net");
    CHECK_SLICE(reader_text(&reader, "on"), "");
    CHECK_SLICE(reader_where(&reader, &place), "a.conf:2");
    place = reader_place(&reader, "on");
    CHECK_SLICE(reader_where(&reader, &place), "");
    CHECK_DIAGS(0, "");
}

TEST(lines)
{
    begin("on a b\ntime 3s\non c\non d e f\n");
    static const size_t ends[] = {2, 3, 6};
    struct line line = {.value = reader_value(&reader, "on")};
    for (size_t i = 0, first = 0; i < 3; first = ends[i++]) {
        CHECK(line_next(&line));
        CHECK_INT(line.first, first);
        CHECK_INT(line.end, ends[i]);
    }
    CHECK(!line_next(&line));
    line = (struct line){.value = reader_value(&reader, "domains")};
    CHECK(!line_next(&line));
}

/* A host that tells no places: all words are one line, and stand where the setting stands. */
TEST(without_places)
{
    begin("on a b\non c\n");
    struct mw_setting_value value = *reader_value(&reader, "on");
    value.places = NULL;
    struct line line = {.value = &value};
    CHECK(line_next(&line));
    CHECK_INT(line.end, 3);
    struct piece piece = piece_at(&value, 2);
    CHECK_SLICE(piece.text, "c");
    CHECK_INT(piece.place.line, 1);
    CHECK_INT(piece.place.column, 1);
}

TEST(items_of_a_list)
{
    static const struct {
        const char *text, *items[4];
        uint32_t columns[4];
    } rows[] = {{"on a,bc,d", {"a", "bc", "d"}, {4, 6, 9}},
                {"on a", {"a"}, {4}},
                {"on a,", {"a", ""}, {4, 4}},
                {"on ,a", {"", "a"}, {4, 5}},
                {"on \"a,b\"", {"a", "b"}, {4, 4}},
                {"on \"\"", {""}, {4}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(rows[i].text);
        struct piece list = word("on", 0), item;
        size_t count = 0;
        for (size_t at = 0; at <= list.text.len; at += item.text.len + 1, count++) {
            item = piece_item(&list, at);
            CHECK(count < 4 && rows[i].items[count] != NULL);
            CHECK_SLICE(item.text, rows[i].items[count]);
            CHECK_INT(item.place.column, rows[i].columns[count]);
        }
        CHECK(count == 4 || rows[i].items[count] == NULL);
        CHECK(reader_items_max(reader_value(&reader, "on")) >= count);
    }
}

TEST(parts_of_a_word)
{
    begin("on user@example.net \"user@example.net\"");
    struct piece plain = word("on", 0), quoted = word("on", 1);
    struct piece part = piece_part(&plain, 5, 7);
    CHECK_SLICE(part.text, "example");
    CHECK_INT(part.place.column, 9);
    CHECK_INT(part.place.length, 7);
    part = piece_part(&quoted, 5, 7);
    CHECK_SLICE(part.text, "example");
    CHECK_INT(part.place.column, quoted.place.column);
    CHECK_INT(part.place.length, 18);
}

TEST(names)
{
    static const char *const names[] = {"pass", "fail", NULL};
    uint32_t index = 9;
    begin("on fail fial Pass discard");
    struct piece words[4];
    for (size_t i = 0; i < 4; i++)
        words[i] = word("on", i);
    CHECK(reader_name(&reader, &words[0], names, "no result", &index));
    CHECK_INT(index, 1);
    CHECK(!reader_name(&reader, &words[1], names, "no result", &index));
    CHECK(!reader_name(&reader, &words[3], names, "no result: pass or fail", &index));
    CHECK_INT(index, 1);
    CHECK_DIAGS(2, "a.conf:1:9+4: error: 'fial' is no result | did you mean 'fail'?\n"
                   "a.conf:1:19+7: error: 'discard' is no result: pass or fail\n");
    CHECK(!reader_name(&reader, &words[2], names, "no result", &index)); /* case counts */
}

TEST(choices)
{
    struct choice choice = {.action = ACTION_PASS};
    begin("time 1s\non tag rejekt");
    struct piece good = word("on", 0), bad = word("on", 1);
    CHECK(reader_choice(&reader, &good, &choice));
    CHECK_INT(choice.action, ACTION_TAG);
    CHECK_SLICE(choice.where, "a.conf:2");
    CHECK(!reader_choice(&reader, &bad, &choice));
    CHECK_INT(choice.action, ACTION_TAG);
    CHECK_DIAGS(1, "a.conf:2:8+6: error: 'rejekt' is no action: pass, add-header, tag, quarantine, "
                   "defer or reject | did you mean 'reject'?\n");
}

TEST(a_long_word_is_cut_where_it_is_shown)
{
    char text[400] = "on ", shown[200];
    struct choice choice;
    memset(text + 3, 'x', 300);
    snprintf(shown, sizeof shown, "error: '%.100s' is no action: ", text + 3);
    begin(text);
    struct piece long_word = word("on", 0);
    CHECK(!reader_choice(&reader, &long_word, &choice));
    CHECK(strstr(instance.diags, shown) != NULL);
}

TEST(domains)
{
    static const struct {
        const char *name;
        bool is_below, is_good;
    } rows[] = {{"example.net", false, true}, {"example.net", true, true}, {"", false, false},
                {"", false, false},           {"", false, false},          {"", false, false}};
    begin("domains Example.NET. .example.net . a..b [192.0.2.1] \"\"");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct piece piece = word("domains", i);
        struct domain domain;
        CHECK_INT(reader_domain(&reader, &piece, &domain), rows[i].is_good);
        if (!rows[i].is_good)
            continue;
        CHECK_SLICE(domain.name, rows[i].name);
        CHECK_INT(domain.is_below, rows[i].is_below);
    }
    CHECK_DIAGS(4, "a.conf:1:35+1: error: '.' is not the name of a domain\n"
                   "a.conf:1:37+4: error: 'a..b' is not the name of a domain\n"
                   "a.conf:1:42+11: error: '[192.0.2.1]' is not the name of a domain\n"
                   "a.conf:1:54+2: error: '' is not the name of a domain\n");
}

TEST(networks)
{
    struct networks networks = {.count = 0};
    begin("");
    reader_networks(&reader, "networks", NETWORK_WRONG, NETWORK_HINT, &networks);
    CHECK_INT(networks.count, 2);
    CHECK_INT(networks.list[0].prefix, 96 + 8);
    CHECK_INT(networks.list[1].prefix, 128);
    networks.count = 0;
    begin("networks none");
    reader_networks(&reader, "networks", NETWORK_WRONG, NETWORK_HINT, &networks);
    CHECK_INT(networks.count, 0);
    CHECK_DIAGS(0, "");
    begin("networks 192.0.2.1 192.0.2.1/24\nnetworks none 2001:db8::/32");
    reader_networks(&reader, "networks", "no such thing", "write it so", &networks);
    CHECK_INT(networks.count, 2);
    CHECK_DIAGS(2, "a.conf:1:20+12: error: '192.0.2.1/24' is no such thing | write it so\n"
                   "a.conf:2:10+4: error: 'none' is no such thing | write it so\n");
}

TEST(quarantine_addresses)
{
    static const char *const bad[] = {"nobody", "@example.net", "nobody@"};
    const struct mw_setting_place needed = {.file = "b.conf", .line = 7, .column = 3, .length = 10};
    begin("quarantine-address q@example.net");
    CHECK_SLICE(reader_quarantine(&reader, &needed), "q@example.net");
    begin("");
    CHECK_SLICE(reader_quarantine(&reader, NULL), "");
    CHECK_DIAGS(0, "");
    reader_quarantine(&reader, &needed);
    CHECK_DIAGS(1, "b.conf:7:3+10: error: an action is 'quarantine', but there is no "
                   "quarantine-address | quarantine-address quarantine@example.net\n");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "quarantine-address %s", bad[i]);
        begin(text);
        reader_quarantine(&reader, NULL);
        CHECK_INT(reader.errors, 1);
        CHECK(strstr(instance.diags, "is not a whole address | quarantine@example.net") != NULL);
    }
}

TEST(a_warning_is_no_error)
{
    begin("on a");
    struct piece piece = word("on", 0);
    reader_warn(&reader, &piece.place, "of no effect");
    CHECK_DIAGS(0, "a.conf:1:4+1: warning: of no effect\n");
    fake_release(&instance.chunks);
}

TEST(recipients)
{
    struct recipients people;
    begin("people postmaster@ @Example.NET a@b@example.org");
    reader_recipients(&reader, "people", &people);
    CHECK_DIAGS(0, "");
    CHECK_INT(people.count, 3);
    CHECK_SLICE(people.list[0].local, "postmaster");
    CHECK_INT(people.list[0].domain.len, 0);
    CHECK_INT(people.list[1].local.len, 0);
    CHECK_SLICE(people.list[1].domain, "example.net");
    CHECK_SLICE(people.list[2].local, "a@b");
    begin("people none");
    reader_recipients(&reader, "people", &people);
    CHECK_INT(people.count, 0);
    begin("people alice @ ok@ a@b..c");
    reader_recipients(&reader, "people", &people);
    CHECK_INT(people.count, 1);
    CHECK_DIAGS(3, "a.conf:1:8+5: error: 'alice' is not a recipient | someone@example.net, "
                   "@example.net or someone@\n"
                   "a.conf:1:14+1: error: '@' is not a recipient | someone@example.net, "
                   "@example.net or someone@\n"
                   "a.conf:1:22+4: error: 'b..c' is not the name of a domain\n");
}
