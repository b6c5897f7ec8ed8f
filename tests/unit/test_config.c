/* From files to a snapshot: what the session gets, and the exact words about what two blocks get
 * wrong together. */
#include <stdlib.h>

#include "config_kit.h"

/* ---- what the session gets ---- */

TEST(everything_left_out_has_its_default)
{
    load(UPSTREAM LISTEN);
    SAID("");
    CHECK(run.snapshot != NULL);
    CHECK_INT(run.snapshot->refs, 1);
    CHECK_INT(run.snapshot->generation, 7);
    CHECK_INT(run.snapshot->listener_count, 1);
    const struct mw_listen_settings *listen = &run.snapshot->listeners[0];
    CHECK_SLICE(listen->name, "mx");
    CHECK(listen->chain == NULL);
    CHECK_INT(listen->accept_proxy, MW_ACCEPT_PROXY_OFF);
    CHECK(!listen->accept_xclient && !listen->accept_xforward && !listen->is_transparent);
    CHECK_INT(listen->client_name, MW_CLIENT_NAME_ON); /* auto: XCLIENT tells of it */
    CHECK_INT(listen->mixed_verdict, MW_MIXED_REFUSE);
    CHECK_INT(listen->tls, MW_LISTEN_TLS_OFF);
    CHECK(listen->tls_server == NULL);
    CHECK_INT(listen->handshake_timeout_ms, 30000);
    CHECK_INT(listen->trust_count, 2);
    CHECK_INT(listen->auth, MW_AUTH_TLS_ONLY);
    CHECK_INT(listen->early_talker, MW_EARLY_REJECT);
    CHECK_INT(listen->line_ends.bare_lf, MW_BARE_NORMALIZE);
    CHECK_INT(listen->line_ends.bare_cr, MW_BARE_REJECT);
    CHECK_INT(listen->line_ends.nul, MW_BARE_PASS);
    CHECK_INT(listen->max_sessions, 2000);
    CHECK_INT(listen->max_message_size, 50000000);
    CHECK_INT(listen->max_errors, 20);
    CHECK_INT(listen->header_limits.size_max, 262144);
    CHECK_INT(listen->header_limits.fields_max, 1000);
    CHECK_INT(listen->header_limits.hops_max, 50);
    CHECK_INT(listen->command_timeout_ms, 300000);
    CHECK_INT(listen->data_timeout_ms, 180000);
    CHECK_INT(listen->header_timeout_ms, 300000);
    CHECK_INT(listen->min_data_rate, 100);
    CHECK_INT(listen->spool_memory, 262144);
    CHECK_INT(listen->relay_verb_count, 0);
    CHECK_INT(listen->relay_extension_count, 0);
    const struct mw_upstream_settings *upstream = listen->upstream;
    CHECK_SLICE(upstream->name, "pf");
    CHECK_INT(upstream->identity, MW_IDENTITY_XCLIENT);
    CHECK(upstream->require_identity);
    CHECK_INT(upstream->connect_timeout_ms, 30000);
    CHECK_INT(upstream->reply_timeout_ms, 300000);
    CHECK_INT(upstream->final_reply_timeout_ms, 600000);
    CHECK_INT(upstream->keepalive_ms, 60000);
    CHECK_INT(upstream->max_connections, 500);
    CHECK_INT(upstream->queue_timeout_ms, 10000);
    CHECK_INT(upstream->banner, MW_BANNER_UPSTREAM);
    CHECK(!upstream->is_transparent);
    CHECK_INT(upstream->tls, MW_UPSTREAM_TLS_OFF);
    CHECK(upstream->tls_client == NULL);
    CHECK_INT(run.process.resolver.server_count, 0);
    CHECK_INT(run.process.resolver.timeout_ms, 2000);
    CHECK_INT(run.process.resolver.attempts, 2);
    CHECK_INT(run.process.resolver.cache_entries, 20000);
    CHECK_INT(run.process.drain_timeout_ms, 30000);
    CHECK_INT(run.process.log.sink, MW_LOG_STDERR);
    CHECK_INT(run.process.log.format, MW_LOG_LOGFMT);
    CHECK_INT(run.process.log.level, MW_LOG_INFO);
    CHECK(strcmp(run.process.user, "mailweir") == 0);
    CHECK(strcmp(run.process.spool_dir, "/var/tmp") == 0);
    CHECK(run.snapshot->hostname.len > 0);
    CHECK_INT(run.snapshot->authserv_id_count, 1);
    CHECK(mw_slice_ieq(run.snapshot->authserv_ids[0], run.snapshot->hostname));
    CHECK_INT(listen->trust_results_count, 0);
    CHECK_INT(run.snapshot->query_limit, 500);
    fini();
}

TEST(everything_given_arrives)
{
    load("user alice\nhostname mx.example.test\nlog file weir.log format=json level=debug\n"
         "spool-dir /tmp\nplugin-path /a /b\ndrain-timeout 5s\nworkers 1\n"
         "authserv-id MX.Example.org. 'b\xc3\xbc"
         "cher.example'\nauthserv-id other\n"
         "resolver {\n nameserver 192.0.2.53 [2001:db8::53]:5353 2001:db8::54\n timeout 500ms\n "
         "attempts 3\n"
         " cache 0\n session-queries 70\n}\n"
         "upstream pf { address 127.0.0.1:10025 [::1]:10026\n address unix:/run/x\n"
         " identity proxy-v2\n require-identity off\n max-connections 0\n queue-timeout 0s\n"
         " banner own }\n"
         "listen mx { address 127.0.0.1:2525 [::1]:2525\n address unix:/run/y\n upstream pf\n"
         " accept-proxy required\n accept-xclient on\n accept-xforward on\n client-name on\n"
         " mixed-verdict split\n handshake-timeout 5s\n trust 192.0.2.0/24\n trust 2001:db8::/32\n "
         "trust-results 198.51.100.0/24\n "
         "auth always\n"
         " early-talker note\n bare-newline reject\n bare-cr pass\n nul reject\n"
         " max-message-size 0\n min-data-rate 0\n relay-verbs XADR YADR\n"
         " relay-extensions XFOO }\n");
    SAID("");
    CHECK(run.snapshot != NULL);
    const struct mw_listen_settings *listen = &run.snapshot->listeners[0];
    CHECK_INT(listen->address_count, 3);
    CHECK_INT(listen->addresses[1].port, 2525);
    CHECK_INT(listen->addresses[2].kind, MW_ENDPOINT_UNIX);
    CHECK_INT(listen->accept_proxy, MW_ACCEPT_PROXY_REQUIRED);
    CHECK(listen->accept_xclient && listen->accept_xforward);
    CHECK_INT(listen->client_name, MW_CLIENT_NAME_ON);
    CHECK_INT(listen->mixed_verdict, MW_MIXED_SPLIT);
    CHECK_INT(listen->handshake_timeout_ms, 5000);
    CHECK_INT(listen->trust_results_count, 1);
    CHECK_INT(run.snapshot->query_limit, 70);
    CHECK_INT(run.snapshot->authserv_id_count, 3);
    CHECK_SLICE(run.snapshot->authserv_ids[0], "mx.example.org");
    CHECK_SLICE(run.snapshot->authserv_ids[1], "xn--bcher-kva.example");
    CHECK_SLICE(run.snapshot->authserv_ids[2], "other");
    CHECK_INT(listen->trust_count, 2);
    CHECK_INT(listen->auth, MW_AUTH_ALWAYS);
    CHECK_INT(listen->early_talker, MW_EARLY_NOTE);
    CHECK_INT(listen->line_ends.bare_lf, MW_BARE_REJECT);
    CHECK_INT(listen->line_ends.bare_cr, MW_BARE_PASS);
    CHECK_INT(listen->line_ends.nul, MW_BARE_REJECT);
    CHECK_INT(listen->max_message_size, 0);
    CHECK_INT(listen->relay_verb_count, 2);
    CHECK_SLICE(listen->relay_verbs[1], "YADR");
    CHECK_SLICE(listen->relay_extensions[0], "XFOO");
    CHECK_INT(listen->upstream->address_count, 3);
    CHECK_INT(listen->upstream->identity, MW_IDENTITY_PROXY_V2);
    CHECK(!listen->upstream->require_identity);
    CHECK_INT(listen->upstream->max_connections, 0);
    CHECK_INT(listen->upstream->queue_timeout_ms, 0);
    CHECK_INT(listen->upstream->banner, MW_BANNER_OWN);
    CHECK_INT(run.process.resolver.server_count, 3);
    CHECK_INT(run.process.resolver.servers[0].port, 53);
    CHECK_INT(run.process.resolver.servers[1].port, 5353);
    CHECK_INT(run.process.resolver.servers[2].port, 53);
    CHECK_INT(run.process.resolver.timeout_ms, 500);
    CHECK_INT(run.process.resolver.attempts, 3);
    CHECK_INT(run.process.resolver.cache_entries, 0);
    CHECK_SLICE(run.snapshot->hostname, "mx.example.test");
    CHECK_INT(run.process.log.sink, MW_LOG_FILE);
    CHECK_INT(run.process.log.format, MW_LOG_JSON);
    CHECK_INT(run.process.log.level, MW_LOG_DEBUG);
    CHECK(strcmp(run.process.log.path, "weir.log") == 0);
    CHECK(strcmp(run.process.user, "alice") == 0);
    CHECK(strcmp(run.process.plugin_dirs[0], "/a") == 0);
    CHECK(strcmp(run.process.plugin_dirs[1], "/b") == 0);
    CHECK_INT(run.process.drain_timeout_ms, 5000);
    fini();
}

TEST(no_identity_requires_none)
{
    load("upstream pf { address 127.0.0.1:10025 }\n" LISTEN);
    SAID("");
    CHECK(!run.snapshot->listeners[0].upstream->require_identity);
    fini();
}

TEST(upstream_name_becomes_addresses)
{
    load("upstream pf { address localhost:10025\n identity xclient }\n" LISTEN);
    SAID("");
    const struct mw_upstream_settings *upstream = run.snapshot->listeners[0].upstream;
    CHECK(upstream->address_count >= 1);
    CHECK_INT(upstream->addresses[0].kind, MW_ENDPOINT_INET);
    CHECK_INT(upstream->addresses[0].port, 10025);
    fini();
}

TEST(chain_runs_its_filters_in_order_and_observes)
{
    load(UPSTREAM "filter a { module limits\n max-recipients 3 }\nfilter b { module limits\n "
                  "max-messages 3 }\nchain c {\n b\n observe a\n}\n"
                  "listen mx { address 127.0.0.1:2525\n upstream pf\n chain c }\n");
    SAID("");
    const struct mw_chain *chain = run.snapshot->listeners[0].chain;
    CHECK_INT(mw_chain_length(chain), 2);
    CHECK(mw_chain_stages(chain) & MW_STAGE_BIT(MW_STAGE_RCPT));
    struct mw_config_counts counts;
    mw_config_count(run.snapshot, &counts);
    CHECK_INT(counts.filters, 2);
    CHECK_INT(counts.chains, 1);
    CHECK_INT(counts.upstreams, 1);
    /* opened in the chain's order, whatever the files' is: b may define facts that a reads */
    CHECK(strcmp(mw_instance_name(mw_config_filter(run.snapshot, 0)), "b") == 0);
    CHECK(strcmp(mw_instance_name(mw_config_filter(run.snapshot, 1)), "a") == 0);
    fini();
}

/* ---- what two blocks get wrong together ---- */

TEST(no_listener_is_an_error)
{
    load(UPSTREAM);
    SAID("error: there is no listener: nobody could connect\n"
         "       = listen NAME { address 127.0.0.1:2525 ... }\n");
    CHECK(run.snapshot == NULL);
    fini();
}

TEST(unknown_names_have_a_caret_and_a_near_name)
{
    load(UPSTREAM "filter limits { module limits }\nchain inbound { limts }\n"
                  "listen mx {\n  address 127.0.0.1:2525\n  upstream pff\n  chain inbond\n}\n");
    SAID("t.conf:4:17: error: there is no filter 'limts'\n"
         "     4 | chain inbound { limts }\n"
         "       |                 ^~~~~\n"
         "       = did you mean 'limits'?\n"
         "t.conf:7:12: error: there is no upstream 'pff'\n"
         "     7 |   upstream pff\n"
         "       |            ^~~\n"
         "       = did you mean 'pf'?\n"
         "t.conf:8:9: error: there is no chain 'inbond'\n"
         "     8 |   chain inbond\n"
         "       |         ^~~~~~\n"
         "       = did you mean 'inbound'?\n");
    fini();
}

TEST(unknown_names_without_a_near_one_list_what_there_is)
{
    load("upstream a { address 127.0.0.1:1 }\nupstream b { address 127.0.0.1:2 }\n"
         "listen mx { address 127.0.0.1:2525\n upstream postfix\n chain inbound }\n");
    SAID("t.conf:4:11: error: there is no upstream 'postfix'\n"
         "     4 |  upstream postfix\n"
         "       |           ^~~~~~~\n"
         "       = there is 'a', 'b'\n"
         "t.conf:5:8: error: there is no chain 'inbound'\n"
         "     5 |  chain inbound }\n"
         "       |        ^~~~~~~\n"
         "       = add a block: chain inbound { ... }\n");
    fini();
}

TEST(open_relay_trap_is_warned_of)
{
    load("upstream pf {\n  address 127.0.0.1:10025\n}\n"
         "listen mx { address 0.0.0.0:2525\n upstream pf }\n");
    CHECK(run.snapshot != NULL);
    SAID("t.conf:1:1: warning: open relay: upstream 'pf' sees every client of listener 'mx' as "
         "this machine, "
         "and a mail server that trusts 127.0.0.1 relays for all of them\n"
         "     1 | upstream pf {\n"
         "       | ^~~~~~~~\n"
         "       = set 'identity xclient' or 'identity proxy-v2' here and its counterpart in the "
         "mail "
         "server (README.md)\n");
    load("upstream pf { address 127.0.0.1:10025\n identity none }\n"
         "listen mx { address [::]:2525\n upstream pf }\nlisten my { address [::]:2526\n upstream "
         "pf }\n");
    CHECK_INT(mw_diags_warnings(run.diags), 1);
    CHECK(strstr(run.said, "t.conf:2:11: warning: open relay") == run.said);
    /* not where nobody else can connect, and not where the upstream is another machine */
    load("upstream pf { address 127.0.0.1:10025 }\n" LISTEN);
    SAID("");
    load(
        "upstream pf { address 192.0.2.1:25 }\nlisten mx { address 0.0.0.0:2525\n upstream pf }\n");
    SAID("");
    fini();
}

TEST(open_relay_by_an_identity_that_may_be_missing_is_warned_of)
{
    load("upstream pf { address 127.0.0.1:10025\n identity xclient\n require-identity off }\n"
         "listen mx { address 0.0.0.0:2525\n upstream pf }\n");
    CHECK_INT(mw_diags_warnings(run.diags), 1);
    CHECK(strstr(run.said, "warning: open relay") != NULL);
    fini();
}

TEST(open_relay_behind_a_balancer_of_this_machine_is_warned_of)
{
    load("upstream pf { address 127.0.0.1:10025 }\n"
         "listen mx { address 127.0.0.1:2525\n accept-proxy required\n upstream pf }\n");
    CHECK_INT(mw_diags_warnings(run.diags), 1);
    CHECK(strstr(run.said, "warning: open relay") != NULL);
    load("upstream pf { address 127.0.0.1:10025 }\n"
         "listen mx { address 127.0.0.1:2525\n accept-xclient on\n upstream pf }\n");
    CHECK_INT(mw_diags_warnings(run.diags), 1);
    CHECK(strstr(run.said, "warning: open relay") != NULL);
    fini();
}

TEST(required_identity_needs_an_identity)
{
    load("upstream pf { address 127.0.0.1:10025\n require-identity on }\n" LISTEN);
    SAID("t.conf:2:19: error: an identity is required, but none is to be conveyed\n"
         "     2 |  require-identity on }\n"
         "       |                   ^~\n"
         "       = add 'identity xclient' or another identity\n");
    fini();
}

TEST(an_address_is_listened_on_once)
{
    load(UPSTREAM "listen a { address 127.0.0.1:25\n upstream pf }\n"
                  "listen b { address 127.0.0.1:26 127.0.0.1:25\n upstream pf }\n");
    SAID("t.conf:5:33: error: this address is taken already\n"
         "     5 | listen b { address 127.0.0.1:26 127.0.0.1:25\n"
         "       |                                 ^~~~~~~~~~~~\n"
         "       = 127.0.0.1:25 is listened on at t.conf:3\n");
    fini();
}

TEST(a_wildcard_takes_every_address_of_its_family)
{
    load(UPSTREAM "listen a { address 0.0.0.0:25 [::]:25\n upstream pf }\n");
    SAID("");
    load(UPSTREAM "listen a { address 0.0.0.0:25 127.0.0.1:25\n upstream pf }\n");
    CHECK_INT(mw_diags_errors(run.diags), 1);
    load(UPSTREAM "listen a { address unix:/run/a unix:/run/a\n upstream pf }\n");
    CHECK_INT(mw_diags_errors(run.diags), 1);
    load(UPSTREAM
         "listen a { address unix:/run/a unix:/run/b 127.0.0.1:25 127.0.0.2:25\n upstream pf }\n");
    SAID("");
    fini();
}

TEST(a_listener_is_not_its_own_upstream)
{
    load("upstream pf { address 127.0.0.1:2525\n identity xclient }\n"
         "listen a { address 127.0.0.1:2525\n upstream pf }\n");
    SAID("t.conf:3:20: error: this is also the address of upstream 'pf': sessions would be relayed "
         "to "
         "ourselves\n"
         "     3 | listen a { address 127.0.0.1:2525\n"
         "       |                    ^~~~~~~~~~~~~~\n");
    load("upstream pf { address 127.0.0.1:2525\n identity xclient }\n"
         "listen a { address 0.0.0.0:2525\n upstream pf }\n");
    CHECK_INT(mw_diags_errors(run.diags), 1);
    load("upstream pf { address 192.0.2.1:25\n identity xclient }\n"
         "listen a { address 0.0.0.0:25\n upstream pf }\n");
    SAID("");
    fini();
}

TEST(xforward_is_no_identity_for_decisions)
{
    load("upstream pf {\n  address 127.0.0.1:10025\n  identity xforward\n}\n"
         "listen mx { address 0.0.0.0:2525\n upstream pf }\n");
    SAID("t.conf:3:12: warning: open relay: upstream 'pf' sees every client of listener 'mx' as "
         "this machine (XFORWARD is for its log only), and a mail server that trusts 127.0.0.1 "
         "relays for all of them\n"
         "     3 |   identity xforward\n"
         "       |            ^~~~~~~~\n"
         "       = set 'identity xclient' or 'identity proxy-v2' here and its counterpart in the "
         "mail server (README.md)\n");
    CHECK_INT(run.snapshot->listeners[0].upstream->identity, MW_IDENTITY_XFORWARD);
    CHECK_INT(run.snapshot->listeners[0].client_name, MW_CLIENT_NAME_ON);
    load("upstream pf { address 127.0.0.1:10025\n identity xforward }\n" LISTEN);
    SAID(""); /* behind a mail server of this machine */
    fini();
}

static void write_rules(const char *text)
{
    enter_directory();
    FILE *file = fopen("t.rules", "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

TEST(client_name_follows_who_is_told_of_it)
{
    load("upstream pf { address 127.0.0.1:10025\n identity proxy-v2 }\n" LISTEN);
    SAID("");
    CHECK_INT(run.snapshot->listeners[0].client_name, MW_CLIENT_NAME_OFF);
    load("upstream pf { address 127.0.0.1:10025 }\n"
         "listen mx { address 127.0.0.1:2525\n upstream pf\n client-name on }\n");
    CHECK_INT(run.snapshot->listeners[0].client_name, MW_CLIENT_NAME_ON);
    load(UPSTREAM "listen mx { address 127.0.0.1:2525\n upstream pf\n client-name off }\n");
    CHECK_INT(run.snapshot->listeners[0].client_name, MW_CLIENT_NAME_OFF);
    static const char with_rules[] =
        "upstream pf { address 127.0.0.1:10025 }\n"
        "filter f { module rules\n files t.rules }\nchain c { f }\n"
        "listen mx { address 127.0.0.1:2525\n upstream pf\n chain c }\n";
    write_rules("n: reject 550 5.7.1 \"no\" when client.name == \"x.example\"\n");
    load(with_rules);
    SAID("");
    CHECK_INT(run.snapshot->listeners[0].client_name, MW_CLIENT_NAME_ON);
    write_rules("n: reject 550 5.7.1 \"no\" when helo == \"x.example\"\n");
    load(with_rules);
    SAID("");
    CHECK_INT(run.snapshot->listeners[0].client_name, MW_CLIENT_NAME_OFF);
    fini();
}

TEST(trust_in_everybody_is_warned_of)
{
    load(UPSTREAM "listen mx { address 127.0.0.1:2525\n upstream pf\n  accept-xclient on\n"
                  "  trust 10.0.0.0/8 0.0.0.0/0\n}\n");
    SAID("t.conf:6:20: warning: whoever can connect can claim any address ('accept-xclient' from "
         "everybody)\n"
         "     6 |   trust 10.0.0.0/8 0.0.0.0/0\n"
         "       |                    ^~~~~~~~~\n"
         "       = name the machines that stand in front of mailweir\n");
    CHECK(run.snapshot != NULL);
    load(UPSTREAM "listen mx { address 127.0.0.1:2525\n upstream pf\n accept-xforward on\n"
                  " trust ::/0\n}\n");
    CHECK(strstr(run.said, "'accept-xforward' from everybody") != NULL);
    load(UPSTREAM "listen mx { address 127.0.0.1:2525\n upstream pf\n accept-proxy optional\n"
                  " trust ::/0\n}\n");
    CHECK(strstr(run.said, "'accept-proxy' from everybody") != NULL);
    load(UPSTREAM "listen mx { address 127.0.0.1:2525\n upstream pf\n trust ::/0 }\n");
    SAID(""); /* nothing is taken from them */
    fini();
}

TEST(passwords_in_the_clear_are_warned_of)
{
    load(UPSTREAM "listen mx { address 0.0.0.0:2525\n upstream pf\n  auth always\n}\n");
    SAID("t.conf:5:8: warning: clients may send their passwords in the clear\n"
         "     5 |   auth always\n"
         "       |        ^~~~~~\n"
         "       = auth tls-only\n");
    load(UPSTREAM "listen mx { address 127.0.0.1:2525\n upstream pf\n auth always }\n");
    SAID("");
    fini();
}

TEST(transparent_upstreams_see_the_client_itself)
{
    load("upstream pf { address 127.0.0.1:10025\n transparent on }\n"
         "listen mx { address 0.0.0.0:2525\n upstream pf\n transparent on }\n");
    SAID(""); /* no open relay */
    CHECK(run.snapshot->listeners[0].is_transparent);
    CHECK(run.snapshot->listeners[0].upstream->is_transparent);
    CHECK(mw_config_is_transparent(run.snapshot));
    load(
        "upstream pf {\n address 127.0.0.1:10025\n identity xclient\n  transparent on\n}\n" LISTEN);
    SAID("t.conf:4:15: warning: the upstream is told twice who the client is: it sees the client's "
         "own address, and 'identity xclient' besides\n"
         "     4 |   transparent on\n"
         "       |               ^~\n"
         "       = set 'identity none'\n");
    load("upstream pf { address unix:/run/x\n transparent on }\n"
         "listen mx { address unix:/run/y\n upstream pf\n transparent on }\n");
    CHECK_INT(mw_diags_errors(run.diags), 2);
    CHECK(strstr(run.said, "t.conf:1:23: error: 'transparent on' is about IP addresses; a UNIX "
                           "socket has none") != NULL);
    load(UPSTREAM LISTEN);
    CHECK(!mw_config_is_transparent(run.snapshot));
    fini();
}

TEST(resolver_is_one_block_without_a_name)
{
    load("resolver dns { timeout 1s }\n" UPSTREAM LISTEN);
    SAID("t.conf:1:1: error: there is one 'resolver' only: it has no name\n"
         "     1 | resolver dns { timeout 1s }\n"
         "       | ^~~~~~~~\n"
         "       = resolver { ... }\n");
    load("resolver { timeout 1s }\nresolver { attempts 1 }\n" UPSTREAM LISTEN);
    CHECK_INT(mw_diags_errors(run.diags), 1);
    CHECK(strstr(run.said, "t.conf:2:1: error:") == run.said);
    load("resolver { timeout 1s }\noverride resolver { attempts 1 }\n" UPSTREAM LISTEN);
    SAID("");
    CHECK_INT(run.process.resolver.timeout_ms, 1000);
    CHECK_INT(run.process.resolver.attempts, 1);
    fini();
}

TEST(resolver_takes_addresses_and_bounds)
{
    load("resolver {\n  nameserver 192.0.2.1.5 unix:/run/dns ns.example.test:53\n  attempts 0\n"
         "  timeout 2\n  cach 3\n}\n" UPSTREAM LISTEN);
    CHECK_INT(mw_diags_errors(run.diags), 6);
    CHECK(strstr(run.said, "t.conf:2:14: error: '192.0.2.1.5' is not an address with a port") !=
          NULL);
    CHECK(strstr(run.said, "t.conf:2:26: error: a name server is asked over the network") != NULL);
    CHECK(strstr(run.said, "t.conf:2:40: error: 'ns.example.test:53' is not an address") != NULL);
    CHECK(strstr(run.said, "'0' is out of range: 'attempts' takes 1 to 10") != NULL);
    CHECK(strstr(run.said, "'2' has no unit") != NULL);
    CHECK(strstr(run.said, "unknown directive 'cach' in block 'resolver'") != NULL);
    fini();
}

TEST(control_is_a_local_socket)
{
    load(UPSTREAM LISTEN);
    SAID("");
    CHECK_MEM(run.process.control, strlen(run.process.control), "");
    load("control unix:/run/mailweir/ctl\n" UPSTREAM LISTEN);
    SAID("");
    CHECK_MEM(run.process.control, strlen(run.process.control), "/run/mailweir/ctl");
    load("control 127.0.0.1:2526\n" UPSTREAM LISTEN);
    SAID("t.conf:1:9: error: the control socket is a local one\n"
         "     1 | control 127.0.0.1:2526\n"
         "       |         ^~~~~~~~~~~~~~\n"
         "       = control unix:/run/mailweir/ctl\n");
    fini();
}

TEST(unused_chain_is_warned_of)
{
    load(UPSTREAM "chain inbound { }\n" LISTEN);
    SAID("t.conf:3:1: warning: no listener uses chain 'inbound': its filters do not run\n"
         "     3 | chain inbound { }\n"
         "       | ^~~~~\n"
         "       = add 'chain inbound' to a listen block\n");
    CHECK(run.snapshot != NULL);
    fini();
}

TEST(chain_members_are_checked)
{
    load(UPSTREAM "filter a { module limits }\nchain c { a a }\nchain d { a observe }\n"
                  "chain e { observe observe a }\n" LISTEN);
    SAID("t.conf:4:13: error: filter 'a' is in this chain twice\n"
         "     4 | chain c { a a }\n"
         "       |             ^\n"
         "       = a second filter block can use the same module\n"
         "t.conf:5:13: error: 'observe' needs the name of a filter behind it\n"
         "     5 | chain d { a observe }\n"
         "       |             ^~~~~~~\n"
         "       = observe NAME\n"
         "t.conf:6:19: error: there is no filter 'observe'\n"
         "     6 | chain e { observe observe a }\n"
         "       |                   ^~~~~~~\n"
         "       = there is 'a'\n");
    fini();
}

TEST(two_filters_of_a_chain_with_the_same_facts_are_warned_of)
{
    load(UPSTREAM "filter a { module spf }\nfilter b { module spf }\nchain c { a b }\n"
                  "chain d { b }\nlisten mx { address 127.0.0.1:2525\n upstream pf\n chain c }\n"
                  "listen my { address 127.0.0.1:2526\n upstream pf\n chain d }\n");
    SAID("t.conf:5:13: warning: filters 'a' and 'b' of this chain are both of module spf\n"
         "     5 | chain c { a b }\n"
         "       |             ^\n"
         "       = what it finds overwrites what the other has found: rules see the last result\n");
    fini();
}

TEST(relayed_verbs_and_extensions_keep_out_of_ours)
{
    load(UPSTREAM "listen mx { address 127.0.0.1:2525\n upstream pf\n"
                  "  relay-verbs XCLIENT X-Y\n  relay-extensions starttls XFOO\n}\n");
    SAID("t.conf:5:15: error: 'XCLIENT' is a command that mailweir handles itself; leave it out\n"
         "     5 |   relay-verbs XCLIENT X-Y\n"
         "       |               ^~~~~~~\n"
         "t.conf:5:23: error: a command is a word of at most 20 letters and digits\n"
         "     5 |   relay-verbs XCLIENT X-Y\n"
         "       |                       ^~~\n"
         "t.conf:6:20: error: 'STARTTLS' has rules of its own; leave it out\n"
         "     6 |   relay-extensions starttls XFOO\n"
         "       |                    ^~~~~~~~\n");
    fini();
}

TEST(log_says_what_it_can_be)
{
    load("log stder level=inf\n" UPSTREAM LISTEN);
    SAID("t.conf:1:5: error: 'stder' is no place to log to\n"
         "     1 | log stder level=inf\n"
         "       |     ^~~~~\n"
         "       = did you mean 'stderr'?\n");
    load("log stderr level=inf color=on\n" UPSTREAM LISTEN);
    SAID("t.conf:1:12: error: 'level=inf' is no option of 'log'\n"
         "     1 | log stderr level=inf color=on\n"
         "       |            ^~~~~~~~~\n"
         "       = level=debug, info, warning or error\n"
         "t.conf:1:22: error: 'color=on' is no option of 'log'\n"
         "     1 | log stderr level=inf color=on\n"
         "       |                      ^~~~~~~~\n"
         "       = format=logfmt|json, level=debug|info|warning|error\n");
    load("log file\n" UPSTREAM LISTEN);
    CHECK(strstr(run.said, "the log file needs a name") != NULL);
    fini();
}

TEST(what_later_versions_bring_is_unknown_now)
{
    load("metrics 127.0.0.1:9625\n" UPSTREAM LISTEN);
    CHECK(strstr(run.said, "error: unknown directive 'metrics'") != NULL);
    load("workers 4\n" UPSTREAM LISTEN);
    CHECK(strstr(run.said, "t.conf:1:9: error:") == run.said);
    fini();
}

TEST(block_names_are_names)
{
    load(UPSTREAM "listen { address 127.0.0.1:1\n upstream pf }\n"
                  "filter 'a b' { module limits }\nfilter observe { module limits }\n"
                  "lisen x { }\n");
    CHECK(strstr(run.said, "t.conf:3:1: error: this block needs a name") != NULL);
    CHECK(strstr(run.said, "'a b' is no name for a block") != NULL);
    CHECK(strstr(run.said, "a filter cannot be named 'observe'") != NULL);
    CHECK(strstr(run.said, "unknown block 'lisen'") != NULL);
    CHECK_INT(mw_diags_errors(run.diags), 4);
    fini();
}

TEST(a_missing_path_is_one_error)
{
    enter_directory();
    fini();
    run.diags = mw_diags_new();
    run.snapshot = mw_config_load("nowhere", &run.plugins, 1, run.diags, &run.process);
    CHECK(run.snapshot == NULL);
    CHECK_INT(mw_diags_errors(run.diags), 1);
    fini();
}

TEST(host_names)
{
    CHECK(mw_config_hostname_ok(MW_LIT("mx.example.test")));
    CHECK(mw_config_hostname_ok(MW_LIT("a")));
    CHECK(!mw_config_hostname_ok(MW_LIT("")));
    CHECK(!mw_config_hostname_ok(MW_LIT("-a")));
    CHECK(!mw_config_hostname_ok(MW_LIT("a.")));
    CHECK(!mw_config_hostname_ok(MW_LIT("a b")));
    CHECK(!mw_config_hostname_ok(MW_LIT("a\r\nb")));
    load("hostname 'a b'\n" UPSTREAM LISTEN);
    CHECK(strstr(run.said, "t.conf:1:10: error: 'a b' is not a host name") == run.said);
    fini();
}

TEST(authserv_ids_are_host_names)
{
    load("authserv-id mx.example.org 'a;b'\n" UPSTREAM LISTEN);
    CHECK(strstr(run.said, "t.conf:1:28: error: 'a;b' is no authserv-id") == run.said);
    CHECK(strstr(run.said, "a host name, such as mx.example.net") != NULL);
    fini();
}
