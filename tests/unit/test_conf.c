/* The configuration reader: trees from text, values from trees, and the exact text of every class
 * of error. */
#include "base/conf.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static const char *const tls_choices[] = {"off", "starttls", "required", "implicit", NULL};
static const char *const kinds[] = {"listen", "upstream", "resolver", NULL};

// clang-format off
enum { ADDRESS, SERVER, TRUST, TLS, MAX_ERRORS, MAX_SIZE, TIMEOUT, REQUIRE, NAME, STATE_DIR, CERTIFICATE, LOG, RULE_COUNT };
static const struct mw_conf_rule rules[RULE_COUNT] = {
    [ADDRESS]     = {.name = "address",     .type = MW_CONF_ENDPOINT, .default_text = "", .values_max = 4, .is_repeatable = true},
    [SERVER]      = {.name = "server",      .type = MW_CONF_ENDPOINT, .default_text = "", .max = 1},
    [TRUST]       = {.name = "trust",       .type = MW_CONF_NETWORK,  .default_text = "127.0.0.0/8 ::1", .values_max = 100},
    [TLS]         = {.name = "tls",         .type = MW_CONF_CHOICE,   .default_text = "off", .choices = tls_choices},
    [MAX_ERRORS]  = {.name = "max-errors",  .type = MW_CONF_COUNT,    .default_text = "20", .min = 1, .max = 1000},
    [MAX_SIZE]    = {.name = "max-size",    .type = MW_CONF_SIZE,     .default_text = "50MB", .min = 1024, .max = UINT64_C(1) << 40},
    [TIMEOUT]     = {.name = "timeout",     .type = MW_CONF_DURATION, .default_text = "5m", .min = 1000, .max = 86400000},
    [REQUIRE]     = {.name = "require",     .type = MW_CONF_BOOL,     .default_text = "on"},
    [NAME]        = {.name = "name",        .type = MW_CONF_TEXT,     .default_text = ""},
    [STATE_DIR]   = {.name = "state-dir",   .type = MW_CONF_PATH,     .default_text = "/var/lib/mailweir"},
    [CERTIFICATE] = {.name = "certificate", .type = MW_CONF_FILES,    .default_text = "", .values_max = 2, .is_repeatable = true},
    [LOG]         = {.name = "log",         .type = MW_CONF_WORDS,    .default_text = "stderr 'level=info'"},
};
// clang-format on
static const struct mw_conf_rule needed[] = {
    {.name = "module", .type = MW_CONF_TEXT},
    {.name = "port", .type = MW_CONF_COUNT, .default_text = "25", .min = 1},
};

/* One run of the reader; what it printed stands in `printed`. */
struct run {
    struct mw_arena arena;
    struct mw_diags *diags;
    struct mw_conf_block *root;
    struct mw_conf_values values[RULE_COUNT];
    enum mw_err loaded, checked;
    char printed[65536];
};

static void print_run(struct run *run)
{
    struct mw_buf out = {0};
    mw_diags_print(run->diags, &out);
    size_t len = out.len < sizeof run->printed - 1 ? out.len : sizeof run->printed - 1;
    if (len > 0)
        memcpy(run->printed, out.ptr, len);
    run->printed[len] = '\0';
    mw_buf_fini(&out);
}

static struct run run;

static void fini(void)
{
    mw_diags_free(&run.diags);
    mw_arena_fini(&run.arena);
    memset(&run, 0, sizeof run);
}

/* Parse `text` and check its top level. */
static void parse_len(struct mw_slice text)
{
    fini();
    run.diags = mw_diags_new();
    run.loaded = mw_conf_parse(&run.arena, "t.conf", text, run.diags, &run.root);
    run.checked = mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, NULL, 0, run.diags,
                                run.values);
    print_run(&run);
}

static void parse(const char *text)
{
    parse_len(mw_slice_cstr(text));
}

static void load(const char *path)
{
    fini();
    run.diags = mw_diags_new();
    run.loaded = mw_conf_load(&run.arena, path, run.diags, &run.root);
    print_run(&run);
}

/* The text must yield exactly these diagnostics. */
#define CHECK_ERRORS(text, want)                                            \
    do {                                                                    \
        parse(text);                                                        \
        CHECK_MEM(run.printed, strlen(run.printed), want);                  \
        CHECK(run.loaded == MW_ERR_CONFIG || run.checked == MW_ERR_CONFIG); \
        fini();                                                             \
    } while (0)
#define CHECK_LOAD(path, want)                             \
    do {                                                   \
        load(path);                                        \
        CHECK_MEM(run.printed, strlen(run.printed), want); \
    } while (0)

/* A tree as one line: name words ; kind name { ... } */
static void dump_block(const struct mw_conf_block *block, struct mw_buf *out)
{
    for (const struct mw_conf_directive *d = block->directives; d != NULL; d = d->next) {
        for (size_t i = 0; i < d->word_count; i++)
            mw_buf_putf(out, "%s ", d->words[i].text.ptr);
        mw_buf_put(out, MW_LIT("; "));
    }
    for (const struct mw_conf_block *b = block->blocks; b != NULL; b = b->next) {
        mw_buf_putf(out, "%s%s%s { ", b->kind.ptr, b->name.len ? " " : "", b->name.ptr);
        dump_block(b, out);
        mw_buf_put(out, MW_LIT("} "));
    }
}

static const char *dump(void)
{
    static char text[8192];
    struct mw_buf out = {0};
    dump_block(run.root, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.len, out.len ? out.ptr : "");
    mw_buf_fini(&out);
    return text;
}

#define CHECK_TREE(want)                                 \
    do {                                                 \
        CHECK_MEM(run.printed, strlen(run.printed), ""); \
        CHECK_INT(run.loaded, MW_OK);                    \
        const char *got_ = dump();                       \
        CHECK_MEM(got_, strlen(got_), want);             \
    } while (0)

/* ---- the tree ---- */

TEST(tree_of_directives_and_blocks)
{
    fini();
    run.diags = mw_diags_new();
    run.loaded = mw_conf_parse(&run.arena, "t.conf",
                               MW_LIT("# c\n"
                                      "workers auto # c\n"
                                      "listen mx {\n"
                                      "    address 0.0.0.0:25 \\\n"
                                      "            [::]:25\n"
                                      "    name 'raw \\d' \"two words\"\n"
                                      "}\r\n"
                                      "resolver {\n"
                                      "    inner x { deeper { deepest { a b } } }\n"
                                      "}\n"
                                      "chain inbound { limits spf rules }\n"
                                      "empty e { }\n"
                                      "h\xc3\xa9 \xe6\x97\xa5"),
                               run.diags, &run.root);
    CHECK_TREE("workers auto ; h\xc3\xa9 \xe6\x97\xa5 ; listen mx { address 0.0.0.0:25 [::]:25 ; "
               "name raw \\d two words ; } resolver { inner x { deeper { deepest { a b ; } } } } "
               "chain inbound { limits spf rules ; } empty e { } ");
    const struct mw_conf_block *listen = run.root->blocks;
    CHECK_INT(listen->pos.line * 100 + listen->pos.column, 301);
    const struct mw_conf_word *word = &listen->directives->words[2];
    CHECK_INT(word->pos.line * 100 + word->pos.column, 513);
    CHECK_INT(word->source_len, 7);
    CHECK(!word->is_quoted);
    CHECK(listen->directives->next->words[1].is_quoted);
    fini();
}

TEST(tree_of_nothing_is_empty)
{
    parse("");
    CHECK_TREE("");
    parse("# only a comment");
    CHECK_TREE("");
    fini();
}

TEST(override_replaces_single_directives)
{
    fini();
    run.diags = mw_diags_new();
    run.loaded = mw_conf_parse(&run.arena, "t.conf",
                               MW_LIT("listen mx {\n"
                                      " address a:1\n address b:2\n tls off\n name x\n"
                                      " sub s { a 1\n b 2\n }\n"
                                      "}\n"
                                      "override listen mx {\n"
                                      " address c:3\n address d:4\n max-errors 5\n"
                                      " override sub s { b 3\n }\n sub t { }\n"
                                      "}\n"),
                               run.diags, &run.root);
    CHECK_TREE("listen mx { tls off ; name x ; address c:3 ; address d:4 ; max-errors 5 ; "
               "sub s { a 1 ; b 3 ; } sub t { } } ");
    fini();
}

/* ---- values ---- */

TEST(values_of_every_type)
{
    setenv("MW_TEST_NAME", "from env", 1);
    parse("address 127.0.0.1:25 [::1]:26\naddress unix:/run/x\n"
          "server mx.example.test:587\n"
          "trust 10.0.0.0/8\ntls required\nmax-errors 7\nmax-size 10MiB\ntimeout 30s\nrequire off\n"
          "name \"${MW_TEST_NAME}!\"\nstate-dir /x/y\ncertificate /dev/null\nlog file '/a b' "
          "level=info");
    CHECK_MEM(run.printed, strlen(run.printed), "");
    CHECK_INT(run.checked, MW_OK);
    CHECK_INT(run.values[ADDRESS].count, 3);
    CHECK_INT(run.values[ADDRESS].values[1].endpoint.port, 26);
    CHECK_INT(run.values[ADDRESS].values[2].endpoint.kind, MW_ENDPOINT_UNIX);
    CHECK_INT(run.values[ADDRESS].values[2].pos.line, 2);
    CHECK_INT(run.values[SERVER].values[0].endpoint.kind, MW_ENDPOINT_NAME);
    CHECK_INT(run.values[TRUST].values[0].network.prefix, 104);
    CHECK_INT(run.values[TLS].values[0].number, 2);
    CHECK_SLICE(run.values[TLS].values[0].text, "required");
    CHECK_INT(run.values[MAX_ERRORS].values[0].number, 7);
    CHECK_INT(run.values[MAX_SIZE].values[0].number, 10485760);
    CHECK_INT(run.values[TIMEOUT].values[0].number, 30000);
    CHECK_INT(run.values[REQUIRE].values[0].number, 0);
    CHECK_SLICE(run.values[NAME].values[0].text, "from env!");
    CHECK_SLICE(run.values[STATE_DIR].values[0].text, "/x/y");
    CHECK_SLICE(run.values[CERTIFICATE].values[0].text, "/dev/null");
    CHECK_INT(run.values[LOG].count, 3);
    CHECK_SLICE(run.values[LOG].values[1].text, "/a b");
    fini();
}

TEST(values_by_default)
{
    parse("");
    CHECK_INT(run.checked, MW_OK);
    CHECK_INT(run.values[ADDRESS].count, 0);
    CHECK_INT(run.values[TRUST].count, 2);
    CHECK_INT(run.values[TRUST].values[1].network.prefix, 128);
    CHECK_INT(run.values[MAX_SIZE].values[0].number, 50000000);
    CHECK(run.values[MAX_SIZE].pos.file == NULL);
    CHECK(run.values[MAX_SIZE].values[0].pos.file == NULL);
    CHECK_INT(run.values[LOG].count, 2);
    CHECK_SLICE(run.values[LOG].values[1].text, "level=info");
    fini();
}

TEST(values_of_two_tables_follow_each_other)
{
    struct mw_conf_values values[RULE_COUNT + 2];
    parse("module limits\nport 7\n"); /* unknown to the one table */
    CHECK_INT(mw_diags_errors(run.diags), 2);
    mw_diags_free(&run.diags);
    run.diags = mw_diags_new();
    CHECK_INT(mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, needed, 2, run.diags, values),
              MW_OK);
    CHECK_SLICE(values[RULE_COUNT].values[0].text, "limits");
    CHECK_INT(values[RULE_COUNT + 1].values[0].number, 7);
    fini();
}

TEST(bad_value_leaves_the_default_for_further_checks)
{
    parse("max-errors x\n");
    CHECK_INT(run.checked, MW_ERR_CONFIG);
    CHECK_INT(run.values[MAX_ERRORS].count, 1);
    CHECK_INT(run.values[MAX_ERRORS].values[0].number, 20);
    fini();
}

/* ---- errors of form ---- */

TEST(error_unknown_directive_has_a_near_name)
{
    CHECK_ERRORS("\n\n\n  adress 0.0.0.0:25\n", "t.conf:4:3: error: unknown directive 'adress'\n"
                                                "     4 |   adress 0.0.0.0:25\n"
                                                "       |   ^~~~~~\n"
                                                "       = did you mean 'address'?\n");
    CHECK_ERRORS("zzz 1\n", "t.conf:1:1: error: unknown directive 'zzz'\n"
                            "     1 | zzz 1\n"
                            "       | ^~~\n");
    parse("listen mx {\n  adress 0.0.0.0:25\n}\n");
    CHECK_INT(run.loaded, MW_OK);
    CHECK_INT(mw_conf_check(&run.arena, run.root->blocks, rules, RULE_COUNT, NULL, 0, run.diags,
                            run.values),
              MW_ERR_CONFIG);
    print_run(&run);
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:2:3: error: unknown directive 'adress' in block 'listen'\n"
              "     2 |   adress 0.0.0.0:25\n"
              "       |   ^~~~~~\n"
              "       = did you mean 'address'?\n");
    fini();
}

TEST(error_unknown_block_has_a_near_name)
{
    parse("listne mx { }\nupstream u { resolver { }\n what { }\n}\n");
    CHECK_INT(mw_conf_check_kinds(&run.arena, run.root, kinds, run.diags), MW_ERR_CONFIG);
    CHECK_INT(mw_conf_check_kinds(&run.arena, run.root->blocks->next, kinds, run.diags),
              MW_ERR_CONFIG);
    print_run(&run);
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:1:1: error: unknown block 'listne'\n"
              "     1 | listne mx { }\n"
              "       | ^~~~~~\n"
              "       = did you mean 'listen'?\n"
              "t.conf:3:2: error: unknown block 'what' in block 'upstream'\n"
              "     3 |  what { }\n"
              "       |  ^~~~\n");
    CHECK_INT(mw_conf_check_kinds(&run.arena, run.root->blocks, kinds, run.diags), MW_OK);
    fini();
}

TEST(error_missing_directive)
{
    parse("filter f {\n}\n");
    CHECK_INT(
        mw_conf_check(&run.arena, run.root->blocks, needed, 2, NULL, 0, run.diags, run.values),
        MW_ERR_CONFIG);
    print_run(&run);
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:1:1: error: the directive 'module' is missing in block 'filter f'\n"
              "     1 | filter f {\n"
              "       | ^~~~~~\n"
              "       = module: a word, or text in quotes\n");
    CHECK_INT(run.values[0].count, 0);
    CHECK_INT(mw_conf_check(&run.arena, run.root, needed, 2, NULL, 0, run.diags, run.values),
              MW_ERR_CONFIG);
    print_run(&run);
    CHECK(strstr(run.printed, "error: the directive 'module' is missing\n") == run.printed);
    fini();
}

TEST(error_given_twice_names_the_first)
{
    CHECK_ERRORS("tls off\n\ntls required\n", "t.conf:3:1: error: 'tls' is given twice\n"
                                              "     3 | tls required\n"
                                              "       | ^~~\n"
                                              "       = first given at t.conf:1\n");
}

TEST(error_number_of_values)
{
    CHECK_ERRORS("tls\n", "t.conf:1:1: error: 'tls' needs a value: one of off, starttls, required, "
                          "implicit\n"
                          "     1 | tls\n"
                          "       | ^~~\n");
    CHECK_ERRORS("max-errors 5 6  seven # x\n",
                 "t.conf:1:14: error: 'max-errors' takes one value, not 3\n"
                 "     1 | max-errors 5 6  seven # x\n"
                 "       |              ^~~~~~~~\n");
    CHECK_ERRORS("address 1.1.1.1:1 1.1.1.1:2 1.1.1.1:3 \\\n 1.1.1.1:4 1.1.1.1:5\n",
                 "t.conf:2:12: error: 'address' takes at most 4 values, not 5\n"
                 "     2 |  1.1.1.1:4 1.1.1.1:5\n"
                 "       |            ^~~~~~~~~\n");
    CHECK_ERRORS("log\n", "t.conf:1:1: error: 'log' needs a value: a word, or text in quotes\n"
                          "     1 | log\n"
                          "       | ^~~\n");
}

/* ---- errors of value ---- */

TEST(error_choice_lists_the_choices)
{
    CHECK_ERRORS("tls startls\n",
                 "t.conf:1:5: error: 'startls' is not one of off, starttls, required, implicit\n"
                 "     1 | tls startls\n"
                 "       |     ^~~~~~~\n"
                 "       = did you mean 'starttls'?\n");
    CHECK_ERRORS("tls \"\"\n",
                 "t.conf:1:5: error: '' is not one of off, starttls, required, implicit\n"
                 "     1 | tls \"\"\n"
                 "       |     ^~\n");
}

TEST(error_bool)
{
    CHECK_ERRORS("require yes\n", "t.conf:1:9: error: 'yes' is neither 'on' nor 'off'\n"
                                  "     1 | require yes\n"
                                  "       |         ^~~\n"
                                  "       = did you mean 'on'?\n");
    CHECK_ERRORS("require FALSE\n", "t.conf:1:9: error: 'FALSE' is neither 'on' nor 'off'\n"
                                    "     1 | require FALSE\n"
                                    "       |         ^~~~~\n"
                                    "       = did you mean 'off'?\n");
}

TEST(error_count_and_its_range)
{
    CHECK_ERRORS("max-errors many\n", "t.conf:1:12: error: 'many' is not a number\n"
                                      "     1 | max-errors many\n"
                                      "       |            ^~~~\n");
    CHECK_ERRORS("max-errors 1001\n",
                 "t.conf:1:12: error: '1001' is out of range: 'max-errors' takes 1 to 1000\n"
                 "     1 | max-errors 1001\n"
                 "       |            ^~~~\n");
    CHECK_ERRORS(
        "max-errors 99999999999999999999\n",
        "t.conf:1:12: error: '99999999999999999999' is out of range: 'max-errors' takes 1 to "
        "1000\n"
        "     1 | max-errors 99999999999999999999\n"
        "       |            ^~~~~~~~~~~~~~~~~~~~\n");
    parse("module m\nport 0\n");
    mw_diags_free(&run.diags);
    run.diags = mw_diags_new();
    CHECK_INT(mw_conf_check(&run.arena, run.root, needed, 2, NULL, 0, run.diags, run.values),
              MW_ERR_CONFIG);
    print_run(&run);
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:2:6: error: '0' is out of range: 'port' takes 1 or more\n");
    fini();
}

TEST(error_size_and_its_range)
{
    CHECK_ERRORS("max-size 5Mb\n",
                 "t.conf:1:10: error: '5Mb' is not a size\n"
                 "     1 | max-size 5Mb\n"
                 "       |          ^~~\n"
                 "       = a number and one of B, kB, MB, GB, KiB, MiB, GiB, as in 50MB\n");
    CHECK_ERRORS("max-size 1000\n",
                 "t.conf:1:10: error: '1000' is out of range: 'max-size' takes 1KiB to 1024GiB\n"
                 "     1 | max-size 1000\n"
                 "       |          ^~~~\n");
}

TEST(error_duration_says_which_units_exist)
{
    CHECK_ERRORS("timeout 30\n", "t.conf:1:9: error: '30' has no unit\n"
                                 "     1 | timeout 30\n"
                                 "       |         ^~\n"
                                 "       = add one of ms, s, m, h, d, as in 30s\n");
    CHECK_ERRORS("timeout soon\n", "t.conf:1:9: error: 'soon' is not a time\n"
                                   "     1 | timeout soon\n"
                                   "       |         ^~~~\n"
                                   "       = a number and one of ms, s, m, h, d, as in 30s\n");
    CHECK_ERRORS("timeout 0\n", "t.conf:1:9: error: '0' is out of range: 'timeout' takes 1s to 1d\n"
                                "     1 | timeout 0\n"
                                "       |         ^\n");
}

TEST(error_endpoint_says_what_it_lacks)
{
    CHECK_ERRORS("address 127.0.0.1\n",
                 "t.conf:1:9: error: '127.0.0.1' is not an address with a port\n"
                 "     1 | address 127.0.0.1\n"
                 "       |         ^~~~~~~~~\n"
                 "       = a port is missing, as in 127.0.0.1:25\n");
    CHECK_ERRORS("address ::1\n",
                 "t.conf:1:9: error: '::1' is not an address with a port\n"
                 "     1 | address ::1\n"
                 "       |         ^~~\n"
                 "       = an IPv6 address needs brackets and a port, as in [::1]:25\n");
    CHECK_ERRORS("address mx.example.test:25\n",
                 "t.conf:1:9: error: 'mx.example.test:25' is not an address with a port\n"
                 "     1 | address mx.example.test:25\n"
                 "       |         ^~~~~~~~~~~~~~~~~~\n"
                 "       = an address such as 127.0.0.1:25, [::1]:25 or unix:/run/x\n");
    CHECK_ERRORS("address 127.0.0.1:99999\n",
                 "t.conf:1:9: error: the port in '127.0.0.1:99999' is above 65535\n"
                 "     1 | address 127.0.0.1:99999\n"
                 "       |         ^~~~~~~~~~~~~~~\n");
    char text[256] = "address unix:/";
    memset(text + strlen(text), 'x', 120);
    parse(text);
    CHECK(strstr(run.printed, "error: the path of a socket has at most 107 octets, not 121\n") !=
          NULL);
    fini();
}

TEST(error_network)
{
    CHECK_ERRORS("trust 10.1.2.3/8\n",
                 "t.conf:1:7: error: '10.1.2.3/8' has bits set behind its prefix\n"
                 "     1 | trust 10.1.2.3/8\n"
                 "       |       ^~~~~~~~~~\n"
                 "       = did you mean 10.0.0.0/8?\n");
    CHECK_ERRORS("trust 2001:db8::1/33\n",
                 "t.conf:1:7: error: '2001:db8::1/33' has bits set behind its prefix\n"
                 "     1 | trust 2001:db8::1/33\n"
                 "       |       ^~~~~~~~~~~~~~\n"
                 "       = did you mean 2001:db8::/33?\n");
    CHECK_ERRORS("trust localhost\n", "t.conf:1:7: error: 'localhost' is not a network\n"
                                      "     1 | trust localhost\n"
                                      "       |       ^~~~~~~~~\n"
                                      "       = a network such as 192.0.2.0/24 or 2001:db8::/32\n");
}

/* ---- errors of syntax ---- */

TEST(error_block_defined_twice_names_the_first_place)
{
    CHECK_ERRORS(
        "listen mx {\n}\nlisten mx { a b }\n",
        "t.conf:3:1: error: block 'listen mx' is defined twice\n"
        "     3 | listen mx { a b }\n"
        "       | ^~~~~~\n"
        "       = first defined at t.conf:1; 'override' in front changes single directives "
        "of it\n");
}

TEST(error_override)
{
    CHECK_ERRORS("override listen mx { }\n",
                 "t.conf:1:10: error: there is no block 'listen mx' before this place to override\n"
                 "     1 | override listen mx { }\n"
                 "       |          ^~~~~~\n");
    CHECK_ERRORS("override tls off\n",
                 "t.conf:1:1: error: 'override' stands only in front of a block\n"
                 "     1 | override tls off\n"
                 "       | ^~~~~~~~\n"
                 "       = override KIND NAME { ... }\n");
}

TEST(error_block_left_open_names_its_beginning)
{
    CHECK_ERRORS("tls off\nlisten mx {\n  a b\n",
                 "t.conf:2:1: error: block 'listen mx' is still open at the end of the file\n"
                 "     2 | listen mx {\n"
                 "       | ^~~~~~\n"
                 "       = add a line with '}'\n");
}

TEST(error_braces)
{
    CHECK_ERRORS("}\n", "t.conf:1:1: error: '}' without an open block\n"
                        "     1 | }\n"
                        "       | ^\n");
    CHECK_ERRORS("{ }\n", "t.conf:1:1: error: a block begins with its kind\n"
                          "     1 | { }\n"
                          "       | ^\n"
                          "       = KIND NAME { ... }\n");
    CHECK_ERRORS("a b c { }\n", "t.conf:1:7: error: a block has a kind and at most one name\n"
                                "     1 | a b c { }\n"
                                "       |       ^\n"
                                "       = a name with blanks in it needs quotes\n");
    CHECK_ERRORS("a { } tls off\n", "t.conf:1:7: error: a new line is needed behind '}'\n"
                                    "     1 | a { } tls off\n"
                                    "       |       ^~~\n");
    CHECK_ERRORS("a { b { c { d { e { f {\n}\n}\n}\n}\n}\n}\n",
                 "t.conf:1:19: error: blocks nest at most 4 deep\n"
                 "     1 | a { b { c { d { e { f {\n"
                 "       |                   ^\n");
}

TEST(error_stuck_braces_do_not_unbalance_the_file)
{
    CHECK_ERRORS("listen mx{\n a b\n}\nchain c {d e}\ntls off\n",
                 "t.conf:1:8: error: a brace needs blanks around it\n"
                 "     1 | listen mx{\n"
                 "       |        ^~~\n"
                 "       = quote the word if the brace is part of it\n"
                 "t.conf:4:9: error: a brace needs blanks around it\n"
                 "     4 | chain c {d e}\n"
                 "       |         ^~\n"
                 "       = quote the word if the brace is part of it\n"
                 "t.conf:4:12: error: a brace needs blanks around it\n"
                 "     4 | chain c {d e}\n"
                 "       |            ^~\n"
                 "       = quote the word if the brace is part of it\n");
}

TEST(error_lexical_ones_are_all_reported_without_consequences)
{
    CHECK_ERRORS(
        "tls \"off\ntls2 x\nname 'a'b\nname \"\\d\"\n",
        "t.conf:1:5: error: the string is not closed on its line\n"
        "     1 | tls \"off\n"
        "       |     ^~~~\n"
        "t.conf:2:1: error: unknown directive 'tls2'\n"
        "     2 | tls2 x\n"
        "       | ^~~~\n"
        "       = did you mean 'tls'?\n"
        "t.conf:3:9: error: a blank is needed behind the closing quote\n"
        "     3 | name 'a'b\n"
        "       |         ^\n"
        "t.conf:4:1: error: 'name' is given twice\n"
        "     4 | name \"\\d\"\n"
        "       | ^~~~\n"
        "       = first given at t.conf:3\n"
        "t.conf:4:7: error: only \\\" and \\\\ are known in \"...\"; write '...' for text with "
        "backslashes\n"
        "     4 | name \"\\d\"\n"
        "       |       ^~\n");
}

TEST(error_control_characters)
{
    parse_len(MW_LIT("tls \0off\n# \x01\nname a\rb\n"));
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:1:5: error: a NUL octet has no place in this file\n"
              "     1 | tls \\x00off\n"
              "       |     ^~~~\n"
              "t.conf:2:3: error: a control character has no place here\n"
              "     2 | # \\x01\n"
              "       |   ^~~~\n"
              "t.conf:3:7: error: a carriage return without a line feed\n"
              "     3 | name a\\x0db\n"
              "       |       ^~~~\n");
    CHECK_INT(run.checked, MW_ERR_CONFIG);
    fini();
}

TEST(error_include_in_a_text)
{
    CHECK_ERRORS("include x\n", "t.conf:1:1: error: 'include' is not possible here\n"
                                "     1 | include x\n"
                                "       | ^~~~~~~\n");
}

TEST(very_long_lines_pass)
{
    size_t len = 200000;
    char *text = malloc(len);
    memset(text, 'x', len);
    memcpy(text, "name ", 5);
    parse_len(MW_SLICE(text, len));
    free(text);
    CHECK_INT(run.checked, MW_OK);
    CHECK_INT(run.values[NAME].values[0].text.len, 199995);
    fini();
}

/* ---- expansion ---- */

TEST(expansion_of_the_environment)
{
    setenv("MW_TEST_A", "x y { # \"", 1);
    setenv("MW_TEST_EMPTY", "", 1);
    unsetenv("MW_TEST_NONE");
    parse("log ${MW_TEST_A} a${MW_TEST_A}b ${MW_TEST_NONE:-d} ${MW_TEST_EMPTY:-e} "
          "\"${MW_TEST_EMPTY}\" "
          "'${MW_TEST_A}' $ $x \"\\\"${MW_TEST_NONE:-a b}\" ${MW_TEST_NONE:-}");
    CHECK_MEM(run.printed, strlen(run.printed), "");
    static const char *const want[] = {
        "x y { # \"", "ax y { # \"b", "d", "e", "", "${MW_TEST_A}", "$", "$x", "\"a b", ""};
    CHECK_INT(run.values[LOG].count, sizeof want / sizeof *want);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        CHECK_SLICE(run.values[LOG].values[i].text, want[i]);
    fini();
}

TEST(expansion_never_becomes_syntax)
{
    setenv("MW_TEST_A", "override", 1);
    setenv("MW_TEST_B", "{", 1);
    parse("name ${MW_TEST_B}\n");
    CHECK_INT(run.checked, MW_OK);
    CHECK_SLICE(run.values[NAME].values[0].text, "{");
    parse("${MW_TEST_A} x\n");
    CHECK_MEM(run.printed, strlen(run.printed),
              "t.conf:1:1: error: unknown directive 'override'\n"
              "     1 | ${MW_TEST_A} x\n"
              "       | ^~~~~~~~~~~~\n");
    fini();
}

TEST(error_expansion_has_its_caret_in_the_source)
{
    unsetenv("MW_TEST_NONE");
    CHECK_ERRORS("name \"\\\"\\\\${MW_TEST_NONE}\"\n",
                 "t.conf:1:11: error: the environment has no variable 'MW_TEST_NONE'\n"
                 "     1 | name \"\\\"\\\\${MW_TEST_NONE}\"\n"
                 "       |           ^~~~~~~~~~~~~~~\n"
                 "       = set it, or give a default: ${MW_TEST_NONE:-...}\n");
    CHECK_ERRORS("name a${MW_TEST_NONE b\n", "t.conf:1:7: error: '${' without '}'\n"
                                             "     1 | name a${MW_TEST_NONE b\n"
                                             "       |       ^~~~~~~~~~~~~~\n"
                                             "       = a value with blanks in it needs quotes\n");
    CHECK_ERRORS("name ${1}\n",
                 "t.conf:1:6: error: expected ${NAME}, ${NAME:-default}, ${cred:NAME} or "
                 "${file:PATH}\n"
                 "     1 | name ${1}\n"
                 "       |      ^~~~\n");
    CHECK_ERRORS("name ${a:-${b}}\n", "t.conf:1:6: error: ${...} cannot stand inside ${...}\n"
                                      "     1 | name ${a:-${b}}\n"
                                      "       |      ^~~~~~~~~\n");
    setenv("MW_TEST_A", "a\nb", 1);
    CHECK_ERRORS("name ${MW_TEST_A}\n",
                 "t.conf:1:6: error: what stands there holds a control character\n"
                 "     1 | name ${MW_TEST_A}\n"
                 "       |      ^~~~~~~~~~~~\n");
}

TEST(error_credentials)
{
    unsetenv("CREDENTIALS_DIRECTORY");
    CHECK_ERRORS("name ${cred:key}\n",
                 "t.conf:1:6: error: CREDENTIALS_DIRECTORY is not set\n"
                 "     1 | name ${cred:key}\n"
                 "       |      ^~~~~~~~~~~\n"
                 "       = the service manager sets it (LoadCredential= of systemd); ${file:PATH} "
                 "reads any file\n");
    CHECK_ERRORS("name ${cred:../key}\n",
                 "t.conf:1:6: error: a credential is named by a plain file name\n"
                 "     1 | name ${cred:../key}\n"
                 "       |      ^~~~~~~~~~~~~~\n");
    setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1);
    CHECK_ERRORS("name ${cred:key}\n",
                 "t.conf:1:6: error: cannot read '/nonexistent/key': No such file or directory\n"
                 "     1 | name ${cred:key}\n"
                 "       |      ^~~~~~~~~~~\n");
    unsetenv("CREDENTIALS_DIRECTORY");
}

TEST(expansion_cannot_multiply)
{
    char text[8192] = "name ";
    char value[1001];
    memset(value, 'v', 1000);
    value[1000] = '\0';
    setenv("MW_TEST_A", value, 1);
    for (size_t i = 5; i + 13 < 2000; i += 12)
        memcpy(text + i, "${MW_TEST_A}", 13);
    parse(text);
    CHECK(strstr(run.printed, "error: the value is longer than 64 KiB\n") != NULL);
    fini();
}

/* ---- files ---- */

static char folder[64];

static bool put_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    return file != NULL && fputs(text, file) >= 0 && fclose(file) == 0;
}

/* A fresh working directory with conf.d/ in it, so that names in messages are the same on every
 * machine. */
static bool enter_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/mailweir-conf-XXXXXX");
    return mkdtemp(folder) != NULL && chdir(folder) == 0 && mkdir("conf.d", 0700) == 0;
}

static void leave_folder(void)
{
    char command[128];
    fini();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (chdir("/") != 0 || system(command) != 0)
        mw_test_fail(__FILE__, __LINE__, "cannot remove %s", folder);
}

#define IN_FOLDER(id)            \
    static void id##_body(void); \
    TEST(id)                     \
    {                            \
        CHECK(enter_folder());   \
        id##_body();             \
        leave_folder();          \
    }                            \
    static void id##_body(void)

IN_FOLDER(load_reads_a_directory_in_lexical_order)
{
    CHECK(put_file("conf.d/20-b.conf", "b 2\noverride listen mx { tls off }\n"));
    CHECK(put_file("conf.d/10-a.conf", "a 1\nlisten mx { tls on }\n"));
    CHECK(put_file("conf.d/.hidden.conf", "hidden\n") && put_file("conf.d/x.conf.bak", "backup\n"));
    CHECK_LOAD("conf.d", "");
    CHECK_TREE("a 1 ; b 2 ; listen mx { tls off ; } ");
    CHECK_LOAD("conf.d/", "");
    CHECK_TREE("a 1 ; b 2 ; listen mx { tls off ; } ");
    CHECK_LOAD("conf.d/10-a.conf", "");
    CHECK_TREE("a 1 ; listen mx { tls on ; } ");
}

IN_FOLDER(load_of_nothing_is_an_error)
{
    CHECK_LOAD("conf.d", "error: no file *.conf in the directory 'conf.d'\n");
    CHECK_INT(run.loaded, MW_ERR_CONFIG);
    CHECK(run.root != NULL);
    CHECK_LOAD("none", "error: cannot read 'none': No such file or directory\n");
    CHECK(mkdir("conf.d/a.conf", 0700) == 0);
    CHECK_LOAD("conf.d", "error: cannot read 'conf.d/a.conf': Is a directory\n");
}

IN_FOLDER(load_goes_on_behind_an_unreadable_file)
{
    CHECK(symlink("nowhere", "conf.d/10.conf") == 0 && put_file("conf.d/20.conf", "a 1\n}\n"));
    CHECK_LOAD("conf.d", "error: cannot read 'conf.d/10.conf': No such file or directory\n"
                         "conf.d/20.conf:2:1: error: '}' without an open block\n"
                         "     2 | }\n"
                         "       | ^\n");
    CHECK_INT(run.root->directives->word_count, 2);
}

IN_FOLDER(load_refuses_a_huge_file)
{
    FILE *file = fopen("conf.d/a.conf", "w");
    CHECK(file != NULL && ftruncate(fileno(file), (1 << 20) + 1) == 0 && fclose(file) == 0);
    CHECK_LOAD("conf.d", "error: cannot read 'conf.d/a.conf': it is larger than 1 MiB\n");
}

IN_FOLDER(load_names_duplicates_across_files)
{
    CHECK(put_file("conf.d/10.conf", "\nlisten mx { }\n"));
    CHECK(put_file("conf.d/20.conf", "listen mx { }\n"));
    CHECK_LOAD("conf.d",
               "conf.d/20.conf:1:1: error: block 'listen mx' is defined twice\n"
               "     1 | listen mx { }\n"
               "       | ^~~~~~\n"
               "       = first defined at conf.d/10.conf:2; 'override' in front changes single "
               "directives of it\n");
}

IN_FOLDER(include_is_relative_to_its_file_and_sorted)
{
    CHECK(mkdir("conf.d/more", 0700) == 0);
    CHECK(put_file("conf.d/a.conf",
                   "a 1\ninclude more/*.inc\nlisten mx {\n include more/mx.in\n}\nz 1\n"));
    CHECK(put_file("conf.d/more/2.inc", "two 2\n") && put_file("conf.d/more/1.inc", "one 1\n"));
    CHECK(put_file("conf.d/more/mx.in", "tls off\n"));
    CHECK_LOAD("conf.d", "");
    CHECK_TREE("a 1 ; one 1 ; two 2 ; z 1 ; listen mx { tls off ; } ");
}

IN_FOLDER(include_folder_name_is_not_a_pattern)
{
    CHECK(mkdir("a[b]*", 0700) == 0 && put_file("a[b]*/x.conf", "include *.inc\n"));
    CHECK(put_file("a[b]*/y.inc", "y 1\n"));
    CHECK_LOAD("a[b]*/x.conf", "");
    CHECK_TREE("y 1 ; ");
}

IN_FOLDER(include_errors_stand_at_the_include)
{
    CHECK(put_file("conf.d/a.conf", "include none.inc no*.inc\ninclude\ninclude a.conf\n"));
    CHECK_LOAD("conf.d",
               "conf.d/a.conf:1:9: error: there is no file 'conf.d/none.inc'\n"
               "     1 | include none.inc no*.inc\n"
               "       |         ^~~~~~~~\n"
               "conf.d/a.conf:1:18: warning: no file matches 'no*.inc'\n"
               "     1 | include none.inc no*.inc\n"
               "       |                  ^~~~~~~\n"
               "conf.d/a.conf:2:1: error: 'include' needs the name of a file, or a pattern\n"
               "     2 | include\n"
               "       | ^~~~~~~\n"
               "conf.d/a.conf:3:9: error: cannot read 'conf.d/a.conf': it is being read already: "
               "it includes itself\n"
               "     3 | include a.conf\n"
               "       |         ^~~~~~\n");
}

IN_FOLDER(include_depth_is_limited)
{
    for (int i = 0; i < 12; i++) {
        char name[32], text[32];
        snprintf(name, sizeof name, "%d.inc", i);
        snprintf(text, sizeof text, "d %d\ninclude %d.inc\n", i, i + 1);
        CHECK(put_file(name, text));
    }
    CHECK_LOAD("0.inc",
               "8.inc:2:9: error: cannot read '9.inc': files include each other more than 8 deep\n"
               "     2 | include 9.inc\n"
               "       |         ^~~~~\n");
}

IN_FOLDER(include_number_of_files_is_limited)
{
    struct mw_buf text = {0};
    CHECK(put_file("x.inc", "x 1\n"));
    for (int i = 0; i < 300; i++)
        mw_buf_put(&text, MW_LIT("include x.inc\n"));
    char *copy = mw_buf_detach_cstr(&text);
    bool is_put = put_file("a.conf", copy);
    free(copy);
    CHECK(is_put);
    CHECK_LOAD("a.conf", "a.conf:256:9: error: more than 256 files\n"
                         "   256 | include x.inc\n"
                         "       |         ^~~~~\n");
}

IN_FOLDER(include_cannot_close_or_leave_open_a_block)
{
    CHECK(put_file("conf.d/a.conf", "listen mx {\ninclude close.inc\ninclude open.inc\n}\n"));
    CHECK(put_file("conf.d/close.inc", "}\n") && put_file("conf.d/open.inc", "sub {\n"));
    CHECK_LOAD("conf.d",
               "conf.d/close.inc:1:1: error: '}' without an open block\n"
               "     1 | }\n"
               "       | ^\n"
               "conf.d/open.inc:1:1: error: block 'sub' is still open at the end of the file\n"
               "     1 | sub {\n"
               "       | ^~~\n"
               "       = add a line with '}'\n");
}

IN_FOLDER(paths_are_relative_to_the_naming_file)
{
    char want[128];
    CHECK(put_file("conf.d/a.conf", "state-dir lib\naddress unix:sock\ncertificate *.pem b.pem\n"));
    CHECK(put_file("conf.d/b.pem", "") && put_file("conf.d/a.pem", ""));
    CHECK_LOAD("conf.d", "");
    CHECK_INT(
        mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, NULL, 0, run.diags, run.values),
        MW_OK);
    snprintf(want, sizeof want, "%s/conf.d/lib", folder);
    CHECK_SLICE(run.values[STATE_DIR].values[0].text, want);
    snprintf(want, sizeof want, "%s/conf.d/sock", folder);
    CHECK_SLICE(mw_slice_cstr(run.values[ADDRESS].values[0].endpoint.path), want);
    CHECK_INT(run.values[CERTIFICATE].count, 3);
    CHECK_SLICE(run.values[CERTIFICATE].values[0].text, "conf.d/a.pem");
    CHECK_SLICE(run.values[CERTIFICATE].values[1].text, "conf.d/b.pem");
    CHECK_SLICE(run.values[CERTIFICATE].values[2].text, "conf.d/b.pem");
}

IN_FOLDER(files_plain_must_exist_patterns_need_not)
{
    CHECK(put_file("a.conf", "certificate no.pem no*.pem\n"));
    load("a.conf");
    CHECK_INT(
        mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, NULL, 0, run.diags, run.values),
        MW_ERR_CONFIG);
    print_run(&run);
    CHECK_MEM(run.printed, strlen(run.printed),
              "a.conf:1:13: error: there is no file 'no.pem'\n"
              "     1 | certificate no.pem no*.pem\n"
              "       |             ^~~~~~\n"
              "a.conf:1:20: warning: no file matches 'no*.pem'\n"
              "     1 | certificate no.pem no*.pem\n"
              "       |                    ^~~~~~~\n");
}

IN_FOLDER(expansion_of_files_takes_the_first_line_and_keeps_it_secret)
{
    CHECK(put_file("conf.d/secret", "hush\r\nsecond\n") && put_file("conf.d/bad", "a\x01\n"));
    CHECK(put_file("conf.d/a.conf",
                   "name ${file:secret}\nmax-errors ${cred:secret}\nlog ${file:bad}\n"));
    setenv("CREDENTIALS_DIRECTORY", "conf.d", 1);
    load("conf.d");
    unsetenv("CREDENTIALS_DIRECTORY");
    CHECK_INT(
        mw_conf_check(&run.arena, run.root, rules, RULE_COUNT, NULL, 0, run.diags, run.values),
        MW_ERR_CONFIG);
    print_run(&run);
    CHECK_MEM(run.printed, strlen(run.printed),
              "conf.d/a.conf:2:12: error: the value read from a file is not a number\n"
              "     2 | max-errors ${cred:secret}\n"
              "       |            ^~~~~~~~~~~~~~\n"
              "conf.d/a.conf:3:5: error: what stands there holds a control character\n"
              "     3 | log ${file:bad}\n"
              "       |     ^~~~~~~~~~~\n");
    CHECK_SLICE(run.values[NAME].values[0].text, "hush");
}
