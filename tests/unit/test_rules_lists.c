/* test_rules_lists.c - lists that are at hand: values on the spot, files, networks, patterns, Postfix
 * maps, LMDB; their size and speed. Reading anew: test_rules_list_reload.c. */
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "list_kit.h"
#include "list_priv.h"
#include "test.h"

static struct list_kit kit;

static const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *text(const char *format, ...)
{
    static char texts[4][2048];
    static unsigned turn;
    char *out = texts[turn++ % 4];
    va_list args;
    va_start(args, format);
    vsnprintf(out, sizeof texts[0], format, args);
    va_end(args);
    return out;
}

/* ---- kinds and fields ---- */

static void check_hosts(void)
{
    CHECK_HAS("a.example");
    CHECK_HAS("A.EXAMPLE.");
    CHECK_HAS("x.b.example");
    CHECK_HAS("y.X.b.Example");
    CHECK_HAS_NOT("b.example");
    CHECK_HAS_NOT("x.a.example");
    CHECK_HAS_NOT("xb.example");
    CHECK_HAS_NOT("example");
    CHECK_HAS_NOT("");
    CHECK_HAS_NOT(".");
}

static void check_addresses(void)
{
    CHECK_HAS("bob@a.example");
    CHECK_HAS("bob@A.Example");
    CHECK_HAS_NOT("Bob@a.example"); /* RFC 5321 2.4 */
    CHECK_HAS("any.one@B.example");
    CHECK_HAS("\"x@y\"@b.example");
    CHECK_HAS_NOT("a@x.b.example");
    CHECK_HAS_NOT("bob");
    CHECK_HAS("postmaster");
}

static void check_networks(void)
{
    CHECK_HAS("10.0.0.0");
    CHECK_HAS("10.255.255.255");
    CHECK_HAS_NOT("9.255.255.255");
    CHECK_HAS_NOT("11.0.0.0");
    CHECK_HAS("192.0.2.7");
    CHECK_HAS_NOT("192.0.2.6");
    CHECK_HAS_NOT("192.0.2.8");
    CHECK_HAS("2001:db8:ffff::1");
    CHECK_HAS_NOT("2001:db9::1");
    CHECK_HAS("fd00::7");
    CHECK_HAS_NOT("fd00::8");
}

TEST(values_on_the_spot_fit_each_type_of_field)
{
    kit_init(&kit);
    LOAD("a.example, .b.example, A.example", "helo");
    check_hosts();
    LOAD("<bob@a.example>, @b.example, postmaster", "sender");
    check_addresses();
    LOAD("10.0.0.0/8, 10.1.0.0/16, 192.0.2.7, 2001:db8::/32, fd00::7, 10.1.2.3", "client.ip");
    check_networks();
    LOAD("\"two words\", One, \"\"", "subject");
    CHECK_HAS("two words");
    CHECK_HAS("One");
    CHECK_HAS_NOT("one");
    CHECK_HAS("");
    LOAD("X-Spam, Subject", "header.names");
    CHECK_HAS("x-spam");
    CHECK_HAS_NOT("x-spa");
    kit_fini(&kit);
}

TEST(files_fit_each_type_of_field)
{
    kit_init(&kit);
    kit_write(&kit, "hosts",
              "\xef\xbb\xbf# names\r\n  a.example # one\r\n\r\n.b.example\t\na.example");
    LOAD("file \"hosts\"", "helo");
    check_hosts();
    kit_write(&kit, "addresses", "bob@a.example\n@b.example\npostmaster\n");
    LOAD("file \"addresses\"", "rcpt");
    check_addresses();
    kit_write(&kit, "nets",
              "10.1.2.0/24\n10.0.0.0/8\n192.0.2.7\n2001:db8:1::/48\n2001:db8::/32\nfd00::7\n");
    LOAD("cidr \"nets\"", "client.ip");
    check_networks();
    LOAD("file \"nets\"", "client.ip");
    check_networks();
    kit_write(&kit, "empty", "");
    LOAD("file \"empty\"", "helo");
    CHECK_HAS_NOT("a.example");
    LOAD("file \"empty\"", "client.ip");
    CHECK_HAS_NOT("10.0.0.1");
    kit_write(&kit, "texts", "One\n");
    LOAD("file \"texts\"", "subject");
    CHECK_HAS("One");
    CHECK_HAS_NOT("one");
    CHECK_HAS_NOT("One\n");
    CHECK_HAS_NOT("On");
    kit_fini(&kit);
}

TEST(network_of_everything_holds_both_families)
{
    kit_init(&kit);
    LOAD("::/0", "client.ip");
    CHECK_HAS("192.0.2.1");
    CHECK_HAS("2001:db8::1");
    LOAD("0.0.0.0/0", "client.ip");
    CHECK_HAS("192.0.2.1");
    CHECK_HAS_NOT("2001:db8::1");
    kit_fini(&kit);
}

/* The index against a plain search. */
TEST(networks_at_random_are_found_as_by_plain_search)
{
    enum { NETS = 300, LOOKS = 20000 };
    static uint32_t nets[NETS], masks[NETS];
    uint64_t seed = 4711;
    char path[160];
    kit_init(&kit);
    snprintf(path, sizeof path, "%s", kit_path(&kit, "nets"));
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    for (unsigned i = 0; i < NETS; i++) {
        unsigned prefix = 8 + (unsigned)(mw_test_random(&seed) % 25);
        masks[i] = UINT32_MAX << (32 - prefix);
        nets[i] = (uint32_t)mw_test_random(&seed) & 0x0fffffff & masks[i];
        fprintf(file, "%u.%u.%u.%u/%u\n", nets[i] >> 24, nets[i] >> 16 & 255, nets[i] >> 8 & 255,
                nets[i] & 255, prefix);
    }
    fclose(file);
    LOAD("cidr \"nets\"", "client.ip");
    for (unsigned i = 0; i < LOOKS; i++) {
        uint32_t ip = (uint32_t)mw_test_random(&seed) & 0x0fffffff;
        unsigned char octets[16] = {[10] = 0xff, [11] = 0xff};
        if (i % 2) /* near an edge */
            ip = nets[ip % NETS] + (ip >> 16 & 3) - 1;
        bool is_there = false;
        for (unsigned n = 0; n < NETS; n++)
            is_there = is_there || (ip & masks[n]) == nets[n];
        for (unsigned n = 0; n < 4; n++)
            octets[12 + n] = (unsigned char)(ip >> (24 - 8 * n));
        CHECK_INT(kit_has_text(&kit, SLICE((char *)octets, 16), NULL), is_there);
    }
    kit_fini(&kit);
}

TEST(patterns_match_texts_and_octets)
{
    kit_init(&kit);
    LOAD("regex /viagra/i, /^\\d+$/", "subject");
    CHECK_HAS("buy VIAGRA now");
    CHECK_HAS("123");
    CHECK_HAS_NOT("x123");
    CHECK_HAS("\xff viagra"); /* no UTF-8 */
    kit_write(&kit, "patterns", "# patterns\n/casino/i   # one\n\n/^gr\xc3\xbc\xc3\x9f.$/\n");
    LOAD("regex \"patterns\"", "subject");
    CHECK_HAS("Casino");
    CHECK_HAS("gr\xc3\xbc\xc3\x9f\xc3\xa9"); /* . is a character */
    CHECK_HAS_NOT("gr\xc3\xbc\xc3\x9f");
    LOAD("regex /^..$/", "raw.body");
    CHECK_HAS("\xc3\xa9");
    CHECK_HAS_NOT("\xc3");
    kit_fini(&kit);
}

TEST(pattern_that_hits_its_limit_is_a_failure)
{
    const char *error = NULL;
    kit_init(&kit);
    LOAD("regex /^(a+)+$/, /^b/", "subject");
    CHECK_INT(kit_has(&kit, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", &error), LIST_FAILED);
    CHECK(strstr(error, "limit") != NULL);
    CHECK_HAS("b");
    kit_fini(&kit);
}

/* ---- Postfix maps: access(5), postmap(1) ---- */

static const char map[] = "# comment\n"
                          "example.net    REJECT\n"
                          "good.example.net\n"
                          "# in between\n"
                          "    OK\n"
                          ".dotted.example  550 no\n"
                          "Bob@Mixed.Example REJECT go away\n"
                          "root@  DISCARD\n"
                          "192.168  REJECT\n"
                          "192.168.7 OK\n"
                          "10.1.2.3 REJECT\n"
                          "2001:db8 REJECT\n"
                          "\"quoted key\" REJECT\n"
                          "\"with \\\" quote\" REJECT\n";

TEST(postfix_maps_are_read_as_postfix_reads_them)
{
    kit_init(&kit);
    kit_write(&kit, "access", map);
    LOAD("postfix \"access\"", "helo");
    CHECK_HAS("example.net");
    CHECK_HAS("a.b.EXAMPLE.net");
    CHECK_HAS("x.dotted.example");
    CHECK_HAS_NOT("dotted.example");
    CHECK_HAS_NOT("badexample.net");
    CHECK_HAS("good.example.net");
    LOAD("postfix \"access\" value reject, 550", "helo");
    CHECK_HAS("example.net");
    CHECK_HAS_NOT("good.example.net");
    CHECK_HAS_NOT("x.good.example.net");
    CHECK_HAS("x.dotted.example");
    LOAD("postfix \"access\" value REJECT", "client.ip");
    CHECK_HAS("192.168.1.1");
    CHECK_HAS_NOT("192.168.7.1");
    CHECK_HAS("10.1.2.3");
    CHECK_HAS_NOT("10.1.2.30");
    CHECK_HAS("2001:db8::1");
    CHECK_HAS_NOT("2001:db9::1");
    LOAD("postfix \"access\"", "sender");
    CHECK_HAS("bob@mixed.example");
    CHECK_HAS("anyone@example.net");
    CHECK_HAS("root@elsewhere.example");
    CHECK_HAS_NOT("roots@elsewhere.example");
    CHECK_HAS_NOT("");
    LOAD("postfix \"access\"", "subject");
    CHECK_HAS("\"quoted key\"");
    CHECK_HAS("\"with \\\" quote\"");
    CHECK_HAS_NOT("quoted key");
    kit_fini(&kit);
}

/* `postmap -q` on the same file is the oracle for keys as they stand. */
TEST(postfix_map_has_the_keys_that_postmap_finds)
{
    static const char *const keys[] = {"example.net",
                                       "good.example.net",
                                       ".dotted.example",
                                       "bob@mixed.example",
                                       "root@",
                                       "192.168",
                                       "none",
                                       "ok",
                                       "\"quoted key\"",
                                       "quoted key"};
    char command[512];
    if (access("/usr/sbin/postmap", X_OK) != 0) {
        printf("note: no postmap here: not compared with it\n");
        return;
    }
    kit_init(&kit);
    kit_write(&kit, "access", map);
    kit_write(&kit, "main.cf", "compatibility_level = 3.6\n");
    LOAD("postfix \"access\"", "subject");
    snprintf(command, sizeof command, "/usr/sbin/postmap -c %s hash:%s/access", kit.dir, kit.dir);
    CHECK_INT(system(command), 0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(command, sizeof command,
                 "/usr/sbin/postmap -c %s -q '%s' hash:%s/access >/dev/null 2>&1", kit.dir, keys[i],
                 kit.dir);
        bool is_there = system(command) == 0;
        CHECK_INT(kit_has(&kit, keys[i], NULL), is_there);
    }
    kit_fini(&kit);
}

/* ---- LMDB ---- */

struct put {
    const char *key, *value;
    bool with_nul;
};

static bool write_lmdb(const char *path, const struct put *puts, unsigned more)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    bool is_good = mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, 64 << 20) == 0 &&
                   mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600) == 0 &&
                   mdb_txn_begin(env, NULL, 0, &txn) == 0 && mdb_dbi_open(txn, NULL, 0, &dbi) == 0;
    for (; is_good && puts->key != NULL; puts++) {
        MDB_val key = {strlen(puts->key) + puts->with_nul, (void *)(uintptr_t)puts->key};
        MDB_val value = {strlen(puts->value), (void *)(uintptr_t)puts->value};
        is_good = mdb_put(txn, dbi, &key, &value, 0) == 0;
    }
    for (unsigned i = 0; is_good && i < more; i++) {
        char text_key[64];
        MDB_val key = {(size_t)snprintf(text_key, sizeof text_key, "host%u.many.example", i * 2),
                       text_key};
        MDB_val value = {1, text_key};
        is_good = mdb_put(txn, dbi, &key, &value, 0) == 0;
    }
    is_good = is_good && mdb_txn_commit(txn) == 0;
    mdb_env_close(env);
    return is_good;
}

static const struct put lmdb_puts[] = {
    {"example.net", "x", false},   {".example.org", "x", false},   {"nul.example", "x", true},
    {"bob@a.example", "x", false}, {"@whole.example", "x", false}, {"10.1.2.3", "x", false},
    {"192.168", "x", true},        {"Text", "x", false},           {0}};

TEST(lmdb_files_of_the_library_are_read)
{
    kit_init(&kit);
    CHECK(write_lmdb(kit_path(&kit, "x.lmdb"), lmdb_puts, 0));
    LOAD("lmdb \"x.lmdb\"", "helo");
    CHECK_HAS("Example.net");
    CHECK_HAS_NOT("x.example.net");
    CHECK_HAS("x.y.example.org");
    CHECK_HAS("nul.example");
    CHECK_HAS_NOT("nul.exampl");
    LOAD("lmdb \"x.lmdb\"", "sender");
    CHECK_HAS("bob@A.example");
    CHECK_HAS("any@whole.example");
    CHECK_HAS("any@example.net");
    CHECK_HAS_NOT("any@sub.example.net");
    LOAD("lmdb \"x.lmdb\"", "client.ip");
    CHECK_HAS("10.1.2.3");
    CHECK_HAS_NOT("10.1.2.4");
    CHECK_HAS("192.168.4.4");
    LOAD("lmdb \"x.lmdb\"", "subject");
    CHECK_HAS("Text");
    CHECK_HAS_NOT("text");
    CHECK_HAS_NOT("Texts");
    kit_fini(&kit);
}

TEST(lmdb_trees_of_several_levels_are_walked)
{
    enum { MANY = 50000 };
    kit_init(&kit);
    CHECK(write_lmdb(kit_path(&kit, "x.lmdb"), lmdb_puts, MANY));
    LOAD("lmdb \"x.lmdb\"", "helo");
    for (unsigned i = 0; i < MANY * 2; i += i % 2 == 0 ? 1 : 17)
        CHECK_INT(kit_has(&kit, text("host%u.many.example", i), NULL), i % 2 == 0);
    kit_fini(&kit);
}

TEST(lmdb_made_by_postmap_is_read)
{
    kit_init(&kit);
    kit_write(&kit, "access", "example.net REJECT\nbob@a.example OK\n10.1 REJECT\n");
    kit_write(&kit, "main.cf", "compatibility_level = 3.6\n");
    if (system(text("/usr/sbin/postmap -c %s lmdb:%s/access >/dev/null 2>&1", kit.dir, kit.dir)) !=
        0) {
        printf("note: postmap cannot make LMDB files here: not tried\n");
    } else {
        LOAD("lmdb \"access.lmdb\"", "helo");
        CHECK_HAS("example.net");
        CHECK_HAS_NOT("example.com");
        LOAD("lmdb \"access.lmdb\"", "client.ip");
        CHECK_HAS("10.1.7.7");
    }
    kit_fini(&kit);
}

/* A writer goes on: each look-up sees the newest commit. */
TEST(lmdb_that_is_written_meanwhile_is_seen)
{
    static const struct put later[] = {{"new.example", "x", false}, {0}};
    kit_init(&kit);
    CHECK(write_lmdb(kit_path(&kit, "x.lmdb"), lmdb_puts, 1000));
    LOAD("lmdb \"x.lmdb\"", "helo");
    CHECK_HAS_NOT("new.example");
    CHECK(write_lmdb(kit_path(&kit, "x.lmdb"), later, 3000));
    CHECK_HAS("new.example");
    CHECK_HAS("example.net");
    kit_fini(&kit);
}

TEST(lmdb_that_is_replaced_is_opened_anew)
{
    static const struct put other[] = {{"other.example", "x", false}, {0}};
    kit_init(&kit);
    CHECK(write_lmdb(kit_path(&kit, "x.lmdb"), lmdb_puts, 0));
    LOAD("lmdb \"x.lmdb\"", "helo");
    kit_start(&kit);
    CHECK(write_lmdb(kit_path(&kit, "y.lmdb"), other, 0));
    CHECK(rename(kit_path(&kit, "y.lmdb"), kit_path(&kit, "x.lmdb")) == 0);
    CHECK(kit_noted(&kit, "list-reloaded", 1));
    CHECK_HAS("other.example");
    CHECK_HAS_NOT("example.net");
    kit_replace(&kit, "x.lmdb", "nothing of the kind\n");
    CHECK(kit_noted(&kit, "list-kept list=l reason=it is cut short", 1));
    CHECK_HAS("other.example");
    kit_fini(&kit);
}

/* Whatever is in the file: an answer or a failure, in time. The whole file, octet by octet. */
TEST(lmdb_that_is_damaged_is_a_failure_and_no_crash)
{
    uint64_t seed = 99;
    char path[160];
    unsigned failures = 0;
    kit_init(&kit);
    snprintf(path, sizeof path, "%s", kit_path(&kit, "x.lmdb"));
    CHECK(write_lmdb(path, lmdb_puts, 2000));
    LOAD("lmdb \"x.lmdb\"", "helo");
    int fd = open(path, O_RDWR);
    off_t len = lseek(fd, 0, SEEK_END);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned char was, now = (unsigned char)mw_test_random(&seed);
        off_t at = (off_t)(mw_test_random(&seed) % (uint64_t)len);
        if (i % 2) /* headers of pages */
            at = at / 4096 * 4096 + at % 160;
        CHECK(pread(fd, &was, 1, at) == 1 && pwrite(fd, &now, 1, at) == 1);
        failures += kit_has(&kit, text("host%u.many.example", i % 4000), NULL) == LIST_FAILED;
        if (i % 3) /* some stay */
            CHECK(pwrite(fd, &was, 1, at) == 1);
    }
    CHECK(failures > 0);
    CHECK(ftruncate(fd, 9000) == 0);
    const char *error = NULL;
    CHECK_INT(kit_has(&kit, "example.net", &error), LIST_FAILED);
    CHECK(error != NULL);
    CHECK(ftruncate(fd, 10) == 0);
    close(fd);
    CHECK_ERROR("lmdb \"x.lmdb\"", "helo", "cut short");
    kit_write(&kit, "x.lmdb", text("%0500d", 1));
    CHECK_ERROR("lmdb \"x.lmdb\"", "helo", "no LMDB file");
    CHECK_ERROR("lmdb \"none\"", "helo", "no such file");
    CHECK_ERROR("lmdb \".\"", "helo", "directory");
    kit_fini(&kit);
}

/* ---- errors ---- */

TEST(errors_name_the_place_and_a_way_out)
{
    kit_init(&kit);
    CHECK_ERROR("fiel \"x\"", "helo", "t.rules:1:10:4: error: unknown kind of list 'fiel'");
    CHECK_ERROR("regex file \"x\"", "helo",
                "t.rules:1:16:4: error: expected a text in quotes behind the kind of the list");
    CHECK_ERROR("a b", "helo", "t.rules:1:12:1: error: expected ',' between the values of a list");
    CHECK_ERROR("fiel \"x\"", "helo", "did you mean \"file\"?");
    CHECK_ERROR("ldap \"x\"", "helo", "a list is file, cidr, regex, postfix, lmdb, redis or dnsbl");
    CHECK_ERROR("file \"none\"", "helo", "t.rules:1:15:6: error: cannot read list file");
    kit_write(&kit, "f", "a.example\n  two words\n");
    CHECK_ERROR("file \"f\"", "helo",
                "f:2:3:9: error: more than one word in list \"l\" | one entry a line");
    kit_write(&kit, "f", "a.example\n\n # c\n  bob@b.example\n");
    CHECK_ERROR(
        "file \"f\"", "helo",
        "f:4:3:13: error: \"bob@b.example\" is not a host name or .domain, which list \"l\" "
        "needs because helo is looked up in it");
    CHECK_ERROR("file \"f\"", "sender",
                "f:1:1:9: error: \"a.example\" is not an address or @domain");
    kit_write(&kit, "f", "10.0.0.0/8\n10.0.0.1/8\n");
    CHECK_ERROR("cidr \"f\"", "client.ip", "f:2:1:10: error: \"10.0.0.1/8\" is not an IP address");
    kit_write(&kit, "f", "a\rb\n");
    CHECK_ERROR("file \"f\"", "helo", "f:1:1:3: error: a control character in an entry");
    kit_write(&kit, "f", text("%01030d\n", 1));
    CHECK_ERROR("file \"f\"", "helo", "f:1:1:1030: error: an entry of more than 1024 octets");
    kit_write(&kit, "f", "a OK\nb\n");
    CHECK_ERROR("postfix \"f\"", "helo", "f:2:1:1: error: a key without a value");
    CHECK_ERROR("postfix \"f\" value \n", "helo", "error: expected a word with which values begin");
    kit_write(&kit, "f", "/a/\nb\n/c/ d\n/e/q\n/(/\n");
    CHECK_ERROR("regex \"f\"", "subject", "f:2:1:1: error: expected a pattern between slashes");
    CHECK_ERROR("regex \"f\"", "subject", "f:3:5:1: error: something stands behind the pattern");
    kit_write(&kit, "f", "/e/q\n");
    CHECK_ERROR("regex \"f\"", "subject", "f:1:4:1: error: unknown flag 'q'");
    CHECK_ERROR("regex /(/", "subject", "t.rules:1:18:1: error: regular expression: missing");
    CHECK_ERROR("regex x.txt", "subject", "error: ");
    CHECK_ERROR("regex /x/", "client.ip", "holds patterns, and client.ip is an IP address");
    CHECK_ERROR("file", "client.ip", "\"file\" is not an IP address");
    kit_fini(&kit);
}

TEST(errors_of_a_file_are_counted_above_twenty)
{
    char many[2048] = "";
    kit_init(&kit);
    for (unsigned i = 0; i < 50; i++)
        strcat(many, "a@b.example\n");
    kit_write(&kit, "f", many);
    CHECK_ERROR("file \"f\"", "helo", "... and 30 more problems in list \"l\"");
    CHECK_INT(kit.instance.errors, 21);
    kit_fini(&kit);
}

/* ---- size and speed ---- */

typedef void entry_of(char out[128], uint32_t n);

static void host_entry(char out[128], uint32_t n)
{
    snprintf(out, 128, "host-%u-%u.dyn%u-%u.example", n >> 24, n >> 16 & 255, n >> 8 & 255,
             n & 255);
}

static void address_entry(char out[128], uint32_t n)
{
    snprintf(out, 128, "user.%u.%u@mail%u-%u.example", n >> 24, n >> 16 & 255, n >> 8 & 255,
             n & 255);
}

static void ip4_entry(char out[128], uint32_t n)
{
    snprintf(out, 128, "%u.%u.%u.%u", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255);
}

static void net6_entry(char out[128], uint32_t n)
{
    snprintf(out, 128, "2001:db8:%x:%x:%x:%x::/96", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255);
}

static void million(const char *kind, const char *field, entry_of *make, const char *none)
{
    enum { MANY = 1000000, LOOKS = 100000 };
    char path[160], line[128];
    snprintf(path, sizeof path, "%s", kit_path(&kit, "big"));
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    for (unsigned i = 0; i < MANY; i++) {
        make(line, i * 2654435761u); /* odd: no two alike */
        fprintf(file, "%s\n", line);
    }
    long octets = ftell(file);
    fclose(file);
    double start = mw_test_cpu_s();
    LOAD(text("%s \"big\"", kind), field);
    double loaded = mw_test_cpu_s() - start;
    kit_start(&kit);
    size_t memory = rules_list_find(kit.rules, LIT("l"))->content->memory;
    struct list_set *set = kit_set(&kit);
    static char lines[LOOKS][64];
    static struct value values[LOOKS];
    for (unsigned i = 0; i < LOOKS; i++) { /* made before the clock runs */
        uint32_t prefix;
        make(line, i * 97u % MANY * 2654435761u);
        values[i].text = SLICE(lines[i], strlen(line));
        memcpy(lines[i], line, strlen(line));
        if (set->kind != SET_NETWORK)
            continue;
        CHECK(kit.rules->lang->parse_network(slice_of(line), (unsigned char *)lines[i], &prefix));
        values[i].text.len = 16;
    }
    start = mw_test_cpu_s();
    for (unsigned i = 0; i < LOOKS; i++) {
        const char *error;
        CHECK_INT(rules_list_has(set, &values[i], NULL, &error), LIST_YES);
    }
    double looked = mw_test_cpu_s() - start;
    CHECK_HAS_NOT(none);
    printf("  %s of 1,000,000 for %s: %.1f MB of text, %.1f MB held (x%.2f), loaded in %.2f s, "
           "%.0f ns a "
           "look-up\n",
           kind, field, (double)octets / 1e6, (double)memory / 1e6, (double)memory / (double)octets,
           loaded, looked / LOOKS * 1e9);
    CHECK(memory <= (size_t)octets * 3 / 2);
    CHECK(loaded < 30 && looked / LOOKS < 50e-6); /* sanitizers, a slow machine */
}

TEST(million_entries_load_fast_and_cost_little)
{
    kit_init(&kit);
    million("file", "helo", host_entry, "host-1.example");
    million("file", "sender", address_entry, "user@example");
    million("cidr", "client.ip", ip4_entry, "2001:db8::1");
    million("cidr", "client.ip", net6_entry, "10.0.0.1");
    kit_fini(&kit);
}
