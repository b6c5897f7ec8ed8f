/* Renewed files under a running loop: taken over without a word from anybody, kept out when they do
 * not go together, told once. */
#include "ops/certificates.h"

#include <stdlib.h>
#include <unistd.h>

#include "cert_kit.h"
#include "config_kit.h"

/* What certificates.c works with in a worker. */
static struct bench {
    uv_loop_t loop;
    struct mw_log *log;
    struct mw_certificates *certificates;
} bench;

#define CONF(files) \
    UPSTREAM        \
    "listen mx { address 127.0.0.1:2525\n upstream pf\n tls starttls\n certificate " files " }\n"

static void begin(const char *conf)
{
    bench.log = mw_log_memory(MW_LOG_DEBUG);
    if (uv_loop_init(&bench.loop) != 0)
        abort();
    run.tickets = mw_tls_tickets_new();
    load(conf);
    if (run.snapshot == NULL) {
        fprintf(stderr, "%s", run.said);
        abort();
    }
    bench.certificates = mw_certificates_new(&bench.loop, bench.log, run.tickets);
    mw_certificates_watch(bench.certificates, run.snapshot);
}

static void end(void)
{
    mw_certificates_close(&bench.certificates);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&bench.loop) != 0)
        abort();
    fini();
    mw_tls_tickets_free(&run.tickets);
    mw_log_close(&bench.log);
}

static void on_time(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void on_closed(uv_handle_t *handle)
{
    (void)handle;
}

/* Let the loop run that long. */
static void pass(uint64_t ms)
{
    uv_timer_t timer;
    uv_timer_init(&bench.loop, &timer);
    uv_timer_start(&timer, on_time, ms, 0);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&timer, on_closed);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
}

static size_t count(const char *words)
{
    struct mw_slice text = mw_log_memory_view(bench.log);
    size_t found = 0, len = strlen(words);
    for (size_t i = 0; i + len <= text.len; i++)
        found += memcmp(text.ptr + i, words, len) == 0;
    return found;
}

/* Until the log has it, or twenty seconds. */
static bool comes(const char *words)
{
    for (int i = 0; i < 200 && count(words) == 0; i++)
        pass(100);
    return count(words) > 0;
}

static void put(const char *from, const char *to)
{
    if (rename(from, to) != 0)
        abort();
}

TEST(renewed_files_are_in_force_without_a_reload)
{
    enter_directory();
    cert_make("a", "mx.example.test", 90);
    begin(CONF("a.pem a.key"));
    int64_t before = mw_config_tls_expiry(mw_config_tls(run.snapshot, 0));
    cert_make("new", "mx.example.test", 180);
    put("new.key", "a.key");
    put("new.pem", "a.pem");
    CHECK(comes("certificate listener=mx file="));
    CHECK_INT(count("certificate-failed"), 0);
    CHECK(mw_config_tls_expiry(mw_config_tls(run.snapshot, 0)) > before + 80 * 86400);
    pass(1500);
    CHECK_INT(count("certificate listener=mx"), 1); /* once */
    end();
}

/* False: this machine was busy for so long that the second look came before the other half. */
static bool renew_by_halves(void)
{
    cert_make("a", "mx.example.test", 90);
    begin(CONF("a.pem a.key"));
    cert_make("new", "mx.example.test", 180);
    put("new.pem", "a.pem");
    uint64_t before_ns = uv_hrtime();
    pass(1300); /* the first look found a key that does not belong to it */
    put("new.key", "a.key");
    return uv_hrtime() - before_ns < UINT64_C(1900000000);
}

TEST(half_a_renewal_is_not_told)
{
    enter_directory();
    for (int tries = 0; !renew_by_halves() && tries < 20; tries++)
        end();
    CHECK(comes("certificate listener=mx file="));
    CHECK_INT(count("certificate-failed"), 0);
    end();
}

TEST(files_that_do_not_go_together_are_told_once_and_the_old_ones_stay)
{
    enter_directory();
    cert_make("a", "mx.example.test", 90);
    begin(CONF("a.pem a.key"));
    int64_t before = mw_config_tls_expiry(mw_config_tls(run.snapshot, 0));
    cert_make("new", "mx.example.test", 180);
    put("new.pem", "a.pem");
    CHECK(comes("certificate-failed listener=mx expires=20"));
    CHECK_INT(mw_config_tls_expiry(mw_config_tls(run.snapshot, 0)), before);
    pass(2500);
    CHECK_INT(count("certificate-failed"), 1);
    CHECK_INT(count("certificate listener="), 0);
    put("new.key", "a.key"); /* and well again */
    CHECK(comes("certificate listener=mx file="));
    end();
}

TEST(another_snapshot_has_other_files)
{
    enter_directory();
    cert_make("a", "mx.example.test", 90);
    cert_make("b", "mx.example.test", 90);
    begin(CONF("a.pem a.key"));
    struct mw_snapshot *old = mw_snapshot_ref(run.snapshot);
    load(CONF("b.pem b.key"));
    CHECK(run.snapshot != NULL);
    mw_certificates_watch(bench.certificates, run.snapshot);
    mw_snapshot_unref(&old);
    pass(50); /* or the files keep their time to the tick, and maybe their size */
    cert_make("b", "mx.example.test", 180);
    CHECK(comes("certificate listener=mx file="));
    CHECK(count("b.") > 0);
    end();
}

TEST(the_end_of_a_certificate_is_told_at_once)
{
    enter_directory();
    cert_make("a", "mx.example.test", 5);
    begin(CONF("a.pem a.key"));
    CHECK_INT(count("certificate-expires listener=mx expires=20"), 1);
    CHECK_INT(count("days=5 text=\"a certificate expires soon: renew it\""), 1);
    end();
    cert_make("a", "mx.example.test", -3);
    begin(CONF("a.pem a.key"));
    CHECK_INT(count("days=0 text=\"a certificate has expired"), 1);
    end();
    cert_make("a", "mx.example.test", 90);
    begin(CONF("a.pem a.key"));
    CHECK_INT(count("certificate-expires"), 0);
    end();
}

TEST(without_tls_there_is_nothing_to_do)
{
    begin(UPSTREAM LISTEN);
    pass(50);
    CHECK_INT(mw_log_memory_view(bench.log).len, 0);
    end();
}
