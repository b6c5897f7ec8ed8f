/* Recipients that settings name. */
#include "recipient.h"
#include "test.h"

static bool has(const struct recipients *recipients, const char *local, const char *domain)
{
    const struct mw_path_view rcpt = {.local = slice_of(local), .domain = slice_of(domain)};
    return recipients_have(recipients, &rcpt);
}

TEST(address_domain_or_local_part)
{
    struct recipient list[] = {{LIT("postmaster"), EMPTY},
                               {EMPTY, LIT("xn--bcher-kva.example")},
                               {LIT("ann"), LIT("example.net")}};
    const struct recipients recipients = {list, 3};
    CHECK(has(&recipients, "PostMaster", "any.example"));
    CHECK(has(&recipients, "postmaster", "[192.0.2.1]"));
    CHECK(has(&recipients, "postmaster", ""));
    CHECK(!has(&recipients, "postmaster2", "any.example"));
    CHECK(has(&recipients, "x", "b\303\274cher.example"));
    CHECK(has(&recipients, "", "XN--bcher-kva.example."));
    CHECK(!has(&recipients, "x", "a.xn--bcher-kva.example"));
    CHECK(has(&recipients, "Ann", "Example.NET"));
    CHECK(!has(&recipients, "ann", "example.org"));
    CHECK(!has(&recipients, "ann", "[192.0.2.1]"));
    CHECK(!has(&recipients, "bob", "example.net"));
}

TEST(empty_list_has_nobody)
{
    const struct recipients nobody = {NULL, 0};
    CHECK(!has(&nobody, "postmaster", "example.net"));
    CHECK(!has(&nobody, "", ""));
}

TEST(who_wants_mail_still)
{
    for (int status = MW_RCPT_PENDING; status <= MW_RCPT_DISCARDED; status++) {
        const struct mw_path_view rcpt = {.status = (enum mw_rcpt_status)status};
        bool is_wanted = status == MW_RCPT_PENDING || status == MW_RCPT_ACCEPTED ||
                         status == MW_RCPT_ADDED;
        CHECK_INT(recipient_is_wanted(&rcpt), is_wanted);
    }
}
