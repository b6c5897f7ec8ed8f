/* settings.c - the table of settings, and what is asked of them while mail comes in. */
#include "settings.h"

#include "reader.h"

/* clang-format off */
static const char *const profiles[] = {"observe", "enforce", NULL};
static const char *const helo_checks[] = {"off", "header", "reject", NULL};
static const char *const judges[] = {"rcpt", "mail", NULL};
static const char *const headers[] = {"authentication-results", "received-spf", "both", "none", NULL};

#define CHOICE(of_name, of_default, of_choices, of_help) SETTING(MW_SETTING_CHOICE, of_name, of_default, .choices = of_choices, .help = of_help)
#define WORD(of_name, of_default, of_help) SETTING(MW_SETTING_TEXT, of_name, of_default, .help = of_help)

const struct mw_setting spf_settings[] = {
    CHOICE("profile", "observe", profiles,
        "what is done where no line says otherwise: observe (results in the header, nobody is refused; the log tells what enforce would have done) or enforce "
        "(fail and permerror are rejected, temperror is deferred)"),
    WORDS("on", "",
        "RESULT[,RESULT] [helo|mailfrom] ACTION: what is done with a result, in whatever profile; pass, add-header, tag, quarantine, defer or reject; later lines "
        "win"),
    WORDS("on-domain", "",
        "DOMAIN[,DOMAIN] RESULT[,RESULT] ACTION: the same for mail from these domains (.example.net: it and all below); the first line that fits wins"),
    CHOICE("helo-check", "header", helo_checks,
        "the identity HELO: off (not checked), header (result only) or reject (acted upon as profile and on lines say)"),
    CHOICE("judge", "rcpt", judges, "where the result is awaited and a refusal given: rcpt or mail"),
    CHOICE("result-header", "authentication-results", headers,
        "the field that tells the result: authentication-results, received-spf, both or none"),
    SETTING(MW_SETTING_DURATION, "lookup-time", "20s", .min = 1000, .max = 600000,
        .help = "how long the lookups for one message may take before the result is temperror; should be below deadline (RFC 7208 4.6.4: 20 s or more)"),
    WORDS("skip-networks", "127.0.0.0/8 ::1", "clients that are not checked: addresses and networks; none: nobody"),
    SETTING(MW_SETTING_BOOL, "skip-authenticated", "on", .help = "do not check clients that have authenticated"),
    WORDS("skip-helo", "", "HELO names that are not checked (.example.net: it and all below); anybody can say any name"),
    WORDS("skip-names", "", "verified names of clients that are not checked (.example.net: it and all below)"),
    WORDS("skip-recipients", "", "recipients who are never refused: addresses, @domain, local@; needs judge rcpt"),
    WORDS("forwarders", "", "hosts that forward mail to us on our users' behalf: addresses and networks; their mail is not checked"),
    WORDS("forwarder-domains", "",
        "domains that forward mail to us: where the client's HELO or verified name is one of them or below, and its own SPF passes, the sender's result is not acted "
        "upon"),
    WORDS("local-record", "", "DOMAIN \"v=spf1 ...\": this record in place of the one in the DNS"),
    WORD("explanation", "on",
        "in the reply to a refusal: on (the domain's own explanation, marked as its words), off, or a text of your own with %{i} client, %{s} sender, %{h} HELO, %{d} "
        "domain, %{result}, %%; in capitals as part of a URL"),
    WORD("quarantine-address", "", "where mail goes whose action is quarantine"),
};
_Static_assert(sizeof spf_settings / sizeof *spf_settings == SPF_SETTING_COUNT, "all settings have a row");

/* clang-format on */

static const char *const identities[] = {"mailfrom", "helo", NULL};

const char *identity_name(enum identity identity)
{
    return identities[identity];
}

/* ---- looking things up ---- */

bool settings_may(const struct settings *settings, enum action action)
{
    for (int identity = 0; identity < IDENTITY_COUNT; identity++)
        for (int result = 0; result < SPF_RESULTS; result++)
            if (settings->acts[identity][result].action == action &&
                (identity == IDENTITY_MAILFROM || settings->helo_check == HELO_REJECT))
                return true;
    for (size_t i = 0; i < settings->exception_count; i++)
        if (settings->exceptions[i].choice.action == action)
            return true;
    return false;
}

const struct domain *domains_find(const struct domains *domains, struct mw_slice name)
{
    char normal[DOMAIN_MAX + 1];
    size_t len = domains->count > 0 ? domain_normalize(name, normal) : 0;
    for (size_t i = 0; len > 0 && i < domains->count; i++)
        if (domain_fits(&domains->list[i], SLICE(normal, len)))
            return &domains->list[i];
    return NULL;
}

bool domains_have(const struct domains *domains, struct mw_slice name)
{
    return domains_find(domains, name) != NULL;
}
