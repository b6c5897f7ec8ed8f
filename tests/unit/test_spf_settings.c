/* What an operator may write, what it means, and what is said where it is wrong. */
#include "spf_fake.h"
#include "test.h"

static struct mw_instance instance;

#define OPEN(spf, text)                             \
    struct spf *spf = fake_open(&instance, (text)); \
    CHECK_SLICE(slice_of(instance.diags), "");      \
    CHECK(spf != NULL)

static enum action act_of(const struct spf *spf, enum identity identity, enum spf_result result)
{
    return spf->settings.acts[identity][result].action;
}

TEST(nothing_said_is_observe)
{
    OPEN(spf, "");
    const struct settings *settings = &spf->settings;
    for (int identity = 0; identity < IDENTITY_COUNT; identity++)
        for (int result = 0; result < SPF_RESULTS; result++)
            CHECK_INT(settings->acts[identity][result].action, ACTION_ADD_HEADER);
    CHECK_INT(settings->would[IDENTITY_MAILFROM][SPF_FAIL].action, ACTION_REJECT);
    CHECK_INT(settings->would[IDENTITY_MAILFROM][SPF_PERMERROR].action, ACTION_REJECT);
    CHECK_INT(settings->would[IDENTITY_MAILFROM][SPF_TEMPERROR].action, ACTION_DEFER);
    CHECK_INT(settings->would[IDENTITY_MAILFROM][SPF_SOFTFAIL].action, ACTION_ADD_HEADER);
    CHECK_INT(settings->skip.networks.count, 2);
    CHECK(settings->skip.is_for_authenticated);
    CHECK_INT(settings->explanation, EXPLANATION_ON);
    CHECK_INT(settings->lookup_ms, 20000);
    /* no header of our own making, no quarantine: no stage behind RCPT */
    CHECK_INT(instance.wanted, MW_STAGE_BIT(MW_STAGE_MAIL) | MW_STAGE_BIT(MW_STAGE_RCPT) |
                                   MW_STAGE_BIT(MW_STAGE_ABORT) | MW_STAGE_BIT(MW_STAGE_CLOSE));
    fake_instance_fini(&instance);
}

TEST(stages_follow_the_settings)
{
    static const struct {
        const char *text;
        bool rcpt, data, headers;
    } rows[] = {
        {"judge mail", false, false, false},
        {"result-header received-spf", true, false, true},
        {"result-header both", true, false, true},
        {"result-header none", true, false, false},
        {"on softfail tag", true, false, true},
        {"on softfail quarantine\nquarantine-address q@example.test", true, true, true},
        {"on-domain example.net fail tag", true, false, true},
        {"on fail helo tag", true, false, false}, /* helo-check header: it decides nothing */
        {"on fail helo tag\nhelo-check reject", true, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(fake_open(&instance, rows[i].text) != NULL);
        CHECK_INT((instance.wanted & MW_STAGE_BIT(MW_STAGE_RCPT)) != 0, rows[i].rcpt);
        CHECK_INT((instance.wanted & MW_STAGE_BIT(MW_STAGE_DATA)) != 0, rows[i].data);
        CHECK_INT((instance.wanted & MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS)) != 0, rows[i].headers);
        CHECK_INT(instance.wanted & MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE), 0); /* it streams */
        fake_instance_fini(&instance);
    }
}

TEST(on_lines_override_the_profile)
{
    OPEN(spf, "profile enforce\n"
              "on softfail tag\n"
              "on fail,permerror mailfrom defer\n"
              "on fail, neutral helo pass\n"
              "helo-check reject\n"
              "on temperror add-header\n");
    CHECK_INT(act_of(spf, IDENTITY_MAILFROM, SPF_SOFTFAIL), ACTION_TAG);
    CHECK_INT(act_of(spf, IDENTITY_HELO, SPF_SOFTFAIL), ACTION_TAG);
    CHECK_INT(act_of(spf, IDENTITY_MAILFROM, SPF_FAIL), ACTION_DEFER);
    CHECK_INT(act_of(spf, IDENTITY_MAILFROM, SPF_PERMERROR), ACTION_DEFER);
    CHECK_INT(act_of(spf, IDENTITY_HELO, SPF_PERMERROR), ACTION_REJECT);
    CHECK_INT(act_of(spf, IDENTITY_HELO, SPF_FAIL), ACTION_PASS);
    CHECK_INT(act_of(spf, IDENTITY_HELO, SPF_NEUTRAL), ACTION_PASS);
    CHECK_INT(act_of(spf, IDENTITY_HELO, SPF_TEMPERROR), ACTION_ADD_HEADER);
    CHECK_SLICE(spf->settings.acts[IDENTITY_MAILFROM][SPF_FAIL].where, "spf.conf:3");
    CHECK_SLICE(spf->settings.acts[IDENTITY_HELO][SPF_PERMERROR].where, "spf.conf:1");
    fake_instance_fini(&instance);
}

TEST(later_on_lines_win)
{
    OPEN(spf, "on fail tag\non fail,softfail reject\non softfail pass\n");
    CHECK_INT(act_of(spf, IDENTITY_MAILFROM, SPF_FAIL), ACTION_REJECT);
    CHECK_INT(act_of(spf, IDENTITY_MAILFROM, SPF_SOFTFAIL), ACTION_PASS);
    fake_instance_fini(&instance);
}

TEST(lists)
{
    OPEN(spf, "skip-networks 192.0.2.0/24 2001:db8::/32\n"
              "skip-networks 198.51.100.7\n"
              "skip-helo mail.Example.NET .b\303\274cher.example\n"
              "skip-recipients postmaster@ @Example.org a@example.net\n"
              "on-domain .example.com,example.net fail,softfail tag\n");
    const struct settings *settings = &spf->settings;
    static const struct {
        const char *ip;
        bool is_in;
    } addresses[] = {{"192.0.2.255", true},      {"192.0.3.0", false},   {"2001:db8:ffff::1", true},
                     {"2001:db9::1", false},     {"198.51.100.7", true}, {"198.51.100.6", false},
                     {"::ffff:192.0.2.9", true}, {"127.0.0.1", false}};
    struct mw_ctx ctx;
    fake_init(&ctx, &instance, spf, "");
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        fake_client(&ctx, addresses[i].ip, "x");
        CHECK_INT(networks_have(&settings->skip.networks, ctx.facts[0].text), addresses[i].is_in);
    }
    CHECK(domains_have(&settings->skip_helo, LIT("MAIL.example.net.")));
    CHECK(!domains_have(&settings->skip_helo, LIT("a.mail.example.net")));
    CHECK(domains_have(&settings->skip_helo, LIT("xn--bcher-kva.example")));
    CHECK(domains_have(&settings->skip_helo, LIT("a.b\303\274cher.example")));
    CHECK(!domains_have(&settings->skip_helo, LIT("xbcher.example")));
    CHECK(!domains_have(&settings->skip_helo, LIT("[192.0.2.1]")));
    CHECK_INT(settings->exception_count, 2);
    CHECK_INT(settings->exceptions[1].results, 1u << SPF_FAIL | 1u << SPF_SOFTFAIL);
    static const struct {
        const char *local, *domain;
        bool is_in;
    } rcpts[] = {{"Postmaster", "example.test", true}, {"b", "EXAMPLE.org", true},
                 {"b", "a.example.org", false},        {"A", "example.net", true},
                 {"b", "example.net", false},          {"postmaster", "[192.0.2.1]", true}};
    for (size_t i = 0; i < sizeof rcpts / sizeof *rcpts; i++) {
        const struct mw_path_view rcpt = {.local = slice_of(rcpts[i].local),
                                          .domain = slice_of(rcpts[i].domain)};
        CHECK_INT(recipients_have(&settings->skip_recipients, &rcpt), rcpts[i].is_in);
    }
    fake_fini(&ctx);
    fake_instance_fini(&instance);
}

TEST(none_empties_a_list)
{
    OPEN(spf, "skip-networks none\n");
    CHECK_INT(spf->settings.skip.networks.count, 0);
    fake_instance_fini(&instance);
}

TEST(local_record_without_quotes)
{
    OPEN(spf, "local-record Example.NET v=spf1 ip4:192.0.2.1 -all\n"
              "local-record example.org \"v=spf1 include:_spf.example.org ~all\"\n");
    CHECK_INT(spf->settings.local_count, 2);
    CHECK_SLICE(spf->settings.locals[0].domain, "example.net");
    CHECK_SLICE(spf->settings.locals[0].record, "v=spf1 ip4:192.0.2.1 -all");
    CHECK_SLICE(spf->settings.locals[1].record, "v=spf1 include:_spf.example.org ~all");
    fake_instance_fini(&instance);
}

/* Each with its caret: line, column, length; the words; a near name or an example. */
TEST(errors_say_where_and_what)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"on fial reject", "spf.conf:1:4+4: error: 'fial' is no result of SPF: none, neutral, "
                           "pass, fail, softfail, temperror or permerror | did you mean 'fail'?\n"},
        {"on fail,sofftail tag",
         "spf.conf:1:9+8: error: 'sofftail' is no result of SPF: none, neutral, pass, fail, "
         "softfail, temperror or permerror | did you mean "
         "'softfail'?\n"},
        {"on fail rejct", "spf.conf:1:9+5: error: 'rejct' is no action: pass, add-header, tag, "
                          "quarantine, defer or reject | did you mean 'reject'?\n"},
        {"on fail", "spf.conf:1:4+4: error: an action is missing behind 'fail': pass, add-header, "
                    "tag, quarantine, defer or reject\n"},
        {"on fail helo", "spf.conf:1:9+4: warning: this has no effect without 'helo-check reject'\n"
                         "spf.conf:1:9+4: error: an action is missing behind 'helo': pass, "
                         "add-header, tag, quarantine, defer or reject\n"},
        {"on fail reject now", "spf.conf:1:16+3: error: nothing is expected behind 'reject' | "
                               "a line is: on RESULT[,RESULT] [helo|mailfrom] ACTION\n"},
        {"on fail reject mailfrom", "spf.conf:1:16+8: error: nothing is expected behind 'reject' | "
                                    "a line is: on RESULT[,RESULT] [helo|mailfrom] ACTION\n"},
        {"on fail mailfrm reject", "spf.conf:1:9+7: error: 'mailfrm' is no identity: mailfrom or "
                                   "helo | did you mean 'mailfrom'?\n"},
        {"on-domain example.net fail tag now",
         "spf.conf:1:32+3: error: nothing is expected behind 'tag' | a line is: on-domain "
         "DOMAIN[,DOMAIN] RESULT[,RESULT] ACTION\n"},
        {"forwarders .forwarder.example",
         "spf.conf:1:12+18: error: '.forwarder.example' is not a network | an address or a network "
         "such as 192.0.2.0/24 or 2001:db8::/32, without bits behind the prefix; a domain stands "
         "in forwarder-domains\n"},
        {"on , reject", "spf.conf:1:4+1: error: '' is no result of SPF: none, neutral, pass, fail, "
                        "softfail, temperror or permerror\n"
                        "spf.conf:1:6+6: error: 'reject' is no result of SPF: none, neutral, pass, "
                        "fail, softfail, temperror or permerror\n"
                        "spf.conf:1:6+6: error: an action is missing behind 'reject': pass, "
                        "add-header, tag, quarantine, defer or reject\n"},
        {"on-domain exa_mple..net fail tag",
         "spf.conf:1:11+13: error: 'exa_mple..net' is not the name of a domain\n"},
        {"on-domain example.net",
         "spf.conf:1:11+11: error: a result and an action are missing behind 'example.net'\n"},
        {"on-domain example.net fail",
         "spf.conf:1:23+4: error: an action is missing behind 'fail': "
         "pass, add-header, tag, quarantine, defer or reject\n"},
        {"skip-networks 192.0.2.1/24",
         "spf.conf:1:15+12: error: '192.0.2.1/24' is not a network | an address or a network such "
         "as 192.0.2.0/24 or 2001:db8::/32, without bits "
         "behind the prefix\n"},
        {"skip-helo [192.0.2.1]",
         "spf.conf:1:11+11: error: '[192.0.2.1]' is not the name of a domain\n"},
        {"skip-recipients alice", "spf.conf:1:17+5: error: 'alice' is not a recipient | "
                                  "someone@example.net, @example.net or someone@\n"},
        {"skip-recipients a@b..c", "spf.conf:1:19+4: error: 'b..c' is not the name of a domain\n"},
        {"judge mail\nskip-recipients a@", "spf.conf:2:17+2: error: recipients cannot be skipped "
                                           "with 'judge mail': none is known there | judge rcpt\n"},
        {"local-record example.net",
         "spf.conf:1:14+11: error: a record is missing behind 'example.net' | local-record "
         "example.net \"v=spf1 ip4:192.0.2.1 -all\"\n"},
        {"local-record .example.net v=spf1",
         "spf.conf:1:14+12: error: a record is of one domain: without the dot in front\n"},
        {"explanation \"see %{x}\"",
         "spf.conf:1:13+10: error: octet 5 of the explanation: only printable ASCII and these "
         "macros may stand there | %{i} client's address, %{s} "
         "sender, %{h} HELO, %{d} domain, %{result}, %% a percent sign; %{S} and so on for use in "
         "a URL\n"},
        {"quarantine-address nobody",
         "spf.conf:1:1+1: error: 'nobody' is not a whole address | quarantine@example.net\n"},
        {"on fail quarantine", "-:0:0+1: error: an action is 'quarantine', but there is no "
                               "quarantine-address | quarantine-address quarantine@example.net\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct spf *spf = fake_open(&instance, rows[i].text);
        CHECK_SLICE(slice_of(instance.diags), rows[i].said);
        CHECK_INT(spf == NULL, rows[i].said[0] != '\0');
        fake_instance_fini(&instance);
    }
}

TEST(local_record_that_is_none)
{
    static const char *const records[] = {"\"v=spf2 -all\"", "\"v=spf1 ipv4:192.0.2.1\"",
                                          "\"v=spf1 ip4:192.0.2.999 -all\"", "hello"};
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        char text[100];
        snprintf(text, sizeof text, "local-record example.net %s", records[i]);
        struct spf *spf = fake_open(&instance, text);
        CHECK_SLICE(slice_of(spf == NULL ? "" : text), "");
        CHECK(strncmp(instance.diags, "spf.conf:1:26+", 14) == 0);
        CHECK(strstr(instance.diags, "error: this record cannot be used: ") != NULL);
        fake_instance_fini(&instance);
    }
}
