/* test_spf_broken.c - checks while libspf2 fails: its interpreter is replaced by one that reports an error of its own, as libspf2 does where it
 * would abort(), or gives a result that it must not. Sanitizers see that nothing is lost. */
#include <dlfcn.h>
#include <sys/types.h>

#include <netinet/in.h>

#include <arpa/nameser.h>
#include <resolv.h>

#include <spf2/spf.h>

#include <spf2/spf_log.h>
#include <spf2/spf_record.h>

#include "spf_zone.h"
#include "test.h"

typedef SPF_errcode_t interpret_fn(SPF_record_t *, SPF_request_t *, SPF_response_t *, int);

static unsigned calls, breaks_at; /* from 1; 0: never */
static SPF_errcode_t returned;    /* instead of an error report, if not 0 */
static bool breaks_behind;        /* when libspf2 has done its work */

SPF_errcode_t SPF_record_interpret(SPF_record_t *record, SPF_request_t *request,
                                   SPF_response_t *response, int depth)
{
    interpret_fn *real = (interpret_fn *)dlsym(RTLD_NEXT, "SPF_record_interpret");
    bool is_broken = ++calls == breaks_at;
    if (is_broken && breaks_behind)
        real(record, request, response, depth);
    if (is_broken && returned != SPF_E_SUCCESS)
        return returned;
    if (is_broken)
        SPF_errorx(__FILE__, __LINE__, "spf_server is NULL\r\n%c", 0x80);
    return real(record, request, response, depth);
}

static const struct zone_entry entries[] = {
    ZONE_TXT("d.test", "v=spf1 include:i.test a:host.test -all"),
    ZONE_TXT("i.test", "v=spf1 include:j.test ?all"),
    ZONE_TXT("j.test", "v=spf1 a:host.test ~all"),
    ZONE_A("host.test", "198.51.100.1"),
};

static void run(struct zone *zone, unsigned at)
{
    calls = 0;
    breaks_at = at;
    zone_check(zone, "192.0.2.1", LIT("user@d.test"), LIT("mail.test"));
}

TEST(the_interpreter_is_ours_here)
{
    struct zone zone = ZONE(entries);
    run(&zone, 0);
    CHECK_INT(zone.verdict.result, SPF_FAIL);
    CHECK_INT(calls, 3); /* once a record, however many rounds the DNS takes */
    zone_end(&zone);
}

TEST(an_error_anywhere_in_a_check_is_temperror)
{
    struct zone zone = ZONE(entries);
    run(&zone, 0);
    unsigned all = calls;
    for (unsigned at = 1; at <= all; at++) {
        run(&zone, at);
        CHECK_INT(zone.verdict.result, SPF_TEMPERROR);
        CHECK(memcmp(zone.verdict.problem.ptr, "libspf2 failed with the record of ", 34) == 0);
        CHECK(zone.verdict.record_domain.len == 6);
    }
    run(&zone, 1); /* it comes to a record when all that the record's terms need is known */
    CHECK_SLICE(zone.verdict.record_domain, "j.test");
    run(&zone, all);
    CHECK_SLICE(zone.verdict.problem,
                "libspf2 failed with the record of d.test: spf_server is NULL???");
    zone_end(&zone);
}

TEST(an_error_behind_the_work_is_one_too)
{
    struct zone zone = ZONE(entries);
    run(&zone, 0);
    unsigned all = calls;
    breaks_behind = true;
    for (unsigned at = 1; at <= all; at++) {
        run(&zone, at);
        CHECK(zone.verdict.result == SPF_TEMPERROR || zone.verdict.result == SPF_FAIL);
    }
    run(&zone, all);
    CHECK_INT(zone.verdict.result, SPF_TEMPERROR);
    breaks_behind = false;
    zone_end(&zone);
}

TEST(an_error_code_is_temperror_as_well)
{
    struct zone zone = ZONE(entries);
    returned = SPF_E_NO_MEMORY;
    run(&zone, 1);
    CHECK_INT(zone.verdict.result, SPF_TEMPERROR);
    returned = SPF_E_SUCCESS;
    zone_end(&zone);
}
