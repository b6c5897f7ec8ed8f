/* From results to actions and replies: RFC 6376 6.3, RFC 7372. */
#include "policy.h"

#include "dkim_kit.h"
#include "test.h"

#define MESSAGE "From: a@example.net\r\n\r\nHello\r\n"

static struct settings settings;

static void begin(enum profile profile, enum require require)
{
    settings = (struct settings){
        .profile = profile, .require = require, .require_where = LIT("a.conf:1")};
    for (int i = 0; i < DKIM_RESULTS; i++)
        settings.acts[i] = (struct choice){ACTION_ADD_HEADER, EMPTY};
}

static struct dkim_check *check_of(const char *domain, const char *record)
{
    struct kit_signer by = {.key = KIT_ED25519,
                            .canons = "relaxed/relaxed",
                            .names = "From",
                            .more = "",
                            .domain = domain,
                            .length = -1};
    return kit_verify(NULL, kit_sign(&by, LIT(MESSAGE)), record);
}

/* "reject/reject 550 5.7.20 text": what is done, what enforce would do, the reply to that. */
static const char *said(const struct dkim_check *check)
{
    static char text[900];
    char room[POLICY_TEXT_MAX];
    struct decision decision = policy_decide(&settings, check);
    int at = snprintf(text, sizeof text, "%s/%s", action_name(decision.action),
                      action_name(decision.would));
    if (decision.would < ACTION_DEFER)
        return text;
    struct reply reply = policy_reply(&decision, decision.would, room);
    snprintf(text + at, sizeof text - (size_t)at, " %u %s %.*s", reply.code, reply.dsn,
             (int)reply.text.len, reply.text.ptr);
    return text;
}

#define CHECK_SAID(check, want)                    \
    do {                                           \
        const char *found_ = said(check);          \
        CHECK_MEM(found_, strlen(found_), (want)); \
    } while (0)

TEST(nothing_is_refused_unless_somebody_says_so)
{
    begin(PROFILE_ENFORCE, REQUIRE_OFF);
    CHECK_SAID(NULL, "add-header/add-header");
    CHECK_SAID(check_of("example.net", kit_record(KIT_ED25519)), "add-header/add-header");
    CHECK_SAID(check_of("example.net", NULL), "add-header/add-header");
}

TEST(a_line_counts_in_every_profile)
{
    begin(PROFILE_OBSERVE, REQUIRE_OFF);
    settings.acts[DKIM_PERMERROR].action = ACTION_REJECT;
    settings.acts[DKIM_NONE].action = ACTION_DEFER;
    settings.acts[DKIM_PASS].action = ACTION_REJECT;
    settings.acts[DKIM_TEMPERROR].action = ACTION_DEFER;
    CHECK_SAID(NULL, "defer/defer 451 4.7.20 No passing DKIM signature found");
    CHECK_SAID(check_of("example.net", NULL),
               "reject/reject 550 5.7.20 No passing DKIM signature found (example.net: no key)");
    CHECK_SAID(check_of("example.net", kit_record(KIT_ED25519)),
               "reject/reject 550 5.7.21 No acceptable DKIM signature found");
}

TEST(a_signature_is_required)
{
    begin(PROFILE_OBSERVE, REQUIRE_ANY);
    CHECK_SAID(NULL, "add-header/reject 550 5.7.20 No passing DKIM signature found");
    settings.profile = PROFILE_ENFORCE;
    CHECK_SAID(NULL, "reject/reject 550 5.7.20 No passing DKIM signature found");
    CHECK_SAID(check_of("example.org", kit_record(KIT_ED25519)), "add-header/add-header");
    settings.require = REQUIRE_AUTHOR;
    CHECK_SAID(check_of("example.org", kit_record(KIT_ED25519)),
               "reject/reject 550 5.7.22 No valid author-matched DKIM signature found");
    CHECK_SAID(check_of("example.net", kit_record(KIT_ED25519)), "add-header/add-header");
    CHECK_SAID(check_of("mail.example.net", kit_record(KIT_ED25519)), "add-header/add-header");
    struct decision decision = policy_decide(&settings, NULL);
    CHECK_SLICE(decision.where, "a.conf:1");
}

TEST(policy_is_not_acceptable)
{
    struct kit_signer by = {.key = KIT_ED25519,
                            .canons = "relaxed/relaxed",
                            .names = "From",
                            .more = " x=1;",
                            .domain = "example.net",
                            .length = -1};
    begin(PROFILE_ENFORCE, REQUIRE_ANY);
    CHECK_SAID(kit_verify(NULL, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_ED25519)),
               "reject/reject 550 5.7.21 No acceptable DKIM signature found (example.net: the "
               "signature has expired)");
}

/* What may pass later is not refused for good. */
TEST(an_unknown_key_defers)
{
    static struct kit_message message;
    struct kit_signer by = {.key = KIT_ED25519,
                            .canons = "relaxed/relaxed",
                            .names = "From",
                            .more = "",
                            .domain = "example.net",
                            .length = -1};
    begin(PROFILE_ENFORCE, REQUIRE_ANY);
    kit_split(&message, kit_sign(&by, LIT(MESSAGE)));
    struct dkim_check *check = dkim_check_new(&kit_setup, message.fields, message.count, EMPTY);
    dkim_check_end(check);
    CHECK_SAID(check, "defer/defer 451 4.7.5 Unable to verify signature - key server unavailable "
                      "(example.net: the key was not there in time)");
    dkim_check_free(&check);
}
